import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { writeBox } from "../../../values/storage";
import { type BoundArgs, PyError, PyTensor, type Runtime } from "../../../values/values";
import { axisArg, axisOf, given, intArg, numberArg, optionalDType, tensorArg, varValues } from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { nodeOf, replaceValue, wrap } from "../tensor/tensor";
import { promoted } from "./arithmetic";
import { constant } from "./creation";

/** Diagonals, and parts of a tensor written over. */

const BOTH: readonly Home[] = ["torch", "tensor"];

/** The diagonal of two dimensions, as the last one: every (columns + 1)-th element of the two laid out in a row. */
export function diagonal(x: Node, offset: number, first: number, second: number): Node {
  if (first === second)
    throw new PyError("RuntimeError", `diagonal dimensions cannot be identical ${first}, ${second}`);
  const rest = x.shape.flatMap((_, i) => (i === first || i === second ? [] : [i]));
  const [rows, columns] = [x.shape[first]!, x.shape[second]!];
  const start = offset >= 0 ? offset : -offset * columns;
  const count = Math.max(0, offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns));
  const lead = rest.map((i) => x.shape[i]!);
  const flat = build.reshape(build.transpose(x, [...rest, first, second]), [...lead, rows * columns]);
  return build.slice(
    flat,
    [...lead.map(() => 0), count === 0 ? 0 : start],
    [...lead, count === 0 ? 0 : start + (count - 1) * (columns + 1) + 1],
    [...lead.map(() => 1), columns + 1],
  );
}
const axes = (args: BoundArgs, x: Node, first: string, second: string): [number, number] => [
  axisArg(args, first, x.shape.length),
  axisArg(args, second, x.shape.length),
];
define(BOTH, "diagonal", "input, offset=0, dim1=0, dim2=1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return diagonal(x, intArg(args, "offset"), ...axes(args, x, "dim1", "dim2"));
});

/** Zeros with the last dimension of x on the diagonal of two new ones at the end. */
function embedded(x: Node, offset: number): Node {
  const length = x.shape.at(-1)!;
  const size = length + Math.abs(offset);
  const lead = x.shape.slice(0, -1);
  const start = offset >= 0 ? offset : -offset * size;
  // [length, size + 1], zeros behind each element, is the diagonal's rows on end.
  const spread = build.pad(
    build.reshape(x, [...lead, length, 1]),
    [...lead.map(() => 0), 0, 0],
    [...lead.map(() => 0), 0, size],
  );
  const flat = build.reshape(spread, [...lead, length * (size + 1)]);
  const all = size * size;
  const padded = build.pad(
    flat,
    [...lead.map(() => 0), start],
    [...lead.map(() => 0), Math.max(0, all - start - flat.shape.at(-1)!)],
  );
  const cut = build.slice(
    padded,
    padded.shape.map(() => 0),
    [...lead, all],
  );
  return build.reshape(cut, [...lead, size, size]);
}
define(BOTH, "diag_embed", "input, offset=0, dim1=-2, dim2=-1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const made = embedded(x, intArg(args, "offset"));
  const rank = made.shape.length;
  const [first, second] = [axisOf(intArg(args, "dim1"), rank), axisOf(intArg(args, "dim2"), rank)];
  const rest = made.shape.map((_, i) => i).slice(0, rank - 2);
  return build.transpose(
    made,
    made.shape.map((_, i) => (i === first ? rank - 2 : i === second ? rank - 1 : rest.shift()!)),
  );
});
define(BOTH, "diag", "input, diagonal=0", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const offset = intArg(args, "diagonal");
  if (x.shape.length === 1) return embedded(x, offset);
  if (x.shape.length === 2) return diagonal(x, offset, 0, 1);
  throw new PyError("RuntimeError", `diag(): Supports 1D or 2D tensors. Got ${x.shape.length}D`);
});
define(BOTH, "diagflat", "input, offset=0", (args, runtime) =>
  embedded(build.reshape(nodeArg(args, "input", runtime), [-1]), intArg(args, "offset")),
);
define(BOTH, "trace", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return build.reduceAll("sum", diagonal(x.dtype.includes("float") ? x : build.cast(x, "int64"), 0, 0, 1));
});
define(["tensor"], "fill_diagonal_", "input, fill_value, wrap=False", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  const x = nodeOf(tensor, runtime);
  const value = build.full(numberArg(args, "fill_value"), diagonal(x, 0, 0, 1).shape, x.dtype);
  return replaceValue(tensor, onDiagonal(x, value, 0, 0, 1), runtime);
});

