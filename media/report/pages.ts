import type { JobKind, Report, ReportOf } from "../../src/protocol/jobRegistry";
import type { Host, Page } from "./host";
import { analyzePage } from "./pages/analyze/page";
import { mergePage } from "./pages/merge/page";
import { summarizePage } from "./pages/summarize/page";
import { trainPage } from "./pages/train/page";
import { verifyPage } from "./pages/verify/page";

/** The page of each job's report. */
const PAGES: { readonly [K in JobKind]: (report: ReportOf[K], host: Host) => Page } = {
  verify: verifyPage,
  analyze: analyzePage,
  summarize: summarizePage,
  train: trainPage,
  merge: mergePage,
};

export function pageOf(report: Report, host: Host): Page {
  const page = PAGES[report.kind] as (report: Report, host: Host) => Page;
  return page(report, host);
}
