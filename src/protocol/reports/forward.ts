import type { EngineChoice, ModelChoice } from "../jobs";
import type { Count } from "../numbers";
import type { InjectionSummary, WeightsSummary } from "../reports";

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
  /** Names the kind of report. */
  readonly kind: "run";
  /** The model's class, or the name that the file gives it. */
  readonly model: string;
  /** Absolute path of the model file. */
  readonly file: string;
  /** Name on screen of the engine. */
  readonly engine: string;
  /** Name of the device that the engine ran on. */
  readonly device: string;
  /** Where the model's values are from. */
  readonly weights: WeightsSummary;
  /**
   * Seed of everything random.
   * @asType integer
   */
  readonly seed: number;
  /** Time of the whole run, reading included, in seconds. */
  readonly seconds: number;
  /** What forward was given, by the names of its parameters. */
  readonly inputs: readonly RunTensor[];
  /** In words: "random numbers of seed 0 (shapes: the call at line 9)", "row 1 of digits.csv". */
  readonly inputsFrom: string;
  /** Of a table's row: what its label column says. */
  readonly label?: RowLabel;
  /** The adapter; null where the base ran alone. */
  readonly adapter: RunAdapter | null;
  /** What forward returned. */
  readonly outputs: readonly RunOutput[];
  /** Absolute path of the .npz file with the outputs; absent when none was asked for. */
  readonly output?: string;
  /** Of the adapter's injection, one sentence each; absent when there is none. */
  readonly warnings?: readonly string[];
}

/** The label of a table's row. */
export interface RowLabel {
  /** Name of the label column. */
  readonly column: string;
  /** What stands there. */
  readonly value: string;
}

/** The adapter of a run. */
export interface RunAdapter {
  /** Absolute path of its folder. */
  readonly folder: string;
  /** What it is put on and what it costs. */
  readonly injection: InjectionSummary;
}

/** A tensor's first values. */
export interface RunTensor {
  /** Name of the parameter or the output. */
  readonly name: string;
  /** Its size along each dimension. */
  readonly shape: readonly Count[];
  /** As PyTorch names it: "float32". */
  readonly dtype: string;
  /** The first values, row-major; of a bool 0 or 1. NaN and infinities are written as text: JSON has no numbers for them. */
  readonly first: readonly RunValue[];
}

/** A value; NaN and infinities as text. */
export type RunValue = number | "NaN" | "Infinity" | "-Infinity";

/** An output of the base, with that of the adapted model. */
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
  readonly difference?: RunDifference;
}

/** How far the adapted model's output is from the base's. */
export interface RunDifference {
  /** Largest absolute difference, in the output's unit. */
  readonly largest: RunValue;
  /** Its place, from 0 along each dimension. */
  readonly at: readonly Count[];
  /** `largest` over the largest absolute value of the base, no unit; null where that is 0 or one of the two is not finite. */
  readonly share: number | null;
}
