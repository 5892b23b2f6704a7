import { inlayHints } from "../../language/inlayHints";
import type { Session } from "../session";

/** An editor keeps the old hints until the answer: an early, empty one would make the text jump with each keystroke. */
export function hints(session: Session): void {
  session.connection.languages.inlayHint.on(async ({ textDocument, range }) => {
    const { uri, cell } = session.notebooks.locate(textDocument.uri);
    const shapes = session.settings.inlayHints ? await session.readings.newestShapes(uri) : undefined;
    return shapes ? inlayHints(shapes, range, cell) : [];
  });
}
