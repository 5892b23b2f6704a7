import {
  type CancellationToken,
  CancellationTokenSource,
  type Disposable,
  EventEmitter,
  type Progress,
  ProgressLocation,
  window,
} from "vscode";
import { JOBS, type JobRequest, type Report, type ReportOf } from "../../protocol/jobRegistry";
import type { JobProgress, ModelChoice } from "../../protocol/jobs";
import { RunJobRequest, StopJobRequest } from "../../protocol/messages";
import type { WorkerClient } from "../client";

/** A job that is over sooner needs no notification. */
const NOTIFY_AFTER_MS = 1000;
/** Small models end many epochs a second; a notification that changes as often only keeps the window busy. */
const RENOTIFY_MS = 500;

/** Names a job by what it does to which model: one of a kind runs at a time. */
export function jobId({ kind, model }: JobRequest): string {
  return model ? `${kind}:${model.file}#${model.class ?? ""}` : kind;
}

export interface JobListener {
  onProgress(progress: JobProgress): void;
}

interface RunningJob {
  readonly title: string;
  readonly job: JobRequest;
  readonly listener: JobListener;
  readonly source: CancellationTokenSource;
}

/** The jobs under way: started, stopped and cancelled here, run by the worker. */
export class Jobs implements Disposable {
  private readonly jobs = new Map<string, RunningJob>();
  private readonly changeEmitter = new EventEmitter<void>();
  private readonly progressListener: Disposable;
  private engine: string | undefined;

  readonly onChange = this.changeEmitter.event;

  constructor(private readonly client: WorkerClient) {
    this.progressListener = client.onProgress(({ id, progress }) => this.jobs.get(id)?.listener.onProgress(progress));
  }

  dispose(): void {
    for (const job of this.jobs.values()) job.source.cancel();
    this.progressListener.dispose();
    this.changeEmitter.dispose();
  }

  /** Whether a job of this id is under way. */
  has(id: string): boolean {
    return this.jobs.has(id);
  }

  /**
   * Runs a job under an id of its own; a notification shows its progress once it takes longer. Rejects as the worker's request does, and with
   * a CancellationError when it was cancelled.
   */
  async run<J extends JobRequest>(
    id: string,
    job: J,
    title: string,
    listener: JobListener,
  ): Promise<ReportOf[J["kind"]]> {
    const source = new CancellationTokenSource();
    const progressTo: { report?: (progress: JobProgress) => void } = {};
    const entry: RunningJob = {
      title,
      job,
      source,
      listener: {
        onProgress: (progress) => {
          listener.onProgress(progress);
          progressTo.report?.(progress);
        },
      },
    };
    this.jobs.set(id, entry);
    this.changeEmitter.fire();
    const work = this.client.request(RunJobRequest, { id, job }, source.token);
    const notification = setTimeout(() => this.notify(id, entry, work, progressTo), NOTIFY_AFTER_MS);
    try {
      const report = await work;
      if ("engine" in report) this.engine = `${report.engine}, ${report.device}`;
      // The worker answers a job with the report of its kind.
      return report as ReportOf[J["kind"]];
    } finally {
      clearTimeout(notification);
      this.jobs.delete(id);
      source.dispose();
      this.changeEmitter.fire();
    }
  }

  /** Ends a job: one that can, such as training, finishes early with what it has; others are cancelled. */
  async stop(id: string): Promise<void> {
    const job = this.jobs.get(id);
    if (!job) return;
    if (JOBS[job.job.kind].finishesEarly) await this.client.request(StopJobRequest, { id });
    else job.source.cancel();
  }

  /** Titles of the jobs under way. */
  running(): string[] {
    return [...this.jobs.values()].map((job) => job.title);
  }

  /** Jobs that train: they can finish early. */
  trainings(): { readonly id: string; readonly title: string; readonly model: ModelChoice }[] {
    return [...this.jobs].flatMap(([id, { title, job }]) =>
      JOBS[job.kind].finishesEarly && job.model ? [{ id, title, model: job.model }] : [],
    );
  }

  /** What the last job that computed ran on. */
  lastEngine(): string | undefined {
    return this.engine;
  }

  private notify(
    id: string,
    job: RunningJob,
    work: Promise<Report>,
    to: { report?: (progress: JobProgress) => void },
  ): void {
    const options = { location: ProgressLocation.Notification, title: job.title, cancellable: true };
    const show = async (progress: Progress<{ message?: string; increment?: number }>, token: CancellationToken) => {
      let shown = 0;
      let shownAt = Number.NEGATIVE_INFINITY;
      to.report = ({ message, fraction }) => {
        if (performance.now() - shownAt < RENOTIFY_MS) return;
        shownAt = performance.now();
        const percent = Math.floor(100 * fraction);
        progress.report({ message, increment: percent - shown });
        shown = percent;
      };
      token.onCancellationRequested(() => void this.stop(id));
      // A failure is reported where the job was started; here it only ends the notification.
      await work.catch(() => undefined);
    };
    void window.withProgress(options, show);
  }
}
