import type { JobRequest, Report } from "./jobRegistry";
import type { JobError, JobProgress } from "./jobs";
import type { EngineSummary } from "./reports";

/** Messages between the worker and the compute process. */

/** Worker to compute process. */
export type ComputeCommand =
  | { readonly type: "start"; readonly job: JobRequest }
  /** Finish early and report: training saves what it has. */
  | { readonly type: "stop" }
  /** End without a result. */
  | { readonly type: "cancel" }
  /** Instead of "start": ask each engine whether it can run here. */
  | { readonly type: "engines" };

/** Compute process to worker. `result`, `engines` or `error` comes once and last. */
export type ComputeEvent =
  | { readonly type: "progress"; readonly progress: JobProgress }
  | { readonly type: "result"; readonly report: Report }
  | { readonly type: "engines"; readonly engines: readonly EngineSummary[] }
  | { readonly type: "error"; readonly error: JobError };
