import { codeLenses } from "../../language/codeLens";
import type { Session } from "../session";

export function lenses(session: Session): void {
  session.connection.onCodeLens(async ({ textDocument }, token) => {
    if (!session.settings.codeLens) return [];
    const { uri, cell } = session.notebooks.locate(textDocument.uri);
    const reading = await session.newest(uri, token);
    return reading ? codeLenses(uri, session.withUses(uri, reading), session.settings, cell) : [];
  });
}
