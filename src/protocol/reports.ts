import type { TrainMethod } from "./training";

/**
 * Results of jobs: plain and serialisable. A panel, the command line and a test read the same one.
 * Every number comes from the model, the graph or a run; units stand in the field's description.
 */

/** What an adapter is put on and what it costs. */
export interface InjectionSummary {
  readonly model: string;
  readonly file: string;
  readonly rank: number;
  readonly alpha: number;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  readonly scaling: number;
  readonly dropout: number;
  readonly targets: readonly TargetSummary[];
  /** Scalars of the base model. */
  readonly baseParameters: number;
  /** Scalars of the adapters. */
  readonly trainable: number;
  /** Base and adapters together, as PEFT's print_trainable_parameters counts. */
  readonly total: number;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** Where nobody chose the layers: the linear ones that are not adapted; absent when there is none. */
  readonly leftOut?: readonly { readonly path: string; readonly why: string }[];
  /** What computes and yet may not be what somebody meant, one sentence each; absent when there is none. */
  readonly warnings?: readonly string[];
}

export interface TargetSummary {
  readonly path: string;
  readonly line: number;
  /** In a notebook: the cell that the line is counted in. */
  readonly cell?: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  /** Scalars of the layer. */
  readonly full: number;
  /** Scalars of its adapter. */
  readonly lora: number;
  /** full / lora */
  readonly reduction: number;
}

/** Where a model's values are from. */
export interface WeightsSummary {
  /** In words: the files, or the initialization. */
  readonly from: string;
  /** Parameters that the files do not have and that were initialized, by path. */
  readonly initialized: readonly string[];
  /** The same, with modules in the place of all that is in them. */
  readonly fresh: readonly string[];
  /** Keys of the files that the model has no place for. */
  readonly unused: readonly string[];
  /** The two lists in sentences, for the first lines of whatever shows a result. */
  readonly notes: readonly string[];
}

export interface VerifyCheck {
  /** Stable name: `identity-at-init`. */
  readonly id: string;
  readonly title: string;
  /** What the check means, in one or two sentences for a learner. */
  readonly meaning: string;
  /** Largest deviation found, in the unit named. */
  readonly measured: number;
  readonly unit: string;
  /** `at-most`: passes when measured <= bound; `at-least`: when measured >= bound. */
  readonly relation: "at-most" | "at-least";
  readonly bound: number;
  /** Why the bound is what it is. */
  readonly boundFrom: string;
  readonly passed: boolean;
  /** Which layer or tensor was worst, or what went wrong. */
  readonly detail?: string;
}

export interface VerifyReport {
  readonly kind: "verify";
  readonly injection: InjectionSummary;
  readonly engine: string;
  readonly device: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[];
  readonly inputsFrom: string;
  readonly weights: WeightsSummary;
  readonly seed: number;
  readonly seconds: number;
  readonly passed: boolean;
  readonly checks: readonly VerifyCheck[];
}

export interface AnalyzeReport {
  readonly kind: "analyze";
  readonly injection: InjectionSummary;
  readonly ranks: readonly number[];
  /** One row a targetable layer, targeted or not. */
  readonly layers: readonly AnalyzeLayer[];
  /** One row a rank, over the targeted layers. */
  readonly totals: readonly AnalyzeTotal[];
  /** Bytes of training memory at the configured rank, read off the training graph by liveness; null with the reason
   * when `forward` could not be traced. */
  readonly memory: MemoryEstimate | null;
  readonly memoryUnavailable?: string;
  /** The layer to show first. */
  readonly focus?: string;
  /** Sentences drawn from the numbers above. */
  readonly insights: readonly string[];
}

export interface AnalyzeLayer extends TargetSummary {
  readonly targeted: boolean;
  /** Rank from which LoRA trains as many scalars as the layer has. */
  readonly breakEvenRank: number;
  readonly byRank: readonly { readonly rank: number; readonly lora: number; readonly reduction: number }[];
}

export interface AnalyzeTotal {
  readonly rank: number;
  readonly trainable: number;
  /** 100 * trainable / (base + trainable) */
  readonly percent: number;
  /** Scalars of the targeted layers over the adapters'. */
  readonly reduction: number;
  /** Bytes of the adapter file's tensors in float32. */
  readonly adapterBytes: number;
  /** Bytes of Adam's two moments in float32. */
  readonly optimizerBytes: number;
}

export interface MemoryEstimate {
  readonly batch: number;
  /** Bytes of each kind. */
  readonly lora: MemoryKinds;
  readonly full: MemoryKinds;
}

export interface MemoryKinds {
  readonly weights: number;
  readonly trainable: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Highest sum of live intermediate tensors during a step. */
  readonly activations: number;
  readonly total: number;
}

export interface TrainProgress {
  readonly kind: "train-progress";
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Loss of each step since the last message, oldest first. */
  readonly losses: readonly number[];
  /** Samples a second over the last second or so. */
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
  readonly validation?: EpochResult;
}

export interface EpochResult {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly validationLoss: number;
  /** 0 to 1; null for regression. */
  readonly validationAccuracy: number | null;
}

