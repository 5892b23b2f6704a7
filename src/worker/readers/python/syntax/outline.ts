import type { Span, Stmt } from "./ast";
import { endOfLogicalLine, pieceStarts } from "./logicalLines";
import { parsePart } from "./parse";
import { skeleton } from "./skeleton";

/** A statement at the top of a module. */
export interface TopStatement {
  /** The name of a class or function, which is parsed when `statements` is asked for, and its methods when they run. */
  readonly name: string | undefined;
  statements(): readonly Stmt[];
}

const DEFINED = /^(?:class|def|async[ \t]+def)[ \t]+([\p{L}_][\p{L}\p{N}_]*)/u;

/**
 * The statements at the top of a module, of which a reading evaluates only those it has use for. A `parse` has to have
 * come before. What is not Python is left out. Of a notebook's text each cell is taken by itself.
 */
export function outline(text: string, cells: readonly Span[] = []): TopStatement[] {
  if (text.includes("\0")) return [];
  const found: TopStatement[] = [];
  for (const { start, end } of cells.length > 0 ? cells : [{ start: 0, end: text.length }]) {
    const starts = pieceStarts(text.slice(start, end)).map((at) => start + at);
    for (const [i, from] of starts.entries()) found.push(...statementsOf(text, from, starts[i + 1] ?? end));
  }
  return found;
}

function statementsOf(text: string, start: number, end: number): TopStatement[] {
  const piece = text.slice(start, end);
  const name = definedName(piece);
  if (name !== undefined) return [definition(text, piece, start, name)];
  return parsePart(text, piece, start).map((statement) => ({ name: undefined, statements: () => [statement] }));
}

/** Of a piece that is a definition, with its decorators or without. */
function definedName(piece: string): string | undefined {
  let at = 0;
  while (at < piece.length && "@#\n\r".includes(piece[at]!)) at = endOfLogicalLine(piece, at);
  return DEFINED.exec(at === 0 ? piece : piece.slice(at, at + 300))?.[1];
}

function definition(text: string, piece: string, start: number, name: string): TopStatement {
  let known: readonly Stmt[] | undefined;
  const parse = () => {
    const { text: segment, functions } = skeleton(piece);
    const leftOut = new Map(
      [...functions].map(([at, { start: from, end }]) => [
        start + at,
        () => parsePart(text, piece.slice(from, end), start + from)[0],
      ]),
    );
    return parsePart(text, segment, start, leftOut);
  };
  return {
    name,
    statements: () => {
      known ??= parse();
      return known;
    },
  };
}
