import { DataColumnsRequest, DataFormatsRequest } from "../../../protocol/messages";
import { DATA_SOURCES, dataSourceOf } from "../../training/data/registry";
import type { Session } from "../session";

export function data(session: Session): void {
  session.answer(DataFormatsRequest, () => ({
    formats: DATA_SOURCES.map(({ label, what, extensions }) => ({ label, what, extensions })),
  }));
  session.answer(DataColumnsRequest, async ({ file }) => ({ columns: await dataSourceOf(file).columns(file) }));
}
