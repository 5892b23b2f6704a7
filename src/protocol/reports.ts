import type { Computed, Count } from "./numbers";
import type { TrainMethod } from "./training";

/**
 * Results of jobs: plain and serializable. A panel, the command line and a test read the same one.
 * Every number comes from the model, the graph or a run; units stand in the field's description. The command line prints
 * reports with --json. The comments here become the descriptions in schemas/, which `npm run schemas` writes.
 */

/** The layers that an adapter is put on, and what it costs. */
export interface InjectionSummary {
  /** The model's class, or the name that the file gives it. */
  readonly model: string;
  /** Absolute path of the model file. */
  readonly file: string;
  /** Rank r of the adapters. */
  readonly rank: Count;
  /** lora_alpha. */
  readonly alpha: number;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  readonly scaling: number;
  /** Probability of dropout on the adapters' input, 0 to 1. */
  readonly dropout: number;
  /** The layers that get an adapter. */
  readonly targets: readonly TargetSummary[];
  /** Parameters of the base model, in scalars. */
  readonly baseParameters: Count;
  /** Parameters of the adapters, in scalars. */
  readonly trainable: Count;
  /** Parameters of base and adapters together, in scalars, as PEFT's print_trainable_parameters counts. */
  readonly total: Count;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** When the layers were not chosen: the linear layers that are not adapted; absent when there are none. */
  readonly leftOut?: readonly LeftOutLayer[];
  /** Warnings, one sentence each: the result is valid, but may not be intended. Absent when there are none. */
  readonly warnings?: readonly string[];
}

/** A linear layer that is not adapted. */
export interface LeftOutLayer {
  /** As PyTorch names it. */
  readonly path: string;
  /** Why it is left out, in words. */
  readonly why: string;
}

/** A linear layer, and what an adapter on it costs. */
export interface TargetSummary {
  /** As PyTorch names it: `encoder.layers.0.fc1`. */
  readonly path: string;
  /** Line of the model file that it is constructed on, from 1. */
  readonly line: Count;
  /** In a notebook: the cell that the line is counted in, from 1. */
  readonly cell?: Count;
  /** Size of its input's last dimension. */
  readonly inFeatures: Count;
  /** Size of its output's last dimension. */
  readonly outFeatures: Count;
  /** It has a bias. */
  readonly bias: boolean;
  /** Parameters of the layer, in scalars. */
  readonly full: Count;
  /** Parameters of its adapter, in scalars. */
  readonly lora: Count;
  /** full / lora */
  readonly reduction: number;
}

/** Where a model's values come from. */
export interface WeightsSummary {
  /** In words: the files, or the initialization. */
  readonly from: string;
  /** Parameters that the files do not have and that were initialized, by path. */
  readonly initialized: readonly string[];
  /** The same, with a module's path in place of all paths in it. */
  readonly fresh: readonly string[];
  /** Keys of the files that the model does not have. */
  readonly unused: readonly string[];
  /** The two lists in sentences, shown above every result. */
  readonly notes: readonly string[];
}

/** One check and what it found. */
export interface VerifyCheck {
  /** Stable name: `identity-at-init`. */
  readonly id: string;
  /** Its name on screen. */
  readonly title: string;
  /** What the check means, in one or two sentences for a learner. */
  readonly meaning: string;
  /** Largest deviation found, in the unit named. */
  readonly measured: Computed;
  /** What is measured, in words. */
  readonly unit: string;
  /** `at-most`: passes when measured <= bound; `at-least`: when measured >= bound. */
  readonly relation: "at-most" | "at-least";
  /** What is measured is compared with this, in the same unit. */
  readonly bound: Computed;
  /** Why the bound is what it is. */
  readonly boundFrom: string;
  /** The check passed. */
  readonly passed: boolean;
  /** Which layer or tensor was worst, or what went wrong. */
  readonly detail?: string;
}

/** A tensor that goes into a model or comes out of it. */
export interface TensorSummary {
  /** An input's is the name of forward's parameter. */
  readonly name: string;
  /** Its sizes, outermost first. */
  readonly shape: readonly Count[];
  /** As PyTorch names it: "float32". */
  readonly dtype: string;
}

/** Whether an adapted model is numerically right. */
export interface VerifyReport {
  /** Names the kind of report. */
  readonly kind: "verify";
  /** What the adapter is put on and what it costs. */
  readonly injection: InjectionSummary;
  /** Name on screen of the engine that ran the checks. */
  readonly engine: string;
  /** Name of the device that the engine ran on. */
  readonly device: string;
  /** The example inputs. */
  readonly inputs: readonly TensorSummary[];
  /** Where the inputs' shapes and values are from, in words. */
  readonly inputsFrom: string;
  /** Where the model's values are from. */
  readonly weights: WeightsSummary;
  /**
   * Seed of everything random.
   * @asType integer
   */
  readonly seed: number;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** All checks passed. */
  readonly passed: boolean;
  /** The checks, in the order in which they ran. */
  readonly checks: readonly VerifyCheck[];
}

