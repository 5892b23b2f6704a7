import type { JobProgress } from "../../protocol/jobs";

/** What a running job can use. */
export interface JobContext {
  onProgress(progress: JobProgress): void;
  /** Aborted: end without a result, as soon as possible. */
  readonly signal: AbortSignal;
  /** Aborted: finish early and report what is done. */
  readonly stop: AbortSignal;
}

/** A fraction with the time left, estimated from the time that the work so far has taken. */
export class Estimate {
  private readonly started = performance.now();

  constructor(private readonly onProgress: (progress: JobProgress) => void) {}

  /** `fraction`: 0 to 1. */
  at(fraction: number, message: string): void {
    const seconds = (performance.now() - this.started) / 1000;
    // The first moments say nothing about the rest.
    const secondsLeft = fraction > 0.02 && seconds > 0.3 ? (seconds * (1 - fraction)) / fraction : undefined;
    this.onProgress({ message, fraction, ...(secondsLeft !== undefined && { secondsLeft }) });
  }
}
