import { Range, Uri, window } from "vscode";
import type { FileLine } from "../protocol/commands";
import { Notice } from "./errors";

/** Shows the line that a lens names: where a class is constructed in another file. */
export async function showLine(_: unknown, argument: unknown): Promise<void> {
  if (!isFileLine(argument)) throw new Notice("this command is for the lenses that name a line of another file");
  const start = argument.line - 1;
  await window.showTextDocument(Uri.file(argument.file), { selection: new Range(start, 0, start, 0) });
}

/** Lens arguments come back from the editor, where any extension could have made them. */
function isFileLine(value: unknown): value is FileLine {
  if (typeof value !== "object" || value === null) return false;
  const { file, line } = value as Record<string, unknown>;
  return typeof file === "string" && Number.isInteger(line) && (line as number) >= 1;
}
