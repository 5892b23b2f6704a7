import type { EngineChoice, ModelChoice } from "./jobs";
import type { InjectionSummary, WeightsSummary } from "./reports";

/** One run of forward in evaluation mode, of the base model and, with an adapter, of the adapted one. */
export interface RunRequest {
  readonly kind: "run";
  readonly model: ModelChoice;
  /** A saved adapter; without one the base runs alone. Absolute path. */
  readonly adapterFolder?: string;
  /** What forward is given; without one it is drawn from the seed. */
  readonly sample?: SampleChoice;
  /** An .npz file to write the outputs to: the adapted model's where there is an adapter. Absolute path. */
  readonly output?: string;
  readonly engine: EngineChoice;
}

/** A sample in a file. */
export interface SampleChoice {
  /**
   * An .npz file with an array for each of forward's parameters, by name; an .npy file with the one input; or a file of one of
   * the kinds that training knows, of which one row is taken. Absolute path.
   */
  readonly file: string;
  /** Of a table: the row, from 1, the header not counted; 1 when left out. */
  readonly row?: number;
  /** Of a table: the column that is no input; guessed by its name when left out. */
  readonly label?: string;
}

/** What a run of forward gives. Values are in the unit of the model's own output, such as logits. */
export interface RunReport {
  readonly kind: "run";
  readonly model: string;
  readonly file: string;
  readonly engine: string;
  readonly device: string;
  readonly weights: WeightsSummary;
  readonly seed: number;
  /** Time of the whole run, reading included, in seconds. */
  readonly seconds: number;
  readonly inputs: readonly RunTensor[];
  /** In words: "random numbers of seed 0 (shapes: the call at line 9)", "row 1 of digits.csv". */
  readonly inputsFrom: string;
  /** Of a table's row: what its label column says. */
  readonly label?: { readonly column: string; readonly value: string };
  /** null: the base ran alone. */
  readonly adapter: { readonly folder: string; readonly injection: InjectionSummary } | null;
  readonly outputs: readonly RunOutput[];
  /** Absolute path of the .npz file with the outputs; absent when none was asked for. */
  readonly output?: string;
  /** Of the adapter's injection, one sentence each; absent when there is none. */
  readonly warnings?: readonly string[];
}

export interface RunTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The first values, row-major; of a bool 0 or 1. NaN and infinities are written as text: JSON has no numbers for them. */
  readonly first: readonly RunValue[];
}

export type RunValue = number | "NaN" | "Infinity" | "-Infinity";

export interface RunOutput extends RunTensor {
  /** `first` is the base model's, and this is the adapted model's; absent without an adapter. */
  readonly adaptedFirst?: readonly RunValue[];
  /** Largest absolute value of the base's output, in the output's unit. */
  readonly largest: RunValue;
  /** Where the base's last dimension is largest, counted from 0, in its first row: the class, where these are logits. */
  readonly highest: number | null;
  /** The same of the adapted model; absent without an adapter. */
  readonly adaptedHighest?: number | null;
  /** Adapted against base; absent without an adapter. */
  readonly difference?: {
    /** Largest absolute difference, in the output's unit. */
    readonly largest: RunValue;
    /** Its place, from 0 along each dimension. */
    readonly at: readonly number[];
    /** `largest` over the largest absolute value of the base, no unit; null where that is 0 or one of the two is not finite. */
    readonly share: number | null;
  };
}