/** What LoRA costs and saves, over layers and ranks. */
export interface AnalyzeReport {
  /** Names the kind of report. */
  readonly kind: "analyze";
  /** What the adapter is put on and what it costs. */
  readonly injection: InjectionSummary;
  /** The ranks that are compared. */
  readonly ranks: readonly Count[];
  /** One row per targetable layer, targeted or not. */
  readonly layers: readonly AnalyzeLayer[];
  /** The targeted layers, or all where none is targeted, those of equal cost together. */
  readonly groups: readonly EqualLayers[];
  /** One row per rank, over the targeted layers. */
  readonly totals: readonly AnalyzeTotal[];
  /** Memory that training takes; null with the reason when `forward` could not be traced. */
  readonly memory: MemoryEstimate | null;
  /** Why the memory is not known; absent when it is. */
  readonly memoryUnavailable?: string;
  /** Path of the layer to show first. */
  readonly focus?: string;
  /** Sentences drawn from the numbers above. */
  readonly insights: readonly string[];
}

/** A linear layer over ranks. */
export interface AnalyzeLayer extends TargetSummary {
  /** The adapter is put on it. */
  readonly targeted: boolean;
  /** Rank from which LoRA trains as many scalars as the layer has; not rounded. */
  readonly breakEvenRank: number;
  /** One row a rank. */
  readonly byRank: readonly RankCost[];
}

/** What a layer's adapter costs at a rank. */
export interface RankCost {
  /** Rank r of the adapter. */
  readonly rank: Count;
  /** Parameters of the layer's adapter, in scalars. */
  readonly lora: Count;
  /** The layer's parameters over its adapter's. */
  readonly reduction: number;
}

/** Layers of a model that cost the same: they have one size, and the adapter's rank is the same at all of them. */
export interface EqualLayers {
  /** Last parts of their names, each once, for people: "query, key, value". */
  readonly name: string;
  /** Size of the last dimension of the input. */
  readonly inFeatures: Count;
  /** Size of the last dimension of the output. */
  readonly outFeatures: Count;
  /** They have a bias. */
  readonly bias: boolean;
  /** Paths of the layers. */
  readonly paths: readonly string[];
  /** Parameters of one of the layers, in scalars. */
  readonly full: Count;
  /** What one of the layers' adapters costs at each rank. */
  readonly byRank: readonly RankCost[];
}

/** What all targeted layers' adapters cost at a rank. */
export interface AnalyzeTotal {
  /** Rank r of the adapters. */
  readonly rank: Count;
  /** Parameters of the adapters, in scalars. */
  readonly trainable: Count;
  /** 100 * trainable / (base + trainable) */
  readonly percent: number;
  /** Scalars of the targeted layers over the adapters'. */
  readonly reduction: number;
  /** Bytes of the adapter file's tensors in float32. */
  readonly adapterBytes: Count;
  /** Bytes of Adam's two moments in float32. */
  readonly optimizerBytes: Count;
}

/**
 * Memory that a training step takes in PyTorch with PEFT, whose Adam updates in place and whose attention is fused. It is
 * within 6 % of what PyTorch allocates for five models (test/worker/jobs/analyze/memory.test.ts, `npm run bench:memory`).
 */
export interface MemoryEstimate {
  /** Samples in the step's batch. */
  readonly batch: Count;
  /** Tokens of each sample; absent where the model takes no sequence. */
  readonly sequence?: Count;
  /** The model's own weights by dtype, the largest part first. */
  readonly weights: readonly WeightBytes[];
  /** Full fine-tuning first, then the head alone where the model has one, then LoRA by rank. */
  readonly methods: readonly MethodMemory[];
}

/** Weights of one dtype. */
export interface WeightBytes {
  /** As PyTorch names it: "float32", "bfloat16". */
  readonly dtype: string;
  /** Bytes of the weights of the dtype. */
  readonly bytes: Count;
}

