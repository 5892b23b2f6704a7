import { UserError } from "../../formats/errors";
import type { ModelFile, Problem, Reader, ReadOptions } from "../model";
import type { WrittenPart } from "../python/environment/writtenModules";
import { DEFAULT_LIMITS } from "../python/limits";
import { readPython } from "../python/reader";
import { type Segment, Source } from "../python/source";
import { Unknown, type Value } from "../python/values";
import { type CodeCell, readNotebook } from "./cells";
import { blankMagics, COMMAND_RESULT } from "./magics";
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
    const opened = await readPython(joined(file, cells), options, { defined: namesOfIPython(), written });
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

/** The cells as one text, each beginning a line. */
function joined(file: string, cells: readonly CodeCell[]): Source {
  const parts: string[] = [];
  const segments: Segment[] = [];
  let start = 0;
  for (const { ordinal, source } of cells) {
    const part = writtenBy(source) ? writtenText(source) : blankMagics(source);
    segments.push({ start, end: start + part.length, cell: ordinal });
    parts.push(part, "\n");
    start += part.length + 1;
  }
  return new Source(file, parts.join(""), segments);
}

/** What IPython defines before the first cell runs. */
function namesOfIPython(): Map<string, Value> {
  return new Map([
    [COMMAND_RESULT, new Unknown("the output of a shell command or magic is not known while the notebook is read")],
    ...["display", "get_ipython", "In", "Out"].map((name): [string, Value] => [
      name,
      new Unknown(`${name} is IPython's and is not known while the notebook is read`),
    ]),
  ]);
}
