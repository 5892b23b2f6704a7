import type { Labels } from "../../formats/labels";
import type { Tensor } from "../../formats/tensor";
import type { InputSpec } from "../../readers/inputSpec";
import type { Model, Traced } from "../../readers/model";

/** A kind of file that a model can be trained on. */
export interface DataSource {
  readonly id: string;
  /** Name on screen: "CSV". */
  readonly label: string;
  /** In words, for dialogs and help: "a CSV file with a header line". */
  readonly what: string;
  /** Endings of its files' names, without the dot. */
  readonly extensions: readonly string[];
  /** The columns or fields that can be the label, in the file's order. Reads no more of the file than it must. */
  columns(file: string): Promise<readonly string[]>;
  /**
   * Reads the file for a model, and checks that the model can take it. Throws a UserError where it cannot.
   * @param example the model as it is traced with its example inputs.
   */
  open(choice: DataChoice, model: Model, example: Traced, signal: AbortSignal): Promise<Data>;
}

/** The file and the column to read. */
export interface DataChoice {
  readonly file: string;
  /** The column or field to predict. */
  readonly label: string;
}

/** Samples laid out for one model. */
export interface Data {
  readonly samples: number;
  /** The model's inputs, with the shapes of an example batch; a batch's own shapes override them. */
  readonly inputs: readonly InputSpec[];
  readonly labels: Labels;
  /** Values of the inputs, by name, of the samples with these numbers; the first dimension counts them. */
  batch(samples: Uint32Array): ReadonlyMap<string, Tensor>;
}
