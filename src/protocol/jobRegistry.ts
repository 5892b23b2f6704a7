import type { AnalyzeRequest, MergeRequest, SweepRequest, TrainRequest, VerifyRequest } from "./jobs";
import type { AnalyzeReport, MergeReport, TrainReport, VerifyReport } from "./reports";
import type { SweepReport } from "./sweepReport";

/**
 * The jobs, one row each: what it is asked, what it answers, and how people are told of it. The worker runs them
 * (jobs/run.ts, cli/commands), the page shows their reports (media/report/pages.ts), the editor starts them: where
 * those lack a job that stands here, the compiler names it.
 */
export interface JobTypes {
  readonly verify: { readonly request: VerifyRequest; readonly report: VerifyReport };
  readonly analyze: { readonly request: AnalyzeRequest; readonly report: AnalyzeReport };
  readonly train: { readonly request: TrainRequest; readonly report: TrainReport };
  readonly sweep: { readonly request: SweepRequest; readonly report: SweepReport };
  readonly merge: { readonly request: MergeRequest; readonly report: MergeReport };
}

export interface JobRow {
  /** Heading of its report's page. */
  readonly title: string;
  /** What people tell it to do to a model, the first word of its command in VS Code: "Verify". */
  readonly verb: string;
  /** With what it is doing, "Verifying", where it runs the model or writes files: that needs a trusted workspace. */
  readonly needsTrust: string | null;
  /** A stop makes it report what it has; others end without a report. */
  readonly finishesEarly: boolean;
}

export const JOBS: { readonly [K in JobKind]: JobRow } = {
  verify: { title: "Verification", verb: "Verify", needsTrust: "Verifying", finishesEarly: false },
  analyze: { title: "Efficiency", verb: "Analyze", needsTrust: null, finishesEarly: false },
  train: { title: "Training", verb: "Train", needsTrust: "Training", finishesEarly: true },
  sweep: { title: "Rank sweep", verb: "Sweep", needsTrust: "Sweeping", finishesEarly: true },
  merge: { title: "Merge", verb: "Merge", needsTrust: "Merging", finishesEarly: false },
};

export type JobKind = keyof JobTypes;
export type RequestOf = { readonly [K in JobKind]: JobTypes[K]["request"] };
export type ReportOf = { readonly [K in JobKind]: JobTypes[K]["report"] };

/** What a job is asked to do. Sent by the editor or the command line to the worker, and by it to the compute process. */
export type JobRequest = RequestOf[JobKind];

/** What a job answers. */
export type Report = ReportOf[JobKind];
