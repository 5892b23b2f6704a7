import type { JobKind, JobRequest, Report, ReportOf, RequestOf } from "../../protocol/jobRegistry";
import { analyze } from "./analyze/analyze";
import type { JobContext } from "./context";
import { merge } from "./export/merge";

import { forward } from "./forward/forward";
import { sizes } from "./sizes/sizes";
import { summarize } from "./summarize/summarize";
import { sweep } from "./sweep/sweep";
import { train } from "./train/train";
import { verify } from "./verify/verify";

export type { JobContext } from "./context";

type Jobs = { readonly [K in JobKind]: (job: RequestOf[K], context: JobContext) => Promise<ReportOf[K]> };

const JOBS: Jobs = { verify, analyze, summarize, train, sweep, merge, run: forward, sizes };

/** Runs a job to its report. Throws a UserError for what the user can mend; any other error is a defect. */
export function runJob(job: JobRequest, context: JobContext): Promise<Report> {
  const run = JOBS[job.kind] as (job: JobRequest, context: JobContext) => Promise<Report>;
  return run(job, context);
}
