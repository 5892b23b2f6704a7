import type { JobKind, Report, ReportOf } from "../../src/protocol/jobRegistry";
import type { Host, Page } from "./host";
import { analyzePage } from "./pages/analyze/page";
import { mergePage } from "./pages/merge/page";
import { runPage } from "./pages/run/page";
import { sizesPage } from "./pages/sizes/page";
import { summarizePage } from "./pages/summarize/page";
import { sweepPage } from "./pages/sweep/page";
import { trainPage } from "./pages/train/page";
import { verifyPage } from "./pages/verify/page";

/** The page of each job's report. */
const PAGES: { readonly [K in JobKind]: (report: ReportOf[K], host: Host) => Page } = {
  verify: verifyPage,
  analyze: analyzePage,
  summarize: summarizePage,
  train: trainPage,
  sweep: sweepPage,
  merge: mergePage,
  run: runPage,
  sizes: sizesPage,
};

export function pageOf(report: Report, host: Host): Page {
  const page = PAGES[report.kind] as (report: Report, host: Host) => Page;
  return page(report, host);
}
