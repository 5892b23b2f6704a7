import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, type Runtime, type Value } from "../../../values/values";
import { axisArg, axisOf, given, intArg, intsOf, tensorArg, varInts, varValues } from "../registry/arguments";
import { define, type Home, inPlace, nodeArg } from "../registry/table";
import { dtypeFrom } from "../tensor/dtypes";
import { fold } from "../tensor/fold";
import { listable } from "../tensor/listable";
import { nodeOf, RandomNode, randomOf, wrap } from "../tensor/tensor";
import { tied } from "../tensor/views";

/** Functions that move elements without computing. */

const BOTH: readonly Home[] = ["torch", "tensor"];

function both(
  names: string | string[],
  signature: string,
  body: (args: BoundArgs, runtime: Runtime) => Value | Node,
): void {
  define(BOTH, names, signature, body);
}

function reshapeTo(x: Node, shape: readonly number[]): Node {
  const size = x.shape.reduce((n, d) => n * d, 1);
  const open = shape.filter((d) => d === -1).length;
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  if (open > 1) throw new PyError("RuntimeError", "only one dimension can be inferred");
  const bad = shape.find((d) => d < -1);
  if (bad !== undefined) throw new PyError("RuntimeError", `invalid shape dimension ${bad}`);
  if (open ? known === 0 || size % known !== 0 : known !== size) {
    throw new PyError("RuntimeError", `shape '${shapeText(shape)}' is invalid for input of size ${size}`);
  }
  // A random initial value keeps its distribution: its numbers are drawn in row-major order.
  const random = randomOf(x);
  const reshaped = build.reshape(x, shape);
  return random ? new RandomNode(random, reshaped.shape, x.dtype) : reshaped;
}

define(["torch"], "reshape", "input, shape", (args, runtime) =>
  reshapeTo(nodeArg(args, "input", runtime), intsOf(args.shape, "shape")),
);
define(["tensor"], "reshape", "input, *shape", (args, runtime) =>
  reshapeTo(nodeArg(args, "input", runtime), varInts(args, "shape")),
);
define(["tensor"], ["view", "_unsafe_view"], "input, *shape", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const dtype = dtypeFrom(varValues(args, "shape")[0]);
  if (dtype) {
    if (dtype === x.dtype) return x;
    throw new EvaluationError(
      `view(${dtype}) of a ${x.dtype} tensor reads its bytes as another type, which is not supported; to(torch.${dtype}) converts values`,
    );
  }
  return reshapeTo(x, varInts(args, "shape"));
});
define(["tensor"], ["view_as", "reshape_as"], "input, other", (args, runtime) =>
  reshapeTo(nodeArg(args, "input", runtime), nodeArg(args, "other", runtime).shape),
);

function permute(x: Node, dims: readonly number[]): Node {
  if (dims.length !== x.shape.length) {
    throw new PyError(
      "RuntimeError",
      `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.shape.length} is not equal to len(dims) = ${dims.length}`.replace(
        "permute(sparse_coo)",
        "permute",
      ),
    );
  }
  const perm = dims.map((d) => axisOf(d, x.shape.length));
  if (new Set(perm).size !== perm.length)
    throw new PyError("RuntimeError", "permute(): duplicate dims are not allowed.");
  return build.transpose(x, perm);
}
define(["torch"], "permute", "input, dims", (args, runtime) =>
  permute(nodeArg(args, "input", runtime), intsOf(args.dims, "dims")),
);
define(["tensor"], "permute", "input, *dims", (args, runtime) =>
  permute(nodeArg(args, "input", runtime), varInts(args, "dims")),
);

export function swapAxes(x: Node, a: number, b: number): Node {
  const perm = x.shape.map((_, i) => (i === a ? b : i === b ? a : i));
  return build.transpose(x, perm);
}
for (const [names, first, second] of [
  ["transpose", "dim0", "dim1"],
  ["swapdims", "dim0", "dim1"],
  ["swapaxes", "axis0", "axis1"],
] as const) {
  const body = (args: BoundArgs, runtime: Runtime): Node => {
    const x = nodeArg(args, "input", runtime);
    return swapAxes(x, axisArg(args, first, x.shape.length), axisArg(args, second, x.shape.length));
  };
  define(BOTH, names, `input, ${first}, ${second}`, body);
}
both("t", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  if (x.shape.length > 2) {
    throw new PyError("RuntimeError", `t() expects a tensor with <= 2 dimensions, but self is ${x.shape.length}D`);
  }
  return x.shape.length < 2 ? x : build.transpose(x, [1, 0]);
});
both("adjoint", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return swapAxes(x, x.shape.length - 2, x.shape.length - 1);
});
both(["movedim", "moveaxis"], "input, source, destination", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const rank = x.shape.length;
  const from = intsOf(args.source, "source").map((d) => axisOf(d, rank));
  const to = intsOf(args.destination, "destination").map((d) => axisOf(d, rank));
  const rest = x.shape.flatMap((_, i) => (from.includes(i) ? [] : [i]));
  return build.transpose(
    x,
    x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!)),
  );
});

