import type { Position, Range } from "vscode-languageserver";
import type { Place } from "../../protocol/model";

/** Whether a place is in the document: a cell is one, and so is a whole file, which has no number. */
export function isIn(place: Place, cell: number | undefined): boolean {
  return place.cell === cell;
}

/** Our places count from 1, LSP's from 0; both have exclusive ends and UTF-16 columns. */
export function rangeOf(place: Place): Range {
  return {
    start: { line: place.line - 1, character: place.column - 1 },
    end: { line: place.endLine - 1, character: place.endColumn - 1 },
  };
}

export function contains(place: Place, position: Position): boolean {
  const { start, end } = rangeOf(place);
  const afterStart =
    position.line > start.line || (position.line === start.line && position.character >= start.character);
  const beforeEnd = position.line < end.line || (position.line === end.line && position.character <= end.character);
  return afterStart && beforeEnd;
}
