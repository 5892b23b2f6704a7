import { hover } from "../../language/hover";
import type { Session } from "../session";

export function hovers(session: Session): void {
  session.connection.onHover(async ({ textDocument, position }, token) => {
    const { uri, cell } = session.notebooks.locate(textDocument.uri);
    const reading = await session.newest(uri, token);
    return reading ? hover(session.withUses(uri, reading), position, session.settings, cell) : null;
  });
}