export function flatten(x: Node, start: number, end: number): Node {
  const rank = x.shape.length;
  if (rank === 0) return build.reshape(x, [1]);
  const [a, b] = [axisOf(start, rank), axisOf(end, rank)];
  if (a > b) throw new PyError("RuntimeError", "flatten() has invalid args: start_dim cannot come after end_dim");
  const size = x.shape.slice(a, b + 1).reduce((n, d) => n * d, 1);
  return build.reshape(x, [...x.shape.slice(0, a), size, ...x.shape.slice(b + 1)]);
}
both("flatten", "input, start_dim=0, end_dim=-1", (args, runtime) =>
  flatten(nodeArg(args, "input", runtime), intArg(args, "start_dim"), intArg(args, "end_dim")),
);
both("ravel", "input", (args, runtime) => flatten(nodeArg(args, "input", runtime), 0, -1));

export function unflatten(x: Node, axis: number, sizes: readonly number[]): Node {
  const known = sizes.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const length = x.shape[axis]!;
  const resolved = sizes.map((d) => (d === -1 ? length / known : d));
  if (resolved.reduce((n, d) => n * d, 1) !== length || resolved.some((d) => !Number.isInteger(d))) {
    throw new PyError(
      "RuntimeError",
      `unflatten: Provided sizes ${shapeText(sizes)} don't multiply up to the size of dim ${axis} (${length}) in the input tensor`,
    );
  }
  return build.reshape(x, [...x.shape.slice(0, axis), ...resolved, ...x.shape.slice(axis + 1)]);
}
both("unflatten", "input, dim, sizes", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return unflatten(x, axisArg(args, "dim", x.shape.length), intsOf(args.sizes, "sizes"));
});

const unsqueeze = (args: BoundArgs, runtime: Runtime): Node => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length + 1);
  return build.reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
};
both("unsqueeze", "input, dim", unsqueeze);
const squeeze = (args: BoundArgs, runtime: Runtime): Node => {
  const x = nodeArg(args, "input", runtime);
  const axes = given(args, "dim") ? intsOf(args.dim, "dim").map((d) => axisOf(d, x.shape.length)) : undefined;
  return build.reshape(
    x,
    x.shape.filter((d, i) => d !== 1 || (axes && !axes.includes(i))),
  );
};
both("squeeze", "input, dim=None", squeeze);
/** In-place changes of shape keep the values. */
for (const [name, signature, body] of [
  ["unsqueeze", "input, dim", unsqueeze],
  ["squeeze", "input, dim=None", squeeze],
] as const) {
  define(["tensor"], `${name}_`, signature, (args, runtime) => {
    const tensor = tensorArg(args, "input");
    // The same memory in another shape.
    const seen = tied(name, wrap(body(args, runtime)), [tensor]);
    if (seen instanceof PyTensor) tensor.share(seen);
    return tensor;
  });
}

