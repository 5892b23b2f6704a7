import type { SourcePlace } from "../../graph/node";
import type { Span } from "./ast";

/** A source text and the arithmetic from offsets to lines and columns. */
export class Source {
  private starts: number[] | undefined;
  private readonly places = new WeakMap<Span, SourcePlace>();

  constructor(
    readonly file: string,
    readonly text: string,
  ) {}

  place(span: Span): SourcePlace {
    let place = this.places.get(span);
    if (!place) {
      const [line, column] = this.position(span.start);
      const [endLine, endColumn] = this.position(span.end);
      place = { file: this.file, line, column, endLine, endColumn };
      this.places.set(span, place);
    }
    return place;
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
