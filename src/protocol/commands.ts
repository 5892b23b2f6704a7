import type { Count } from "./numbers";

/** Ids of the extension's commands: contributed in package.json, named by code lenses. */
export const COMMANDS = {
  inject: "loraLens.inject",
  verify: "loraLens.verify",
  analyze: "loraLens.analyze",
  summarize: "loraLens.summarize",
  sizes: "loraLens.sizes",
  train: "loraLens.train",
  sweep: "loraLens.sweep",
  stopTraining: "loraLens.stopTraining",
  merge: "loraLens.merge",
  run: "loraLens.run",
  chooseConfiguration: "loraLens.chooseConfiguration",
  showLine: "loraLens.showLine",
  restartWorker: "loraLens.restartWorker",
  showLog: "loraLens.showLog",
} as const;

/** The one argument of a lens's command: the model or layer below the lens. */
export interface LensTarget {
  readonly uri: string;
  readonly class: string;
  /** Path of a layer; left out above a class. */
  readonly layer?: string;
}

/** The argument of showLine. */
export interface FileLine {
  /** Absolute path. */
  readonly file: string;
  /** Of a notebook: the cell that the line is counted in, from 1, Markdown counted too. */
  readonly cell?: Count;
  /** Line of the file, from 1. */
  readonly line: Count;
}

/** Text that every PyTorch model file contains. Files without it are not read and start no process. */
export const MODEL_TEXT = /\b(torch|transformers|timm)\b|\bnn\./;

/** Text that all TensorFlow.js source that makes layers contains. */
export const TFJS_TEXT = /@tensorflow\/tfjs|\btfl?\.(?:layers|sequential|model|input)\b/;

/** Languages of TensorFlow.js source, as VS Code names them. */
export const TFJS_LANGUAGES: readonly string[] = ["javascript", "typescript", "javascriptreact", "typescriptreact"];

/** Text that the JSON of every Keras or TensorFlow.js model contains. */
export const KERAS_TEXT =
  /"(?:modelTopology|model_config|keras_version|inbound_nodes|batch_input_shape|registered_name)"/;

/** The format that a model is written in. */
export type ModelFormat = "pytorch" | "tfjs-source" | "keras-json" | "keras-file";

/** The format of a model file, by its name; an untitled document is PyTorch source until it is saved. */
export function modelFormat(name: string): ModelFormat {
  if (/\.(keras|h5|hdf5)$/i.test(name)) return "keras-file";
  if (/\.json$/i.test(name)) return "keras-json";
  return /\.[cm]?[jt]sx?$/i.test(name) ? "tfjs-source" : "pytorch";
}

/** Text that every file of the format with a model contains. Keras's own files are binary. */
export const FORMAT_TEXT: Readonly<Record<Exclude<ModelFormat, "keras-file">, RegExp>> = {
  pytorch: MODEL_TEXT,
  "tfjs-source": TFJS_TEXT,
  "keras-json": KERAS_TEXT,
};
