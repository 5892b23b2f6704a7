import type { AnalyzeRequest, MergeRequest, SummarizeRequest, SweepRequest, TrainRequest, VerifyRequest } from "./jobs";
import type { AnalyzeReport, MergeReport, TrainReport, VerifyReport } from "./reports";
import type { RunReport, RunRequest } from "./reports/forward";
import type { SizesReport, SizesRequest } from "./reports/sizes";
import type { SummarizeReport } from "./reports/summary";
import type { SweepReport } from "./reports/sweep";

/**
 * The jobs, one row each: its request, its report, and its names on screen. The worker runs them (jobs/run.ts,
 * cli/commands), the page shows their reports (media/report/pages.ts), the editor starts them. The compiler names the
 * places where a new job is missing.
 */
export interface JobTypes {
  readonly verify: { readonly request: VerifyRequest; readonly report: VerifyReport };
  readonly analyze: { readonly request: AnalyzeRequest; readonly report: AnalyzeReport };
  readonly summarize: { readonly request: SummarizeRequest; readonly report: SummarizeReport };
  readonly train: { readonly request: TrainRequest; readonly report: TrainReport };
  readonly sweep: { readonly request: SweepRequest; readonly report: SweepReport };
  readonly merge: { readonly request: MergeRequest; readonly report: MergeReport };
  readonly run: { readonly request: RunRequest; readonly report: RunReport };
  readonly sizes: { readonly request: SizesRequest; readonly report: SizesReport };
}

export interface JobRow {
  /** Heading of the report's page. */
  readonly title: string;
  /** The verb for buttons and commands in VS Code: "Verify". */
  readonly verb: string;
  /** "Verifying" for a job that runs the model or writes files, which needs a trusted workspace; null for others. */
  readonly needsTrust: string | null;
  /** When stopped, it reports what it has; other jobs end without a report. */
  readonly finishesEarly: boolean;
}

export const JOBS: { readonly [K in JobKind]: JobRow } = {
  verify: { title: "Verification", verb: "Verify", needsTrust: "Verifying", finishesEarly: false },
  analyze: { title: "Efficiency", verb: "Analyze", needsTrust: null, finishesEarly: false },
  summarize: { title: "Summary", verb: "Summarize", needsTrust: null, finishesEarly: false },
  train: { title: "Training", verb: "Train", needsTrust: "Training", finishesEarly: true },
  sweep: { title: "Rank sweep", verb: "Sweep", needsTrust: "Sweeping", finishesEarly: true },
  merge: { title: "Merge", verb: "Merge", needsTrust: "Merging", finishesEarly: false },
  run: { title: "Forward run", verb: "Run", needsTrust: "Running a model", finishesEarly: false },
  sizes: { title: "Layer sizes", verb: "Compare Layer Sizes", needsTrust: null, finishesEarly: false },
};

export type JobKind = keyof JobTypes;
export type RequestOf = { readonly [K in JobKind]: JobTypes[K]["request"] };
export type ReportOf = { readonly [K in JobKind]: JobTypes[K]["report"] };

/** What a job is asked to do. Sent by the editor or the command line to the worker, and by it to the compute process. */
export type JobRequest = RequestOf[JobKind];

/** What a job answers. */
export type Report = ReportOf[JobKind];
