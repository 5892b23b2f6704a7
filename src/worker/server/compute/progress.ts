import type { JobProgress } from "../../../protocol/jobs";

/** Ten messages a second look smooth. */
const INTERVAL_MS = 100;

/**
 * Thins out a job's progress without losing anything: the losses of skipped messages travel with the next one, and the
 * end of an epoch is sent at once. `flush` sends what is left.
 */
export class ThrottledProgress {
  private pending: JobProgress | undefined;
  private timer: NodeJS.Timeout | undefined;
  private sentAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly send: (progress: JobProgress) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(progress: JobProgress): void {
    this.pending = merge(this.pending, progress);
    const wait = this.sentAt + INTERVAL_MS - this.now();
    if (wait <= 0 || progress.training?.validation) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), wait);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.pending) return;
    this.send(this.pending);
    this.pending = undefined;
    this.sentAt = this.now();
  }
}

function merge(earlier: JobProgress | undefined, later: JobProgress): JobProgress {
  if (!earlier?.training || !later.training) return later;
  return { ...later, training: { ...later.training, losses: [...earlier.training.losses, ...later.training.losses] } };
}
