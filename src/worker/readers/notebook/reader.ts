import { UserError } from "../../formats/errors";
import type { ModelFile, Problem, Reader, ReadOptions } from "../model";
import type { WrittenPart } from "../python/imports/writtenModules";
import { readPython } from "../python/reader";
import { DEFAULT_LIMITS } from "../python/values/limits";
import { readNotebook } from "./cells";
import { joined, namesOfIPython, openedBy } from "./joined";
import { blankMagics } from "./magics";
import { reloadsByItself, writtenBy, writtenText } from "./writtenFiles";

/** Reads models from a Jupyter notebook: its cells of Python, from top to bottom, are one module. */
export const notebookReader: Reader = {
  match: (file) => /\.ipynb$/i.test(file),
  open: (file, text, options) => read(file, text, { ...DEFAULT_LIMITS, ...options }),
};

async function read(file: string, text: string, options: ReadOptions): Promise<ModelFile> {
  try {
    const { cells, skipped } = readNotebook(file, text);
    const parts = cells.flatMap(({ ordinal, source }): WrittenPart[] => {
      const written = writtenBy(source);
      return written ? [{ ...written, cell: ordinal }] : [];
    });
    const written = parts.length > 0 ? { parts, reloads: reloadsByItself(cells.map((c) => c.source)) } : undefined;
    const textOf = (source: string) => (writtenBy(source) ? writtenText(source) : blankMagics(source));
    const surroundings = { defined: namesOfIPython(), written, unfollowed: openedBy(cells) };
    const opened = await readPython(joined(file, cells, textOf), options, surroundings);
    const notes = skipped.map(
      ({ ordinal, reason }): Problem => ({
        place: { file, cell: ordinal, line: 1, column: 1, endLine: 1, endColumn: 1 },
        message: reason,
        severity: "information",
      }),
    );
    return notes.length === 0 ? opened : { ...opened, problems: [...opened.problems, ...notes] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const place = { file, line: 1, column: 1, endLine: 1, endColumn: 1 };
    return { file, models: [], problems: [{ place, message: error.message, severity: "error" }] };
  }
}