export function expandTo(x: Node, sizes: readonly number[]): Node {
  const lead = sizes.length - x.shape.length;
  if (lead < 0) {
    throw new PyError(
      "RuntimeError",
      `expand: the number of sizes provided (${sizes.length}) must be greater or equal to the number of dimensions in the tensor (${x.shape.length})`,
    );
  }
  const shape = sizes.map((d, i) => {
    const own = i < lead ? undefined : x.shape[i - lead]!;
    if (d === -1) {
      if (own === undefined) {
        throw new PyError(
          "RuntimeError",
          `expand: The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
        );
      }
      return own;
    }
    if (own !== undefined && own !== 1 && own !== d) {
      throw new PyError(
        "RuntimeError",
        `The expanded size of the tensor (${d}) must match the existing size (${own}) at non-singleton dimension ${i}.  Target sizes: ${shapeText(sizes)}.  Tensor sizes: ${shapeText(x.shape)}`,
      );
    }
    return d;
  });
  return build.expand(x, shape);
}
define(["tensor"], "expand", "input, *sizes, implicit=False", (args, runtime) =>
  expandTo(nodeArg(args, "input", runtime), varInts(args, "sizes")),
);
define(["torch"], "broadcast_to", "input, size", (args, runtime) =>
  expandTo(nodeArg(args, "input", runtime), intsOf(args.size, "size")),
);
define(["tensor"], "broadcast_to", "input, *size", (args, runtime) =>
  expandTo(nodeArg(args, "input", runtime), varInts(args, "size")),
);
define(["tensor"], "expand_as", "input, other", (args, runtime) =>
  expandTo(nodeArg(args, "input", runtime), nodeArg(args, "other", runtime).shape),
);

export function repeat(x: Node, counts: readonly number[]): Node {
  const lead = counts.length - x.shape.length;
  if (lead < 0) {
    throw new PyError(
      "RuntimeError",
      "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
    );
  }
  const shape = [...new Array<number>(lead).fill(1), ...x.shape];
  // [d] -> [1, d] -> [n, d] -> [n * d], for every dimension at once.
  const spread = build.reshape(
    x,
    shape.flatMap((d) => [1, d]),
  );
  const expanded = build.expand(
    spread,
    shape.flatMap((d, i) => [counts[i]!, d]),
  );
  return build.reshape(
    expanded,
    shape.map((d, i) => d * counts[i]!),
  );
}
define(["tensor"], "repeat", "input, *repeats", (args, runtime) =>
  repeat(nodeArg(args, "input", runtime), varInts(args, "repeats")),
);
both("tile", "input, *dims", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const dims = varInts(args, "dims");
  return repeat(x, [...new Array<number>(Math.max(0, x.shape.length - dims.length)).fill(1), ...dims]);
});

/** Each element as often as its own number of repeats says. */
function repeatEach(x: Node, axis: number, repeats: Node): Node {
  const counts = fold(repeats);
  if (!counts) {
    throw new EvaluationError(
      "repeat_interleave with repeats that depend on data is not supported: so would the result's shape",
    );
  }
  listable(counts.length === 1 ? counts[0]! * x.shape[axis]! : counts.reduce((a, b) => a + b, 0));
  const places = Array.from({ length: x.shape[axis]! }, (_, i) =>
    new Array<bigint>(counts[counts.length === 1 ? 0 : i]!).fill(BigInt(i)),
  ).flat();
  return build.gather(x, build.constant(BigInt64Array.from(places), [places.length], "int64"), axis);
}
both("repeat_interleave", "input, repeats, dim=None, *, output_size=None", (args, runtime) => {
  let x = nodeArg(args, "input", runtime);
  if (!given(args, "dim")) x = flatten(x, 0, -1);
  const axis = given(args, "dim") ? axisArg(args, "dim", x.shape.length) : 0;
  const { repeats } = args;
  if (repeats instanceof PyTensor) return repeatEach(x, axis, nodeOf(repeats, runtime));
  const count = intArg(args, "repeats");
  const [before, after] = [x.shape.slice(0, axis + 1), x.shape.slice(axis + 1)];
  const expanded = build.expand(build.reshape(x, [...before, 1, ...after]), [...before, count, ...after]);
  return build.reshape(expanded, [...before.slice(0, -1), before.at(-1)! * count, ...after]);
});

// Rearranging

function roll(x: Node, axis: number, by: number): Node {
  const size = x.shape[axis]!;
  const split = size === 0 ? 0 : ((-by % size) + size) % size;
  if (split === 0) return x;
  return build.concat([build.narrow(x, axis, split, size), build.narrow(x, axis, 0, split)], axis);
}
both("roll", "input, shifts, dims=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const shifts = intsOf(args.shifts, "shifts");
  if (!given(args, "dims")) return build.reshape(roll(flatten(x, 0, -1), 0, shifts[0] ?? 0), x.shape);
  const dims = intsOf(args.dims, "dims").map((d) => axisOf(d, x.shape.length));
  if (dims.length !== shifts.length) {
    throw new PyError(
      "RuntimeError",
      `shifts and dimensions must align. shifts: ${shifts.length}, dims:${dims.length}`,
    );
  }
  return dims.reduce((y, axis, i) => roll(y, axis, shifts[i]!), x);
});
export function flip(x: Node, axes: readonly number[]): Node {
  if (x.shape.length === 0) return x;
  return axes.reduce(
    (y, axis) => build.gather(y, build.arange(y.shape[axis]!, "int64", y.shape[axis]! - 1, -1), axis),
    x,
  );
}
define(["torch"], "flip", "input, dims", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return flip(
    x,
    intsOf(args.dims, "dims").map((d) => axisOf(d, x.shape.length)),
  );
});
define(["tensor"], "flip", "input, *dims", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return flip(
    x,
    varInts(args, "dims").map((d) => axisOf(d, x.shape.length)),
  );
});

/** Rows minus columns: `tril` keeps where column - row <= diagonal. */
export function triangle(x: Node, diagonal: number, upper: boolean): Node {
  if (x.shape.length < 2) {
    throw new PyError("RuntimeError", `${upper ? "triu" : "tril"}: input tensor must have at least 2 dimensions`);
  }
  const [rows, columns] = [x.shape.at(-2)!, x.shape.at(-1)!];
  const row = build.reshape(build.arange(rows, "int64", diagonal), [rows, 1]);
  const column = build.reshape(build.arange(columns, "int64"), [1, columns]);
  const keep = upper ? build.binary("lessEqual", row, column) : build.binary("lessEqual", column, row);
  if (x.dtype === "bool") return build.binary("and", keep, x);
  return build.where(keep, x, build.scalar(0, x.dtype));
}
for (const [name, upper] of [
  ["tril", false],
  ["triu", true],
] as const) {
  const body = (args: BoundArgs, runtime: Runtime): Node =>
    triangle(nodeArg(args, "input", runtime), intArg(args, "diagonal"), upper);
  define(BOTH, name, "input, diagonal=0, *, out=None", body);
  inPlace(name, "input, diagonal=0", body);
}
