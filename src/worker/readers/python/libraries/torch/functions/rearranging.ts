import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { broadcast } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, PyList, PyTensor, PyTuple, type Runtime, type Value } from "../../../values/values";
import {
  axisArg,
  axisOf,
  boolArg,
  intArg,
  intsOf,
  sequenceOf,
  tensorArg,
  tuple,
  varValues,
} from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { listable, listableTensors } from "../tensor/listable";
import { nodeOf, wrap } from "../tensor/tensor";
import { tied } from "../tensor/views";
import { constant } from "./creation";
import { flip, swapAxes } from "./shape";

/** Turning, windows, and tensors brought to a common shape. */

const BOTH: readonly Home[] = ["torch", "tensor"];

define(BOTH, "rot90", "input, k=1, dims=(0, 1)", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const [a, b] = intsOf(args.dims, "dims").map((d) => axisOf(d, x.shape.length)) as [number, number];
  switch (((intArg(args, "k") % 4) + 4) % 4) {
    case 1:
      return swapAxes(flip(x, [b]), a, b);
    case 2:
      return flip(x, [a, b]);
    case 3:
      return flip(swapAxes(x, a, b), [b]);
    default:
      return x;
  }
});
define(BOTH, "fliplr", "input", (args, runtime) => flip(nodeArg(args, "input", runtime), [1]));
define(BOTH, "flipud", "input", (args, runtime) => flip(nodeArg(args, "input", runtime), [0]));

/** Tensor.unfold: windows of `size` along a dimension, every `step`, each laid out in a new last dimension. */
define(["tensor"], "unfold", "input, dimension, size, step", (args, runtime) => {
  const given = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dimension", given.shape.length);
  if (given.shape.length === 0) return build.reshape(given, [1]);
  const x = given;
  const [size, step] = [intArg(args, "size"), intArg(args, "step")];
  const length = x.shape[axis] ?? 1;
  if (size > length || step <= 0) {
    throw new PyError(
      "RuntimeError",
      `maximum size for tensor at dimension ${axis} is ${length} but size is ${size} (step ${step})`,
    );
  }
  const count = Math.floor((length - size) / step) + 1;
  const places = Array.from({ length: listable(count * size) }, (_, i) => Math.floor(i / size) * step + (i % size));
  const windows = build.gather(x, constant(places, [count, size], "int64"), axis);
  const order = windows.shape.map((_, i) => i).filter((i) => i !== axis + 1);
  return build.transpose(windows, [...order, axis + 1]);
});

/** In-place changes of the order of dimensions keep the values: the same memory seen otherwise. */
for (const [name, signature, dims] of [
  ["t", "input", () => [0, 1]],
  ["transpose", "input, dim0, dim1", (args: BoundArgs) => [intArg(args, "dim0"), intArg(args, "dim1")]],
] as const) {
  define(["tensor"], `${name}_`, signature, (args, runtime) => {
    const tensor = tensorArg(args, "input");
    const x = nodeOf(tensor, runtime);
    const [a, b] = dims(args).map((d) => axisOf(d, x.shape.length)) as [number, number];
    const seen = tied(name, wrap(swapAxes(x, a, b)), [tensor]);
    if (seen instanceof PyTensor) tensor.share(seen);
    return tensor;
  });
}

define(["torch"], "broadcast_tensors", "*tensors", (args, runtime) => {
  const given = varValues(args, "tensors").filter((v) => v instanceof PyTensor);
  const nodes = given.map((t) => nodeOf(t, runtime));
  const shape = nodes.map((n) => n.shape).reduce((a, b) => broadcast(a, b), []);
  return tuple(nodes.map((n, i) => tied("expand", wrap(build.expand(n, shape)), [given[i]!])));
});
define(["torch"], "broadcast_shapes", "*shapes", (args) => {
  const shapes = (sequenceOf(args.shapes) ?? []).map((s) => intsOf(s, "shapes"));
  return new PyTuple([...shapes.reduce<readonly number[]>((a, b) => broadcast(a, b), [])]);
});

function atLeast(x: Node, rank: number): Node {
  const { shape } = x;
  if (shape.length >= rank) return x;
  if (rank === 1) return build.reshape(x, [1]);
  if (rank === 2) return build.reshape(x, [1, shape[0] ?? 1]);
  return build.reshape(x, shape.length < 2 ? [1, shape[0] ?? 1, 1] : [...shape, 1]);
}
for (const rank of [1, 2, 3]) {
  define(["torch"], `atleast_${rank}d`, "*tensors", (args, runtime): Value => {
    const given = varValues(args, "tensors").filter((v) => v instanceof PyTensor);
    const seen = given.map((t) => tied(`atleast_${rank}d`, wrap(atLeast(nodeOf(t, runtime), rank)), [t]));
    return seen.length === 1 && !sequenceOf((args.tensors as PyTuple | undefined)?.items[0]) ? seen[0]! : tuple(seen);
  });
}

// Joined in other ways

