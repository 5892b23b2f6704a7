import type { Stmt, SyntaxProblem } from "./ast";

/**
 * The syntax of an open file's last text, piece by piece, so that a keystroke parses one definition again and not the
 * whole file. A piece that stays keeps its statements, whose spans count from a base of the piece's own: where the
 * piece now stands in the text is for `Source` to say. Bases are in the order of the pieces, with room between them, so
 * that spans of different pieces still compare as their places do.
 */

export interface Piece {
  readonly text: string;
  readonly base: number;
  readonly body: readonly Stmt[];
  readonly errors: readonly SyntaxProblem[];
}

/** Below the parser's largest offset, 2^31. */
const LAST_BASE = 2 ** 30;
/** Room behind a piece of a new file: what may be typed there before all pieces have to move. */
const ROOM = 1 << 16;
/** Files whose pieces are kept: those of one window's editors. */
const MAX_FILES = 16;

/** Pieces of the files that were parsed last. */
export class KeptPieces {
  /** In order of use. */
  private readonly kept = new Map<string, readonly Piece[]>();

  of(file: string): readonly Piece[] {
    return this.kept.get(file) ?? [];
  }

  keep(file: string, pieces: readonly Piece[]): void {
    this.kept.delete(file);
    this.kept.set(file, pieces);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_FILES && oldest !== undefined) this.kept.delete(oldest);
  }
}

/** A piece of the new text: one that is already parsed, or the base from which it is to be. */
export type Laid = { readonly text: string; readonly base: number; readonly known: Piece | undefined };

/** Takes the pieces over that stand at the new text's beginning and end, and gives the others bases between them. */
export function layOut(texts: readonly string[], before: readonly Piece[]): Laid[] {
  const most = Math.min(texts.length, before.length);
  let head = 0;
  while (head < most && texts[head] === before[head]!.text) head++;
  let tail = 0;
  while (tail < most - head && texts[texts.length - 1 - tail] === before[before.length - 1 - tail]!.text) tail++;
  const first = before.slice(0, head);
  const last = before.slice(before.length - tail);
  const middle = texts.slice(head, texts.length - tail);
  const from = head === 0 ? 0 : endOf(first[head - 1]!);
  const to = tail === 0 ? LAST_BASE : last[0]!.base;
  const length = middle.reduce((sum, text) => sum + text.length, 0);
  const room = Math.min(ROOM, Math.floor((to - from - length) / (middle.length + 1)));
  if (room < 1 && before.length > 0) return layOut(texts, []);
  let base = from + room;
  const laid: Laid[] = [];
  for (const text of middle) {
    laid.push({ text, base, known: undefined });
    base += text.length + room;
  }
  const asKnown = (known: Piece): Laid => ({ text: known.text, base: known.base, known });
  return [...first.map(asKnown), ...laid, ...last.map(asKnown)];
}

function endOf({ base, text }: Piece): number {
  return base + text.length;
}
