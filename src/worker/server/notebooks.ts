import {
  type Connection,
  NotebookCellKind,
  type NotebookDocument,
  NotebookDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { notebookText } from "../readers/notebook/cells";
import type { OpenText } from "./reading/readings";

/** The cells that the editor synchronizes: all of them, since Markdown cells count, too. */
export const NOTEBOOK_SYNC = { notebookSelector: [{ notebook: "jupyter-notebook" }] };

/** Where to find a document's places: in its own reading, or for a cell in its notebook's. */
export interface Located {
  readonly uri: string;
  readonly cell?: number;
}

export interface OpenNotebooksOptions {
  /** Called with each new content of a notebook. */
  readonly onChange: (notebook: OpenText) => void;
  readonly onClose: (uri: string) => void;
  /** Called with the URI of each cell that is gone. */
  readonly onCellGone: (uri: string) => void;
}

/** The notebooks open in the editor, each as one text: what saving it would write, as far as the reader looks. */
export class OpenNotebooks {
  private readonly documents = new NotebookDocuments(TextDocument);
  private readonly open = new Map<string, NotebookDocument>();

  constructor(options: OpenNotebooksOptions) {
    const { documents } = this;
    const changed = (notebook: NotebookDocument) => options.onChange(this.asText(notebook));
    documents.onDidOpen((notebook) => {
      this.open.set(notebook.uri, notebook);
      changed(notebook);
    });
    documents.onDidChange(({ notebookDocument, cells }) => {
      for (const removed of cells?.removed ?? []) if (removed) options.onCellGone(removed.document);
      if (cells) changed(notebookDocument);
    });
    documents.onDidClose((notebook) => {
      this.open.delete(notebook.uri);
      options.onClose(notebook.uri);
      for (const { document } of notebook.cells) options.onCellGone(document);
    });
  }

  listen(connection: Connection): void {
    this.documents.listen(connection);
  }

  /** The document itself, or the notebook that it is a cell of with the cell's number. */
  locate(uri: string): Located {
    const notebook = this.documents.findNotebookDocumentForCell(uri);
    const index = notebook?.cells.findIndex(({ document }) => document === uri) ?? -1;
    return notebook && index >= 0 ? { uri: notebook.uri, cell: index + 1 } : { uri };
  }

  /** URIs of the notebook's cells in order; `undefined` when no such notebook is open. */
  cells(uri: string): readonly string[] | undefined {
    return this.open.get(uri)?.cells.map(({ document }) => document);
  }

  all(): OpenText[] {
    return [...this.open.values()].map((notebook) => this.asText(notebook));
  }

  private asText(notebook: NotebookDocument): OpenText {
    return {
      uri: notebook.uri,
      version: notebook.version,
      getText: () =>
        notebookText(
          notebook.cells.map((cell) => {
            const document = this.documents.getCellTextDocument(cell);
            return {
              code: cell.kind === NotebookCellKind.Code,
              language: document?.languageId ?? "python",
              text: document?.getText() ?? "",
            };
          }),
        ),
    };
  }
}
