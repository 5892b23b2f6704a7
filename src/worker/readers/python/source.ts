import type { SourcePlace } from "../../graph/node";
import type { Span } from "./ast";

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
  ) {}

  place(span: Span): SourcePlace {
    let place = this.places.get(span);
    if (!place) {
      const [line, column] = this.position(span.start);
      const [endLine, endColumn] = this.position(span.end);
      place = this.inCell(span, { file: this.file, line, column, endLine, endColumn });
      this.places.set(span, place);
    }
    return place;
  }

  private inCell({ start }: Span, place: SourcePlace): SourcePlace {
    const { segments } = this;
    if (segments.length === 0) return place;
    let low = 0;
    let high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (segments[middle]!.start <= start) low = middle;
      else high = middle - 1;
    }
    const segment = segments[low]!;
    const above = this.position(segment.start)[0] - 1;
    // What a parser makes of a broken cell may end in the line break after it.
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
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return [low + 1, offset - starts[low]! + 1];
  }

  private lineStarts(): number[] {
    if (!this.starts) {
      this.starts = [0];
      for (let i = this.text.indexOf("\n"); i >= 0; i = this.text.indexOf("\n", i + 1)) this.starts.push(i + 1);
    }
    return this.starts;
  }
}
