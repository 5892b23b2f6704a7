import type { EpochResult, TrainProgress } from "../../../protocol/reports";
import type { JobContext } from "../context";

/** Counts steps, measures speed and reports both. */
export class Run {
  readonly losses: number[] = [];
  private readonly started = performance.now();
  private pending: number[] = [];
  private samples = 0;
  private window = { at: performance.now(), samples: 0, rate: 0 };
  private validation: EpochResult | undefined;

  constructor(
    private readonly epochs: number,
    private readonly stepsPerEpoch: number,
    private readonly context: JobContext,
    before: { readonly loss: number; readonly accuracy: number | null },
  ) {
    this.validation = {
      epoch: 0,
      trainLoss: before.loss,
      validationLoss: before.loss,
      validationAccuracy: before.accuracy,
    };
  }

  /** Samples a second, evaluation included. */
  get overallRate(): number {
    return this.samples / ((performance.now() - this.started) / 1000);
  }

  stepped(epoch: number, loss: number, samples: number): void {
    this.losses.push(loss);
    this.pending.push(loss);
    this.samples += samples;
    this.window.samples += samples;
    const now = performance.now();
    if (now - this.window.at > 1000 || this.window.rate === 0) {
      this.window = { at: now, samples: 0, rate: this.window.samples / ((now - this.window.at) / 1000) };
    }
    this.report(epoch);
  }

  finishedEpoch(result: EpochResult): void {
    this.validation = result;
    this.report(result.epoch);
  }

  private report(epoch: number): void {
    const step = this.losses.length;
    const steps = this.epochs * this.stepsPerEpoch;
    const seconds = (performance.now() - this.started) / 1000;
    const secondsLeft = step === 0 ? 0 : (seconds * (steps - step)) / step;
    const training: TrainProgress = {
      kind: "train-progress",
      step,
      steps,
      epoch,
      epochs: this.epochs,
      losses: this.pending,
      samplesPerSecond: this.window.rate,
      secondsLeft,
      ...(this.validation && { validation: this.validation }),
    };
    this.pending = [];
    this.validation = undefined;
    this.context.onProgress({
      message: `Epoch ${epoch} of ${this.epochs}, step ${step} of ${steps}`,
      fraction: step / steps,
      secondsLeft,
      training,
    });
  }
}
