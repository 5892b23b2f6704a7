import type { SourcePlace } from "../../../graph/node";
import type { PlacedPiece, Span } from "./ast";

/** A stretch of the text that is a cell of a notebook: lines and columns are counted in the cell. */
export interface Segment extends Span {
  readonly cell: number;
}

/** A source text and the arithmetic from offsets to lines and columns: of the file, or of a notebook's cells. */
export class Source {
  private starts: number[] | undefined;
  private readonly places = new WeakMap<Span, SourcePlace>();

  constructor(
    readonly file: string,
    readonly text: string,
    /** The text's cells in order, each beginning a line; none when the text is the file's own. */
    readonly segments: readonly Segment[] = [],
    /** In order of their bases; none when spans count from the text's beginning. */
    private readonly pieces: readonly PlacedPiece[] = [],
  ) {}

  /** The same text, of which pieces are parsed each by itself. */
  inPieces(pieces: readonly PlacedPiece[]): Source {
    return new Source(this.file, this.text, this.segments, pieces);
  }

  /** By the base of each piece the line it begins at, in the text's order. */
  pieceLines(): ReadonlyMap<number, number> {
    return new Map(this.pieces.map(({ base, start }) => [base, this.position(start)[0]]));
  }

  textOf({ start, end }: Span): string {
    return this.text.slice(this.offset(start), this.offset(end));
  }

  place(span: Span): SourcePlace {
    let place = this.places.get(span);
    if (!place) {
      place = this.placeAt(this.offset(span.start), this.offset(span.end));
      this.places.set(span, place);
    }
    return place;
  }

  /** The place of a stretch of the text, by its offsets there. */
  placeAt(start: number, end: number): SourcePlace {
    const [line, column] = this.position(start);
    const [endLine, endColumn] = this.position(end);
    return this.inCell(start, { file: this.file, line, column, endLine, endColumn });
  }

  /** Where a span's beginning or end stands in the text. */
  private offset(position: number): number {
    const { pieces } = this;
    if (pieces.length === 0) return position;
    const { base, start, length } = pieces[lastAtMost(pieces, (piece) => piece.base, position)]!;
    return start + Math.min(Math.max(0, position - base), length);
  }

  private inCell(start: number, place: SourcePlace): SourcePlace {
    const { segments } = this;
    if (segments.length === 0) return place;
    const segment = segments[lastAtMost(segments, (each) => each.start, start)]!;
    const above = this.position(segment.start)[0] - 1;
    // In a broken cell the parser's nodes may include the line break after it.
    const [lastLine, lastColumn] = this.position(segment.end);
    const ends = place.endLine > lastLine ? { endLine: lastLine, endColumn: lastColumn } : place;
    const { file, line, column } = place;
    return {
      file,
      cell: segment.cell,
      line: line - above,
      column,
      endLine: ends.endLine - above,
      endColumn: ends.endColumn,
    };
  }

  private position(offset: number): [line: number, column: number] {
    const starts = this.lineStarts();
    const line = lastAtMost(starts, (start) => start, offset);
    return [line + 1, offset - starts[line]! + 1];
  }

  private lineStarts(): number[] {
    if (!this.starts) {
      this.starts = [0];
      for (let i = this.text.indexOf("\n"); i >= 0; i = this.text.indexOf("\n", i + 1)) this.starts.push(i + 1);
    }
    return this.starts;
  }
}

/** Index of the last item, in rising order, that is not above the limit; 0 when all are. */
function lastAtMost<T>(items: readonly T[], of: (item: T) => number, limit: number): number {
  let low = 0;
  let high = items.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (of(items[middle]!) <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}
