import { HtmlRequest } from "../../../protocol/messages";
import { standaloneHtml } from "../../jobs/html";
import type { Session } from "../session";

export function html(session: Session): void {
  session.answer(HtmlRequest, async ({ report }) => ({
    html: standaloneHtml(report, await session.processes.pageAssets()),
  }));
}