for (const [name, upper] of [
  ["tril_indices", false],
  ["triu_indices", true],
] as const) {
  define(["torch"], name, "row, col, offset=0, *, dtype=None, device=None, layout=None", (args) => {
    const [rows, columns, offset] = [intArg(args, "row"), intArg(args, "col"), intArg(args, "offset")];
    const places: [number, number][] = [];
    for (let r = 0; r < rows; r++) {
      const [from, to] = upper ? [Math.max(0, r + offset), columns] : [0, Math.min(columns, r + offset + 1)];
      for (let c = from; c < to; c++) places.push([r, c]);
    }
    const values = [...places.map(([r]) => r), ...places.map(([, c]) => c)];
    return constant(values, [2, places.length], optionalDType(args) ?? "int64");
  });
}

// Parts written over

function onDiagonal(x: Node, source: Node, offset: number, first: number, second: number): Node {
  const size = x.shape.reduce((n, d) => n * d, 1);
  const places = diagonal(build.reshape(build.arange(size, "int64"), x.shape), offset, first, second);
  const flat = build.scatterElements(
    build.reshape(x, [-1]),
    build.reshape(places, [-1]),
    build.reshape(build.cast(source, x.dtype), [-1]),
    0,
  );
  return build.reshape(flat, x.shape);
}
define(BOTH, "diagonal_scatter", "input, src, offset=0, dim1=0, dim2=1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return onDiagonal(x, nodeArg(args, "src", runtime), intArg(args, "offset"), ...axes(args, x, "dim1", "dim2"));
});
function written(x: Node, axis: number, start: number, end: number, step: number, source: Node): Node {
  const box = {
    starts: x.shape.map((_, i) => (i === axis ? start : 0)),
    ends: x.shape.map((d, i) => (i === axis ? end : d)),
    steps: x.shape.map((_, i) => (i === axis ? step : 1)),
  };
  const shape = x.shape.with(axis, Math.max(0, Math.ceil((end - start) / step)));
  return writeBox(x, box, build.expand(build.cast(source, x.dtype), shape));
}
define(BOTH, "slice_scatter", "input, src, dim=0, start=None, end=None, step=1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const size = x.shape[axis]!;
  const clip = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
  const start = given(args, "start") ? clip(intArg(args, "start")) : 0;
  const end = given(args, "end") ? clip(intArg(args, "end")) : size;
  return written(x, axis, start, end, intArg(args, "step"), nodeArg(args, "src", runtime));
});
define(BOTH, "select_scatter", "input, src, dim, index", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  const index = intArg(args, "index");
  const i = index < 0 ? index + x.shape[axis]! : index;
  const source = nodeArg(args, "src", runtime);
  return written(
    x,
    axis,
    i,
    i + 1,
    1,
    build.reshape(source, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis + 1)]),
  );
});

// Blocks

define(["torch"], "block_diag", "*tensors", (args, runtime) => {
  const tensors = varValues(args, "tensors").filter((v) => v instanceof PyTensor);
  const blocks = promoted(tensors, runtime).map((n) => {
    const rows = n.shape.length === 2 ? n.shape[0]! : 1;
    return build.reshape(n, [rows, n.shape.length === 0 ? 1 : n.shape.at(-1)!]);
  });
  const width = blocks.reduce((n, b) => n + b.shape[1]!, 0);
  let left = 0;
  const rows = blocks.map((block) => {
    left += block.shape[1]!;
    return build.pad(block, [0, left - block.shape[1]!], [0, width - left]);
  });
  return build.concat(rows, 0);
});
define(BOTH, "kron", "input, other", (args, runtime: Runtime) => {
  const [a, b] = promoted([tensorArg(args, "input"), tensorArg(args, "other")], runtime) as [Node, Node];
  const rank = Math.max(a.shape.length, b.shape.length);
  const full = (n: Node): number[] => [...new Array<number>(rank - n.shape.length).fill(1), ...n.shape];
  const [x, y] = [full(a), full(b)];
  const product = build.mul(
    build.reshape(
      a,
      x.flatMap((d) => [d, 1]),
    ),
    build.reshape(
      b,
      y.flatMap((d) => [1, d]),
    ),
  );
  return wrap(
    build.reshape(
      product,
      x.map((d, i) => d * y[i]!),
    ),
  );
});
