import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { SizesReport } from "../../../../src/protocol/sizes";
import { element, section } from "../../dom";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { sizeTable } from "./sizeTable";

export function sizesPage(report: SizesReport, host: Host): Page {
  const page = element(
    "main",
    {},
    header(JOBS.sizes.title, undefined, host),
    section("Sizes and ranks", sizeTable(report, host)),
  );
  return { element: page, charts: [] };
}
