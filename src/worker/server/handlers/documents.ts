import type { Session } from "../session";

/** Documents that are opened, edited and closed; notebooks have messages of their own. */
export function documents(session: Session): void {
  const { connection, documents, readings, watching } = session;
  // Fired on opening, too.
  documents.onDidChangeContent(({ document }) => readings.changed(document));
  documents.onDidClose(({ document }) => {
    readings.closed(document.uri);
    watching.closed(document.uri);
    void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
  });
}