export interface TrainReport {
  readonly kind: "train";
  readonly method: TrainMethod;
  readonly model: string;
  readonly file: string;
  readonly data: string;
  readonly weights: WeightsSummary;
  /** null unless the method is lora. */
  readonly injection: InjectionSummary | null;
  readonly engine: string;
  readonly device: string;
  /** The loss's id, such as "cross-entropy". */
  readonly loss: string;
  /** Names on screen of the loss, the optimizer and the learning-rate schedule. */
  readonly lossLabel: string;
  readonly optimizer: string;
  readonly schedule: string;
  /** For cross-entropy: the class labels that occur in the column, each with the output that stands for it. */
  readonly labels?: {
    readonly column: string;
    /** Each label is the number of its output. */
    readonly identity: boolean;
    readonly classes: readonly { readonly label: string; readonly index: number }[];
  };
  readonly samples: { readonly train: number; readonly validation: number };
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly trainable: number;
  readonly total: number;
  readonly percent: number;
  /** On the validation split, before the first step. */
  readonly before: { readonly loss: number; readonly accuracy: number | null };
  readonly after: { readonly loss: number; readonly accuracy: number | null };
  readonly epochs: readonly EpochResult[];
  readonly losses: readonly number[];
  readonly seconds: number;
  readonly samplesPerSecond: number;
  /** True when it was stopped before its last epoch; what was trained is saved all the same. */
  readonly stopped: boolean;
  /** Where the result lies. */
  readonly output: { readonly folder: string; readonly files: readonly string[] };
}

/** A model trained at several ranks with everything else equal: quality, cost and time by rank. */
export interface SweepReport {
  /** Names the kind of report. */
  readonly kind: "sweep";
  /** The model's class, or the name that the file gives it. */
  readonly model: string;
  /** Absolute path of the model file. */
  readonly file: string;
  /** Absolute path of the data. */
  readonly data: string;
  /** The column or field that is predicted. */
  readonly label: string;
  /** Where the values of the base model are from. */
  readonly weights: WeightsSummary;
  /** Paths of the layers that get an adapter, as PyTorch names them. */
  readonly targets: readonly string[];
  /** Name on screen of the engine. */
  readonly engine: string;
  /** Name of the device that the engine ran on. */
  readonly device: string;
  /** The loss's id, such as "cross-entropy". */
  readonly loss: string;
  /** Name on screen of the loss. */
  readonly lossLabel: string;
  /** Name on screen of the optimizer. */
  readonly optimizer: string;
  /** Name on screen of the learning-rate schedule. */
  readonly schedule: string;
  /** Numbers of samples. Without held-out samples, the training samples are measured. */
  readonly samples: { readonly train: number; readonly validation: number };
  /** Samples per step. */
  readonly batchSize: number;
  readonly learningRate: number;
  /** Passes over the training samples, of each run. */
  readonly epochs: number;
  /** Seed of the initialization, the split, the shuffling and the dropout of every run. */
  readonly seed: number;
  /** alpha / r, which is equal for all runs; null if alpha itself is equal for all runs. */
  readonly alphaPerRank: number | null;
  /** How alpha and the scale depend on the rank, in one sentence. */
  readonly alphaNote: string;
  /** The finished runs, by rising rank. */
  readonly runs: readonly SweepRun[];
  /** Ranks that were asked for and have no finished run, because the sweep was stopped or failed. */
  readonly notRun: readonly number[];
  /** The sweep ended before its last rank. */
  readonly stopped: boolean;
  /** Rank with the highest accuracy, or with the lowest loss if the loss has no accuracy; null without runs. */
  readonly best: number | null;
  /**
   * The smallest rank whose accuracy is at most one standard error below the best one, where the standard error is
   * sqrt(p (1 - p) / n) for the best accuracy p of n samples; null without accuracies.
   */
  readonly smallestGood: number | null;
  /** Sentences that say what the numbers mean. */
  readonly insights: readonly string[];
  /** What may be other than intended, one sentence each. */
  readonly warnings: readonly string[];
  /** Duration of all runs, in seconds. */
  readonly seconds: number;
  /** When the last run finished: ISO 8601, in UTC. */
  readonly finishedAt: string;
  /** Absolute paths of the output folder and of the files in it, without those of the adapters. */
  readonly output: { readonly folder: string; readonly files: readonly string[] };
}

/** The training at one rank. */
export interface SweepRun {
  readonly rank: number;
  /** lora_alpha of the run. */
  readonly alpha: number;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  readonly scaling: number;
  /** Trained parameters, in scalars. */
  readonly trainable: number;
  /** 100 * trainable / (base + trainable). */
  readonly percent: number;
  /** Bytes of the adapter's trained tensors in float32. */
  readonly adapterBytes: number;
  /** On the validation samples, before the first step. */
  readonly before: SweepResult;
  /** On the validation samples, after the last step. */
  readonly after: SweepResult;
  /** Duration of the run with reading and compiling, in seconds. */
  readonly seconds: number;
  /** Training samples per second. */
  readonly samplesPerSecond: number;
  /** Name of the adapter's folder in the output folder. */
  readonly folder: string;
}

export interface SweepResult {
  /** Mean over the samples. */
  readonly loss: number;
  /** 0 to 1; null if the loss has no accuracy. */
  readonly accuracy: number | null;
}

export interface MergeReport {
  readonly kind: "merge";
  readonly model: string;
  readonly weights: WeightsSummary;
  readonly adapter: string;
  readonly output: string;
  readonly merged: readonly { readonly path: string; readonly deltaNorm: number; readonly weightNorm: number }[];
  readonly tensors: number;
  /** Of the weights. */
  readonly bytes: number;
  /** Of the adapter's injection. */
  readonly warnings?: readonly string[];
  /** The library that the output is for, which has loaded it, and how far what it predicts is from the merged model's output. */
  readonly loadedBy?: { readonly library: string; readonly difference: number };
  /** When the output is a folder. */
  readonly checkpoint?: {
    /** The weights and their index. */
    readonly files: readonly string[];
    /** Names of the base's other files that were copied. */
    readonly copied: readonly string[];
    readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  };
}

export interface EngineSummary {
  readonly id: string;
  readonly label: string;
  readonly available: boolean;
  /** When available. */
  readonly device?: string;
  readonly software?: boolean;
  /** When not. */
  readonly reason?: string;
  /** It is what `auto` picks. */
  readonly chosen: boolean;
}
