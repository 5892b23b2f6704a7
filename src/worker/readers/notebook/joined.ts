import { type Segment, Source } from "../python/syntax/source";
import { Unknown } from "../python/values/unknown";
import type { Value } from "../python/values/values";
import type { CodeCell } from "./cells";
import { blankMagics, COMMAND_RESULT, magicThatGivesNames } from "./magics";

/** The cells as one text, each beginning a line. `textOf` gives a cell's text as Python of the same length. */
export function joined(file: string, cells: readonly CodeCell[], textOf = blankMagics): Source {
  const parts: string[] = [];
  const segments: Segment[] = [];
  let start = 0;
  for (const { ordinal, source } of cells) {
    const part = textOf(source);
    segments.push({ start, end: start + part.length, cell: ordinal });
    parts.push(part, "\n");
    start += part.length + 1;
  }
  return new Source(file, parts.join(""), segments);
}

/** What IPython defines before the first cell runs. */
export function namesOfIPython(): Map<string, Value> {
  return new Map([
    [COMMAND_RESULT, new Unknown("the output of a shell command or magic is not known while the notebook is read")],
    ...["display", "get_ipython", "In", "Out"].map((name): [string, Value] => [
      name,
      new Unknown(`${name} is IPython's and is not known while the notebook is read`),
    ]),
  ]);
}

/** Why any name may be one of the notebook; undefined where what it defines can be read. */
export function openedBy(cells: readonly CodeCell[]): Unknown | undefined {
  for (const { ordinal, source } of cells) {
    const magic = magicThatGivesNames(source);
    if (magic !== undefined)
      return new Unknown(`it may be defined by "${magic}" in cell ${ordinal}, which is not evaluated`);
  }
  return undefined;
}
