import { endOfHeader, endOfLogicalLine, indentation } from "./logicalLines";

/** Bodies shorter than this cost less to parse than to leave out. */
const MIN_BODY = 160;
const DEFINITION = /(?:async[ \t]+)?def[ \t]+(?=([\p{L}_]))/uy;

/** A function whose body was left out. */
export interface LeftOut {
  /** Where its `def` or `async` begins. */
  readonly start: number;
  /** Behind its body. */
  readonly end: number;
}

/**
 * The text with `pass` in place of the bodies of its functions, at the same length so that places stay right. A model
 * calls few of the methods that a library's base classes have, and their bodies are nearly all of what there is to
 * parse. `functions` are those left out, by where their name begins.
 */
export function skeleton(text: string): { readonly text: string; readonly functions: ReadonlyMap<number, LeftOut> } {
  const functions = new Map<number, LeftOut>();
  const parts: string[] = [];
  let kept = 0;
  for (let at = 0; at < text.length; ) {
    const [columns, start] = indentation(text, at);
    DEFINITION.lastIndex = start;
    const header = DEFINITION.test(text) ? endOfHeader(text, start) : undefined;
    const name = DEFINITION.lastIndex;
    at = endOfLogicalLine(text, start);
    if (header === undefined || !isBlank(text, header, at)) continue;
    const end = endOfBlock(text, at, columns);
    at = end;
    if (end - header < MIN_BODY) continue;
    functions.set(name, { start, end });
    parts.push(text.slice(kept, header), " pass".padEnd(end - header - 1), "\n");
    kept = end;
  }
  return { text: kept === 0 ? text : parts.join("") + text.slice(kept), functions };
}

/** Whether nothing but a comment stands between a header and the end of its line. */
function isBlank(text: string, from: number, to: number): boolean {
  return /^[ \t\r\f]*(?:#[^\n]*)?\n?$/.test(text.slice(from, to));
}

/** Behind the last line of code from `at` on that is indented further than `columns`. */
function endOfBlock(text: string, at: number, columns: number): number {
  let end = at;
  for (let next = at; next < text.length; ) {
    const [own, first] = indentation(text, next);
    const c = text.charCodeAt(first);
    const isCode = first < text.length && c !== 10 && c !== 13 && c !== 35;
    if (isCode && own <= columns) break;
    next = endOfLogicalLine(text, first);
    if (isCode) end = next;
  }
  return end;
}
