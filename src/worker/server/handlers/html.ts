import { HtmlRequest, SizesCsvRequest } from "../../../protocol/messages";
import { standaloneHtml } from "../../jobs/html";
import { sizesCsv } from "../../jobs/sizes/csv";
import type { Session } from "../session";

/** Reports as files that other programs open. */
export function html(session: Session): void {
  session.answer(HtmlRequest, async ({ report }) => ({
    html: standaloneHtml(report, await session.processes.pageAssets()),
  }));
  session.answer(SizesCsvRequest, ({ report }) => ({ csv: sizesCsv(report) }));
}
