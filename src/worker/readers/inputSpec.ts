import type { DType } from "../formats/dtype";

/** What the example inputs of a trace are and where they came from. */
export interface InputSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** For integer inputs: values are in [0, below), the size of the table they index. */
  readonly below?: number;
}
