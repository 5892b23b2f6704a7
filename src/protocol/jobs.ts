import type { GivenConfig } from "./lora";
import type { TrainProgress } from "./reports";
import type { SweepRun } from "./reports/sweep";
import type { TrainMethod } from "./training";

/** `auto`, the fastest real device, or the id of an engine; the worker says which there are. */
export type EngineChoice = string;

/**
 * A config.json by its path, an instance that the file makes (by the name the reader gives it; without a name the
 * first), or the configuration classes' defaults.
 */
export type ConfigurationChoice =
  | { readonly source: "json"; readonly file: string }
  | { readonly source: "instance"; readonly name?: string }
  | { readonly source: "defaults" };

/** Which model of which file. */
export interface ModelChoice {
  /** Absolute path. */
  readonly file: string;
  /** The text to read instead of the file's: an editor's unsaved one. */
  readonly text?: string;
  /** Folders of installed Python packages that imports are followed into. */
  readonly packages?: readonly string[];
  /** The chosen source of the models' configuration, if any. */
  readonly configuration?: ConfigurationChoice;
  /** Class name; may be left out when the file has one model, or one that no other contains. */
  readonly class?: string;
  /** A weights file, an index of shards or a folder; without one, what the code loads, or PyTorch's default initialization. */
  readonly weights?: string;
  /** Tensors or modules that may be missing from the weights, by path: they are initialized at random. */
  readonly allowMissing?: readonly string[];
  readonly seed?: number;
  /** Example inputs, for when those from the code are wrong. */
  readonly inputs?: InputChoice;
}

export interface InputChoice {
  /** By the name of forward's parameter: "1,3,224,224", with a dtype behind a colon as "2,16:int64", or "none". */
  readonly shapes?: Readonly<Record<string, string>>;
  /** An .npz file with an array for each parameter, by name. Absolute path. */
  readonly file?: string;
  /** In words, where they come from, when not from the command line: "the setting loraLens.inputShapes". */
  readonly from?: string;
}

export interface VerifyRequest {
  readonly kind: "verify";
  readonly model: ModelChoice;
  readonly adapter: GivenConfig;
  /** Verify this saved adapter rather than a fresh one. */
  readonly adapterFolder?: string;
  readonly engine: EngineChoice;
}

export interface AnalyzeRequest {
  readonly kind: "analyze";
  readonly model: ModelChoice;
  readonly adapter: GivenConfig;
  readonly ranks?: readonly number[];
  /** Samples and tokens of the training step whose memory is estimated; without them those of the example inputs. */
  readonly batch?: number;
  readonly sequence?: number;
  /** Path of the layer to show first. */
  readonly focus?: string;
}

export interface SummarizeRequest {
  readonly kind: "summarize";
  readonly model: ModelChoice;
  readonly adapter: GivenConfig;
  /** Samples and tokens of the training step whose memory is estimated; without them those of the example inputs. */
  readonly batch?: number;
  readonly sequence?: number;
}

export interface TrainRequest {
  readonly kind: "train";
  readonly model: ModelChoice;
  readonly adapter: GivenConfig;
  readonly method: TrainMethod;
  /** A file of one of the kinds that training knows, such as a CSV file with a header line. */
  readonly data: string;
  /** The column or field to predict. */
  readonly label: string;
  /** Folder that receives the adapter; made when missing. */
  readonly output: string;
  readonly epochs: number;
  readonly batchSize: number;
  /** Default: the method's own. */
  readonly learningRate?: number;
  readonly weightDecay?: number;
  /** Ids of the loss, the optimizer and the learning-rate schedule; without one the default. */
  readonly loss?: string;
  readonly optimizer?: string;
  readonly schedule?: string;
  /** Part of the rows held out, 0 to 0.5. */
  readonly validation: number;
  readonly engine: EngineChoice;
}

/** One training per rank, with everything else equal. */
export interface SweepRequest extends Omit<TrainRequest, "kind" | "method"> {
  readonly kind: "sweep";
  /** The configuration of all runs. Its rank and alpha only give the ratio alpha / r. */
  readonly adapter: GivenConfig;
  /** The ranks to train, in any order. */
  readonly ranks: readonly number[];
  /** lora_alpha of all runs. Without it, alpha grows with the rank: alpha / r stays as in `adapter`. */
  readonly fixedAlpha?: number;
  /** Folder that receives sweep.json and one folder per rank: r4, r8, ... It is created if it does not exist. */
  readonly output: string;
}

export interface MergeRequest {
  readonly kind: "merge";
  readonly model: ModelChoice;
  readonly adapterFolder: string;
  /**
   * The .safetensors file to write; a model.json for a TensorFlow.js model; or a folder, that exists or whose path ends in
   * a slash or has no extension.
   */
  readonly output: string;
}

/** The progress of a job. */
export interface JobProgress {
  /** What it is doing, in words. */
  readonly message: string;
  /** 0 to 1. */
  readonly fraction: number;
  readonly secondsLeft?: number;
  /** Training's own numbers. */
  readonly training?: TrainProgress;
  /** The runs of a sweep that have finished. */
  readonly sweep?: readonly SweepRun[];
}

/** An error as data: what, where, what to do. `defect`: LoRA Lens is at fault, not the user. */
export interface JobError {
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly defect: boolean;
}
