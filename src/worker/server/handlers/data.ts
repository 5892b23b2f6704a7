import { modelFormat } from "../../../protocol/commands";
import { DataColumnsRequest, DataFormatsRequest, WeightFilesRequest } from "../../../protocol/messages";
import { weightFilesFor } from "../../jobs/weights/registry";
import { DATA_SOURCES, dataSourceOf } from "../../training/data/registry";
import type { Session } from "../session";

export function data(session: Session): void {
  session.answer(DataFormatsRequest, () => ({
    formats: DATA_SOURCES.map(({ label, what, extensions }) => ({ label, what, extensions })),
  }));
  session.answer(WeightFilesRequest, async ({ file }) => weightFilesFor(modelFormat(file)));
  session.answer(DataColumnsRequest, async ({ file }) => ({ columns: await dataSourceOf(file).columns(file) }));
}
