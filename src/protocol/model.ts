import type { FileLine } from "./commands";
import type { Count } from "./numbers";

/**
 * What the editor and the command line show of a model file: plain data, computed by the worker. The comments of layers
 * and models are the descriptions in schemas/layers.json, which `npm run schemas` writes.
 */

/** Lines and columns count from 1; the end is exclusive. */
export interface Place {
  /** In a notebook: the cell that lines and columns are counted in. All cells count, from 1, as in VS Code's "Cell 3". */
  readonly cell?: number;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** A layer of a model. */
export interface LayerSummary {
  /** As PyTorch names it: `encoder.layers.0.fc1`. */
  readonly path: string;
  /** Name of its class. */
  readonly kind: string;
  /** Size of its input's last dimension; null: it has none, or it could not be evaluated. */
  readonly inFeatures: Count | null;
  /** Size of its output's last dimension; null: it has none, or it could not be evaluated. */
  readonly outFeatures: Count | null;
  /** It has a bias; null: its kind knows none, or it could not be evaluated. */
  readonly bias: boolean | null;
  /** An adapter can go on it, though its kind is not torch's Linear: Hugging Face's Conv1D, Keras' Dense. */
  readonly linear?: true;
  /** A linear layer whose weight is read and that is never called: an adapter on it has no effect. */
  readonly neverCalled?: true;
  /** Parameters in scalars, the layer's own and its children's; null where a dimension is unknown. */
  readonly parameters: Count | null;
  /** Line it is constructed on, from 1. */
  readonly line: Count;
  readonly place: Place;
}

/** What constructs a class in another file of its project. */
export interface MadeElsewhere extends FileLine {
  /** From the folder of the class's own file: "../train.py". */
  readonly path: string;
  /** The class or function that makes it, where the line is that one's. */
  readonly by?: string;
}

/** A file of values that the project's code reads; the line is where the model's begin. */
export interface ConfigurationFile extends FileLine {
  /** From the project's folder: "configs/model/digits.yaml". */
  readonly path: string;
}

/** A model of a file. */
export interface ModelSummary {
  /** The model's class, or the name that the file gives it: `model` of `model = nn.Sequential(...)`, `main.net` in a function. */
  readonly class: string;
  /** Its class, where the model goes by another name. */
  readonly kind?: string;
  /** Line of its class or of its name, from 1. */
  readonly line: Count;
  readonly place: Place;
  /** Parameters in scalars; null where a dimension is unknown. */
  readonly parameters: Count | null;
  /** Of the parameters those that learn, in scalars, where the code freezes some. */
  readonly trainable?: Count;
  /** Where the values of its configuration came from: "config.json", "BertConfig's defaults". */
  readonly configuration?: string;
  /** What the code loads, weights with it: "org/name" of `AutoModel.from_pretrained("org/name")`. */
  readonly loads?: readonly string[];
  /** The call in another file of the project that its sizes are from. */
  readonly madeElsewhere?: MadeElsewhere;
  /** Configuration files of the project that its sizes are of. */
  readonly configurationFiles?: readonly ConfigurationFile[];
  /** It takes a configuration, and nothing in its file gives it one that can be used. */
  readonly lacksConfiguration?: true;
  /** Its layers, in the order in which it holds them. */
  readonly layers: readonly LayerSummary[];
}

export interface ProblemSummary {
  readonly line: number;
  readonly message: string;
  readonly severity: "error" | "warning" | "information";
  readonly place: Place;
  /** Names the kind of problem: `lora-missing-scale`. */
  readonly code?: string;
  /** Other places that explain it, with the file where that is another one. */
  readonly related?: readonly { readonly file?: string; readonly place: Place; readonly message: string }[];
}

export interface FileSummary {
  readonly models: readonly ModelSummary[];
  readonly problems: readonly ProblemSummary[];
}
