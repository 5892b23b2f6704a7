import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { PyError, type Runtime, type Value } from "../../../values/values";
import { axisArg, boolArg, given, intArg, tuple } from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { wrap } from "../tensor/tensor";
import { anyNaN } from "./reductions";

/** topk, sort and their like, from the graph's topK. */

const BOTH: readonly Home[] = ["torch", "tensor"];

/** The k largest or smallest, and where they stand, as (values, indices). */
function ranked(x: Node, k: number, axis: number, largest: boolean): Value {
  const wide = x.shape.length === 0 ? build.reshape(x, [1]) : x;
  if (k > wide.shape[axis]!) {
    throw new PyError(
      "RuntimeError",
      `selected index k out of range: ${k} of ${wide.shape[axis]} along dimension ${axis}`,
    );
  }
  const shape = x.shape.length === 0 ? x.shape : x.shape.with(axis, k);
  const values = build.reshape(build.topK(wide, k, axis, largest), shape);
  const indices = build.reshape(build.topKIndices(wide, k, axis, largest), shape);
  return tuple([wrap(values), wrap(indices)], ["values", "indices"]);
}

define(BOTH, "topk", "input, k, dim=-1, largest=True, sorted=True", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return ranked(x, intArg(args, "k"), axisArg(args, "dim", x.shape.length), boolArg(args, "largest"));
});
define(BOTH, "sort", "input, dim=-1, descending=False, stable=False", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  return ranked(x, x.shape[axis] ?? 1, axis, boolArg(args, "descending"));
});
define(BOTH, "argsort", "input, dim=-1, descending=False, stable=False", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const axis = axisArg(args, "dim", x.shape.length);
  if (x.shape.length === 0) return build.full(0, [], "int64");
  return build.topKIndices(x, x.shape[axis]!, axis, boolArg(args, "descending"));
});

/** The k-th smallest along an axis, counted from 0, with its place. */
function ordinal(x: Node, k: number, axis: number, keepDims: boolean): [Node, Node] {
  const last = (n: Node): Node => {
    const one = build.narrow(n, axis, k, k + 1);
    return keepDims
      ? one
      : build.reshape(
          one,
          one.shape.filter((_, i) => i !== axis),
        );
  };
  return [last(build.topK(x, k + 1, axis, false)), last(build.topKIndices(x, k + 1, axis, false))];
}
define(BOTH, "kthvalue", "input, k, dim=-1, keepdim=False", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const pair = ordinal(x, intArg(args, "k") - 1, axisArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
  return tuple(pair.map(wrap), ["values", "indices"]);
});
/** NaN where there is one, and where the first of them stands. */
function withNaN(x: Node, axis: number, keepDims: boolean, [value, place]: readonly [Node, Node]): Node[] {
  if (!isFloating(x.dtype)) return [value, place];
  const there = anyNaN(x, [axis], keepDims);
  const first = build.argmax(build.cast(build.unary("not", build.binary("equal", x, x)), "int32"), axis, keepDims);
  return [build.where(there, build.scalar(Number.NaN, x.dtype), value), build.where(there, first, place)];
}
/** The lower of the two middle values, as torch.median gives it. */
define(BOTH, "median", "input, dim=None, keepdim=False", (args, runtime: Runtime) => {
  const x = nodeArg(args, "input", runtime);
  if (!given(args, "dim")) {
    const flat = build.reshape(x, [-1]);
    return withNaN(flat, 0, false, ordinal(flat, Math.floor((flat.shape[0]! - 1) / 2), 0, false))[0]!;
  }
  const axis = axisArg(args, "dim", x.shape.length);
  const keep = boolArg(args, "keepdim");
  if (x.shape.length === 0) return tuple([wrap(x), wrap(build.full(0, [], "int64"))], ["values", "indices"]);
  const pair = withNaN(x, axis, keep, ordinal(x, Math.floor((x.shape[axis]! - 1) / 2), axis, keep));
  return tuple(pair.map(wrap), ["values", "indices"]);
});