/** Bytes of each kind for one way to train. */
export interface MethodMemory {
  /** What is trained: the adapters, the output head alone, or every parameter. */
  readonly method: TrainMethod;
  /** Rank of the adapters; absent for the other methods. */
  readonly rank?: Count;
  /** Bytes of the model's own weights, trained or not. */
  readonly weights: Count;
  /** Bytes of the adapters. */
  readonly adapter: Count;
  /** Bytes of the gradients. */
  readonly gradients: Count;
  /** Bytes of Adam's two moments. */
  readonly optimizer: Count;
  /** Bytes of what the forward pass keeps for the backward pass, and of what both need on the way, at their peak. */
  readonly activations: Count;
  /** Bytes of what Adam's update needs on the way. */
  readonly update: Count;
  /**
   * Bytes at the peak of the step. A little less than all kinds together: activations are released while gradients are
   * made, and before the update.
   */
  readonly total: Count;
  /** Bytes of attention scores, which attention that is not fused keeps besides: not in the total. */
  readonly attentionScores: Count;
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

/** What an epoch came to. */
export interface EpochResult {
  /** From 1. */
  readonly epoch: Count;
  /** Mean loss of the training samples, during the epoch. */
  readonly trainLoss: number;
  /** Mean loss of the validation samples, after the epoch; of the training samples where none are held out. */
  readonly validationLoss: Computed;
  /** Part of the same samples that are predicted right, 0 to 1; null for regression. */
  readonly validationAccuracy: number | null;
}

/** What a training run did. */
export interface TrainReport {
  /** Names the kind of report. */
  readonly kind: "train";
  /** What was trained: the adapters, the output head alone, or every parameter. */
  readonly method: TrainMethod;
  /** The model's class, or the name that the file gives it. */
  readonly model: string;
  /** Absolute path of the model file. */
  readonly file: string;
  /** Absolute path of the data. */
  readonly data: string;
  /** Where the values are from that training started at. */
  readonly weights: WeightsSummary;
  /** What the adapter is put on and what it costs; null unless the method is lora. */
  readonly injection: InjectionSummary | null;
  /** Name on screen of the engine that trained. */
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
  /** For cross-entropy: the class labels that occur in the column, each with the output that stands for it. */
  readonly labels?: LabelsSummary;
  /** How many samples there are. */
  readonly samples: {
    /** Samples that are trained on. */
    readonly train: Count;
    /** Samples that are held out. */
    readonly validation: Count;
  };
  /** Samples a step. */
  readonly batchSize: Count;
  /** The optimizer's, before the schedule. */
  readonly learningRate: number;
  /**
   * Seed of everything random.
   * @asType integer
   */
  readonly seed: number;
  /** Parameters that were trained, in scalars. */
  readonly trainable: Count;
  /** Parameters of the model, the adapters included, in scalars. */
  readonly total: Count;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** Before the first step. */
  readonly before: Evaluation;
  /** After the last step. */
  readonly after: Evaluation;
  /** One row an epoch. */
  readonly epochs: readonly EpochResult[];
  /** Loss of each step, oldest first. */
  readonly losses: readonly number[];
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** Samples a second, evaluation included. */
  readonly samplesPerSecond: number;
  /** True when it was stopped before its last epoch; what was trained is saved all the same. */
  readonly stopped: boolean;
  /** Where the result lies. */
  readonly output: {
    /** Absolute path of the folder. */
    readonly folder: string;
    /** Absolute paths of the files that were written. */
    readonly files: readonly string[];
  };
}

/** How good a model is on the validation samples, or on the training samples where none are held out. */
export interface Evaluation {
  /** Mean loss. */
  readonly loss: Computed;
  /** Part of the samples that are predicted right, 0 to 1; null for regression. */
  readonly accuracy: number | null;
}

/** The class labels of a column. */
export interface LabelsSummary {
  /** Name of the column. */
  readonly column: string;
  /** Each label is the number of its output. */
  readonly identity: boolean;
  /** The labels that occur. */
  readonly classes: readonly {
    /** As it stands in the column. */
    readonly label: string;
    /** Number of the output that stands for it, from 0. */
    readonly index: Count;
  }[];
}

/** What a merge wrote. */
export interface MergeReport {
  /** Names the kind of report. */
  readonly kind: "merge";
  /** The model's class, or the name that the file gives it. */
  readonly model: string;
  /** Where the base's values are from. */
  readonly weights: WeightsSummary;
  /** Absolute path of the adapter's folder. */
  readonly adapter: string;
  /** Absolute path of the file or folder that was written. */
  readonly output: string;
  /** One row a layer that the adapter changed. */
  readonly merged: readonly MergedLayer[];
  /** How many tensors were written. */
  readonly tensors: Count;
  /** Bytes of the weights' files. */
  readonly bytes: Count;
  /** What to know of the adapter's injection, one sentence each; absent when there is nothing. */
  readonly warnings?: readonly string[];
  /** The library that the output is for, which has loaded it. */
  readonly loadedBy?: {
    /** Its name and version. */
    readonly library: string;
    /** Largest absolute difference between what it predicts and the merged model's output. */
    readonly difference: number;
  };
  /** When the output is a folder. */
  readonly checkpoint?: {
    /** Absolute paths of the weights' files and of their index. */
    readonly files: readonly string[];
    /** Names of the base's other files that were copied. */
    readonly copied: readonly string[];
    /** The base's files that were not copied. */
    readonly leftOut: readonly {
      /** Name of the file. */
      readonly name: string;
      /** Why it was not copied, in words. */
      readonly reason: string;
    }[];
  };
}

/** A layer that an adapter was merged into. */
export interface MergedLayer {
  /** As PyTorch names it. */
  readonly path: string;
  /** Frobenius norm of what the adapter adds to its weight. */
  readonly deltaNorm: Computed;
  /** Frobenius norm of its weight after the merge. */
  readonly weightNorm: number;
}

/** What models run on. */
export interface EngineSummary {
  /** As the option --engine takes it: "onnxruntime-cpu". */
  readonly id: string;
  /** Name on screen. */
  readonly label: string;
  /** It can run here. */
  readonly available: boolean;
  /** When available: name of the device that it runs on. */
  readonly device?: string;
  /** When available: the device is emulated by software, which gives the right numbers slowly. */
  readonly software?: boolean;
  /** When not available: why not, in words. */
  readonly reason?: string;
  /** It is what `auto` picks. */
  readonly chosen: boolean;
}
