import type { Count } from "../numbers";
import type { Evaluation, WeightsSummary } from "../reports";

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
  readonly samples: {
    /** Trained on. */
    readonly train: Count;
    /** Held out. */
    readonly validation: Count;
  };
  /** Samples per step. */
  readonly batchSize: Count;
  /** The learning rate that the schedule started from. */
  readonly learningRate: number;
  /** Passes over the training samples, of each run. */
  readonly epochs: Count;
  /**
   * Seed of the initialization, the split, the shuffling and the dropout of every run.
   * @asType integer
   */
  readonly seed: number;
  /** alpha / r, which is equal for all runs; null if alpha itself is equal for all runs. */
  readonly alphaPerRank: number | null;
  /** How alpha and the scale depend on the rank, in one sentence. */
  readonly alphaNote: string;
  /** The finished runs, by rising rank. */
  readonly runs: readonly SweepRun[];
  /** Ranks that were asked for and have no finished run, because the sweep was stopped or failed. */
  readonly notRun: readonly Count[];
  /** The sweep ended before its last rank. */
  readonly stopped: boolean;
  /** Rank with the highest accuracy, or with the lowest loss if the loss has no accuracy; null without runs. */
  readonly best: Count | null;
  /**
   * The smallest rank whose accuracy is at most one standard error below the best one, where the standard error is
   * sqrt(p (1 - p) / n) for the best accuracy p of n samples; null without accuracies.
   */
  readonly smallestGood: Count | null;
  /** Sentences that say what the numbers mean. */
  readonly insights: readonly string[];
  /** What may be other than intended, one sentence each. */
  readonly warnings: readonly string[];
  /** Duration of all runs, in seconds. */
  readonly seconds: number;
  /** When the last run finished: ISO 8601, in UTC. */
  readonly finishedAt: string;
  /** Where the results are. */
  readonly output: {
    /** Absolute path of the folder. */
    readonly folder: string;
    /** Absolute path of sweep.json. */
    readonly files: readonly string[];
  };
}

/** The training at one rank. */
export interface SweepRun {
  /** Rank r of the adapters. */
  readonly rank: Count;
  /** lora_alpha of the run. */
  readonly alpha: number;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  readonly scaling: number;
  /** Trained parameters, in scalars. */
  readonly trainable: Count;
  /** 100 * trainable / (base + trainable). */
  readonly percent: number;
  /** Bytes of the adapter's trained tensors in float32. */
  readonly adapterBytes: Count;
  /** On the validation samples, before the first step. */
  readonly before: Evaluation;
  /** On the validation samples, after the last step. */
  readonly after: Evaluation;
  /** Duration of the run with reading and compiling, in seconds. */
  readonly seconds: number;
  /** Training samples per second. */
  readonly samplesPerSecond: number;
  /** Name of the adapter's folder in the output folder. */
  readonly folder: string;
}
