import { NotebookRange, Range, Uri, window, workspace } from "vscode";
import type { FileLine } from "../protocol/commands";
import { Notice } from "./errors";

/** Shows the line that a lens names: where a class is constructed in another file, or the cell of a notebook. */
export async function showLine(_: unknown, argument: unknown): Promise<void> {
  if (!isFileLine(argument)) throw new Notice("this command opens the line that a lens names; click such a lens");
  const uri = Uri.file(argument.file);
  if (argument.cell === undefined) {
    const start = argument.line - 1;
    await window.showTextDocument(uri, { selection: new Range(start, 0, start, 0) });
    return;
  }
  const notebook = await workspace.openNotebookDocument(uri);
  await window.showNotebookDocument(notebook, { selections: [new NotebookRange(argument.cell - 1, argument.cell)] });
}

/** Lens arguments come back from the editor, where any extension could have made them. */
function isFileLine(value: unknown): value is FileLine {
  if (typeof value !== "object" || value === null) return false;
  const { file, cell, line } = value as Record<string, unknown>;
  const isCount = (number: unknown) => Number.isInteger(number) && (number as number) >= 1;
  return typeof file === "string" && isCount(line) && (cell === undefined || isCount(cell));
}