function all(args: BoundArgs, runtime: Runtime): Node[] {
  return (sequenceOf(args.tensors) ?? []).filter((v) => v instanceof PyTensor).map((t) => nodeOf(t, runtime));
}
define(["torch"], "dstack", "tensors", (args, runtime) =>
  build.concat(
    all(args, runtime).map((n) => atLeast(n, 3)),
    2,
  ),
);
define(["torch"], "row_stack", "tensors", (args, runtime) =>
  build.concat(
    all(args, runtime).map((n) => atLeast(n, 2)),
    0,
  ),
);
define(["torch"], "column_stack", "tensors", (args, runtime) =>
  build.concat(
    all(args, runtime).map((n) => (n.shape.length < 2 ? build.reshape(n, [n.shape[0] ?? 1, 1]) : n)),
    1,
  ),
);
define(["torch"], "cartesian_prod", "*tensors", (args, runtime) => {
  const nodes = varValues(args, "tensors").map((t) => nodeOf(t as PyTensor, runtime));
  if (nodes.length === 1) return nodes[0]!;
  const shape = nodes.map((n) => n.shape[0]!);
  const columns = nodes.map((n, i) => {
    const along = build.reshape(
      n,
      shape.map((_, k) => (k === i ? n.shape[0]! : 1)),
    );
    return build.reshape(build.expand(along, shape), [-1, 1]);
  });
  return build.concat(columns, 1);
});
define(["torch"], "combinations", "input, r=2, with_replacement=False", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const again = boolArg(args, "with_replacement");
  const r = intArg(args, "r");
  let chosen: number[][] = [[]];
  for (let k = 0; k < r; k++) {
    listable(chosen.length * Math.max(1, x.shape[0]!) * (k + 1));
    chosen = chosen.flatMap((c) => {
      const from = c.length === 0 ? 0 : c.at(-1)! + (again ? 0 : 1);
      return Array.from({ length: Math.max(0, x.shape[0]! - from) }, (_, i) => [...c, from + i]);
    });
  }
  return build.gather(x, constant(chosen.flat(), [chosen.length, r], "int64"), 0);
});

// Taken apart in other ways

function pieces(tensor: PyTensor, x: Node, axis: number, cuts: readonly number[]): Value {
  const size = x.shape[axis]!;
  const clip = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
  const bounds = [0, ...cuts.map(clip), size];
  const parts = bounds.slice(1).map((end, i) => wrap(build.narrow(x, axis, bounds[i]!, Math.max(bounds[i]!, end))));
  return tied("tensor_split", tuple(parts), [tensor]);
}
/** Into so many parts, the first ones longer by one where that does not come out even; or at the given places. */
function tensorSplit(tensor: PyTensor, given: Value | undefined, axis: number, runtime: Runtime, even: boolean): Value {
  const x = nodeOf(tensor, runtime);
  const listed = given instanceof PyList || given instanceof PyTuple ? intsOf(given, "indices") : undefined;
  if (listed) return pieces(tensor, x, axis, listed);
  const [count] = intsOf(given, "sections") as [number];
  const size = x.shape[axis]!;
  if (count <= 0 || (even && size % count !== 0)) {
    throw new PyError("RuntimeError", `a dimension of size ${size} cannot be split into ${count} parts`);
  }
  const cut = (i: number): number => i * Math.floor(size / count) + Math.min(i, size % count);
  return pieces(
    tensor,
    x,
    axis,
    Array.from({ length: listableTensors(count - 1) }, (_, i) => cut(i + 1)),
  );
}
define(
  BOTH,
  "tensor_split",
  "input, indices_or_sections=None, dim=0, *, indices=None, sections=None",
  (args, runtime) => {
    const tensor = tensorArg(args, "input");
    const how = args.indices_or_sections ?? args.indices ?? args.sections ?? null;
    return tensorSplit(tensor, how, axisArg(args, "dim", tensor.shape.length), runtime, false);
  },
);
for (const [name, place] of [
  ["hsplit", 1],
  ["vsplit", 0],
  ["dsplit", 2],
] as const) {
  define(BOTH, name, "input, indices_or_sections", (args, runtime) => {
    const tensor = tensorArg(args, "input");
    const axis = name === "hsplit" && tensor.shape.length === 1 ? 0 : place;
    return tensorSplit(tensor, args.indices_or_sections, axisOf(axis, tensor.shape.length), runtime, true);
  });
}
define(["torch"], "unravel_index", "indices, shape", (args, runtime) => {
  const x = nodeArg(args, "indices", runtime);
  const shape = intsOf(args.shape, "shape");
  let step = shape.reduce((n, d) => n * d, 1);
  return tuple(
    shape.map((size) => {
      step /= size;
      const along = build.div(x, build.scalar(step, x.dtype));
      return wrap(
        build.sub(along, build.mul(build.div(along, build.scalar(size, x.dtype)), build.scalar(size, x.dtype))),
      );
    }),
  );
});
