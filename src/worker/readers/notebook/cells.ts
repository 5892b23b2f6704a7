import { UserError } from "../../formats/errors";

/** Reads the JSON of a Jupyter notebook, nbformat 4 and 3, into its cells. */

/** A cell of Python. `ordinal` counts all cells from 1, Markdown too, as VS Code's "Cell 3" and linters' reports do. */
export interface CodeCell {
  readonly ordinal: number;
  readonly source: string;
}

/** A code cell that is not read, and why. */
export interface SkippedCell {
  readonly ordinal: number;
  readonly reason: string;
}

export interface Notebook {
  readonly cells: readonly CodeCell[];
  readonly skipped: readonly SkippedCell[];
}

/** Real notebooks have tens of cells; the largest of public courses have a few hundred. */
const MAX_CELLS = 10_000;

type Json = Readonly<Record<string, unknown>>;

/** @throws UserError when the text is not a notebook, or one of a kernel for another language. */
export function readNotebook(file: string, text: string): Notebook {
  const refuse = (reason: string) => new UserError(`${file} is not a notebook that can be read: ${reason}`, { file });
  // An empty file is what "New File" makes; Jupyter and VS Code open it as a notebook without cells.
  if (text.trim() === "") return { cells: [], skipped: [] };
  const root = parseJson(text, refuse);
  if (!isObject(root)) throw refuse("its JSON is not an object");
  const all = cellsOf(root, refuse);
  if (all.length > MAX_CELLS) throw refuse(`it has ${all.length} cells; more than ${MAX_CELLS} are not read`);
  const language = kernelLanguage(root);
  const cells: CodeCell[] = [];
  const skipped: SkippedCell[] = [];
  all.forEach((cell, index) => {
    const ordinal = index + 1;
    if (!isObject(cell)) throw refuse(`cell ${ordinal} is not an object`);
    if (cell.cell_type !== "code") return;
    // nbformat 3 called a cell's text its input.
    const source = sourceText(cell.source ?? cell.input);
    if (source === undefined) throw refuse(`the source of cell ${ordinal} is neither a text nor a list of lines`);
    const own = cellLanguage(cell) ?? language;
    if (isPython(own)) cells.push({ ordinal, source });
    else if (source.trim() !== "")
      skipped.push({ ordinal, reason: `this cell is ${own}, not Python, and is not read` });
  });
  return { cells, skipped };
}

function parseJson(text: string, refuse: (reason: string) => UserError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`it is not valid JSON: ${(error as Error).message}`);
  }
}

function cellsOf(root: Json, refuse: (reason: string) => UserError): readonly unknown[] {
  const { nbformat, cells, worksheets } = root;
  if (typeof nbformat !== "number") throw refuse('it has no "nbformat", the version of its format');
  if (nbformat >= 4) {
    if (!Array.isArray(cells)) throw refuse('its "cells" are not a list');
    return cells;
  }
  if (nbformat < 3)
    throw refuse(`nbformat ${nbformat} is from before 2013; "jupyter nbconvert --to notebook" converts it`);
  if (!Array.isArray(worksheets)) throw refuse('its "worksheets" are not a list');
  return worksheets.flatMap((sheet: unknown) => (isObject(sheet) && Array.isArray(sheet.cells) ? sheet.cells : []));
}

/** A notebook that names no language is Python's: the format began as IPython's own. */
function kernelLanguage({ metadata }: Json): string {
  if (!isObject(metadata)) return "python";
  const { kernelspec, language_info: info } = metadata;
  const name = (isObject(info) && info.name) || (isObject(kernelspec) && kernelspec.language);
  return typeof name === "string" && name !== "" ? name : "python";
}

/** VS Code notes a cell's language where it differs from the kernel's; nbformat 3 kept one with each cell. */
function cellLanguage({ metadata, language }: Json): string | undefined {
  const vscode = isObject(metadata) && isObject(metadata.vscode) ? metadata.vscode.languageId : undefined;
  const name = vscode ?? language;
  return typeof name === "string" && name !== "" ? name : undefined;
}

function isPython(language: string): boolean {
  return /^i?python\d*$/i.test(language);
}

function sourceText(source: unknown): string | undefined {
  if (typeof source === "string") return source;
  if (Array.isArray(source) && source.every((line) => typeof line === "string")) return source.join("");
  return undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A cell as an editor has it open. */
export interface OpenCell {
  readonly code: boolean;
  readonly language: string;
  readonly text: string;
}

/** The notebook that saving the open cells would give, as far as the reader looks at it. */
export function notebookText(cells: readonly OpenCell[]): string {
  return JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map(({ code, language, text }) => ({
      cell_type: code ? "code" : "markdown",
      metadata: { vscode: { languageId: language } },
      // A line each, as in a saved file.
      source: text.split(/(?<=\n)/),
    })),
  });
}
