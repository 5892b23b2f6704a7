import { type InlayHint, InlayHintKind, type Position, type Range } from "vscode-languageserver";
import type { FileShapes, PlacedShape } from "./fileShapes";
import { rangeOf } from "./ranges";

/** Shapes named in a tooltip when a line's runs differ. */
const NAMED_SHAPES = 6;
/** VS Code cuts a line's hints off behind so many characters in all, unless editor.inlayHints.maximumLength says else. */
const LINE_LENGTH = 43;

/** `x: [B, T, 512]` after each assignment's target in the range. */
export function inlayHints(shapes: FileShapes, range: Range, cell?: number): InlayHint[] {
  const hints = shapes.hints.filter((hint) => hint.place.cell === cell);
  const lengths = new Map<number, number>();
  for (const { place, dims } of hints)
    lengths.set(place.line, (lengths.get(place.line) ?? 0) + label(dims, ", ").length);
  return hints
    .map((hint) => ({ hint, position: rangeOf(hint.place).end }))
    .filter(({ position }) => !before(position, range.start) && !before(range.end, position))
    .map(({ hint, position }) => ({
      position,
      label: label(hint.dims, lengths.get(hint.place.line)! > LINE_LENGTH ? "," : ", "),
      kind: InlayHintKind.Type,
      tooltip: { kind: "markdown", value: tooltip(shapes, hint) },
    }));
}

function label(dims: readonly string[], separator: string): string {
  return `: ${dims.length === 0 ? "scalar" : `[${dims.join(separator)}]`}`;
}

function before(a: Position, b: Position): boolean {
  return a.line < b.line || (a.line === b.line && a.character < b.character);
}

function tooltip({ traces }: FileShapes, { dims, dtype, shapes, runs, trace }: PlacedShape): string {
  const { class: model, inputs, inputsFrom, names } = traces[trace]!;
  const listed = shapes.slice(0, NAMED_SHAPES).map(times).join(", ");
  const more = shapes.length > NAMED_SHAPES ? ", …" : "";
  const fed = inputs.map(({ name, shape, dtype: of }) => `\`${name}\` ${of} ${times(shape)}`).join(", ");
  const used = names.filter(({ name }) => dims.some((dim) => words(dim).includes(name)));
  const lines = [
    `**${listed}${more}** · ${dtype}${runs > 1 ? ` · this line runs ${runs} times` : ""}`,
    `for the example ${inputs.length === 1 ? "input" : "inputs"} ${fed} of ${model}, ${plain(inputsFrom)}`,
    ...used.map(
      ({ name, input, axis, size }) => `\`${name}\` is dimension ${axis} of \`${input}\`, ${size} in the example`,
    ),
  ];
  return lines.join("  \n");
}

const words = (dim: string): string[] => dim.split(/[·+−/|]/);

function times(shape: readonly number[]): string {
  return shape.length === 0 ? "a scalar" : shape.length === 1 ? `[${shape[0]}]` : shape.join(" × ");
}

/** A file names its modules as it likes: Markdown in a name stays text, so that no picture is fetched for it. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+.!|<>~-]/g, "\\$&");
}
