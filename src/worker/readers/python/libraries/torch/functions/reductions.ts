import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import { isOf } from "../../../../../graph/kinds";
import { is, type Node } from "../../../../../graph/node";
import { broadcast } from "../../../../../graph/shapes";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, type Runtime, type Value } from "../../../values/values";
import {
  axesArg,
  axisArg,
  boolArg,
  given,
  isNumber,
  numberArg,
  numberOf,
  optionalDType,
  tensorArg,
  tuple,
} from "../registry/arguments";
import { define, type Home, nodeArg } from "../registry/table";
import { reduceRows, selectedRows, selectRows } from "../tensor/selectedRows";
import { scalarTypeName, wrap } from "../tensor/tensor";
import { trueIndices } from "../tensor/trueIndices";
import { arithmetic, floating, promoted, requireFloating, scale, shift, widely } from "./arithmetic";

/** Reductions. Booleans and integers sum to int64, as PyTorch's do. */

const BOTH: readonly Home[] = ["torch", "tensor"];

function countable(x: Node): Node {
  return isFloating(x.dtype) ? x : build.cast(x, "int64");
}

function typed(args: BoundArgs, x: Node): Node {
  const dtype = optionalDType(args);
  return dtype ? build.cast(x, dtype) : x;
}

define(BOTH, "sum", "input, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
  const x = countable(typed(args, nodeArg(args, "input", runtime)));
  return build.cast(
    reduceRows("sum", x, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim")),
    optionalDType(args) ?? x.dtype,
  );
});
define(BOTH, "mean", "input, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
  const x = typed(args, nodeArg(args, "input", runtime));
  if (!isFloating(x.dtype)) {
    throw new PyError(
      "RuntimeError",
      `mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ${scalarTypeName(x.dtype)}`,
    );
  }
  return reduceRows("mean", x, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
});
define(BOTH, "prod", "input, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
  const x = countable(typed(args, nodeArg(args, "input", runtime)));
  return build.reduce("prod", x, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
});

/** The mean squared deviation over `axes`, times n / (n - correction). */
export function variance(x: Node, axes: readonly number[], correction: number, keepDims: boolean): Node {
  requireFloating(x, "std and var only support floating point dtypes");
  const count = axes.reduce((n, a) => n * x.shape[a]!, 1);
  return widely(x, (wide) => {
    const centered = build.sub(wide, build.reduce("mean", wide, axes, true));
    const total = build.reduce("sum", build.mul(centered, centered), axes, keepDims);
    return scale(total, 1 / Math.max(0, count - correction));
  });
}

/** var and std take `unbiased` or `correction`, and var(True) means unbiased. */
function spread(args: BoundArgs, runtime: Runtime): [Node, number[], number] {
  const x = nodeArg(args, "input", runtime);
  const flag = typeof args.dim === "boolean" ? args.dim : (args.unbiased ?? true);
  const bound = typeof args.dim === "boolean" ? { ...args, dim: null } : args;
  const correction = given(args, "correction") ? numberArg(args, "correction") : runtime.truthy(flag) ? 1 : 0;
  return [x, axesArg(bound, "dim", x.shape.length), correction];
}
const SPREAD = "input, dim=None, unbiased=True, keepdim=False, *, correction=None";
define(BOTH, "var", SPREAD, (args, runtime) => {
  const [x, axes, correction] = spread(args, runtime);
  return variance(x, axes, correction, boolArg(args, "keepdim"));
});
define(BOTH, "std", SPREAD, (args, runtime) => {
  const [x, axes, correction] = spread(args, runtime);
  return build.unary("sqrt", variance(x, axes, correction, boolArg(args, "keepdim")));
});
for (const name of ["var_mean", "std_mean"]) {
  define(BOTH, name, SPREAD, (args, runtime) => {
    const [x, axes, correction] = spread(args, runtime);
    const keep = boolArg(args, "keepdim");
    const deviation = variance(x, axes, correction, keep);
    const first = name === "var_mean" ? deviation : build.unary("sqrt", deviation);
    return tuple([wrap(first), wrap(build.reduce("mean", x, axes, keep))]);
  });
}

define(BOTH, "aminmax", "input, *, dim=None, keepdim=False", (args, runtime): Value => {
  const x = nodeArg(args, "input", runtime);
  const axes = axesArg(args, "dim", x.shape.length);
  const found = (["min", "max"] as const).map((op) => wrap(extreme(op, x, axes, boolArg(args, "keepdim"))));
  return tuple(found, ["min", "max"]);
});
define(BOTH, "count_nonzero", "input, dim=None", (args, runtime) => {
  const x = build.cast(build.cast(nodeArg(args, "input", runtime), "bool"), "int64");
  return build.reduce("sum", x, axesArg(args, "dim", x.shape.length), false);
});
for (const name of ["nansum", "nanmean"]) {
  define(BOTH, name, "input, dim=None, keepdim=False, *, dtype=None", (args, runtime) => {
    const x = countable(typed(args, nodeArg(args, "input", runtime)));
    const axes = axesArg(args, "dim", x.shape.length);
    const keep = boolArg(args, "keepdim");
    const number = build.binary("equal", x, x);
    const total = build.reduce("sum", build.where(number, x, build.scalar(0, x.dtype)), axes, keep);
    if (name === "nansum") return total;
    return build.div(total, build.reduce("sum", build.cast(number, x.dtype), axes, keep));
  });
}
define(BOTH, "dist", "input, other, p=2", (args, runtime) => {
  const apart = arithmetic("sub", tensorArg(args, "input"), tensorArg(args, "other"), runtime);
  return norm(apart, numberArg(args, "p"), axesArg({}, "dim", apart.shape.length), false);
});

for (const [name, op] of [
  ["amax", "max"],
  ["amin", "min"],
] as const) {
  define(BOTH, name, "input, dim=(), keepdim=False", (args, runtime) => {
    const x = nodeArg(args, "input", runtime);
    return extreme(op, x, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
  });
}

/** Whether there is a NaN among what is reduced. */
export function anyNaN(x: Node, axes: readonly number[], keepDims: boolean): Node {
  const there = build.cast(build.unary("not", build.binary("equal", x, x)), "int32");
  return build.cast(build.reduce("max", there, axes, keepDims), "bool");
}

/** The largest or smallest; NaN where there is one, whatever an engine's own reduction makes of it. */
export function extreme(op: "max" | "min", x: Node, axes: readonly number[], keepDims: boolean): Node {
  if (axes.some((a) => x.shape[a] === 0)) {
    throw new PyError(
      "IndexError",
      `${op}(): Expected reduction dim ${axes.find((a) => x.shape[a] === 0)} to have non-zero size.`,
    );
  }
  const found = build.reduce(op, x, axes, keepDims);
  if (!isFloating(x.dtype) || axes.length === 0) return found;
  return build.where(anyNaN(x, axes, keepDims), build.scalar(Number.NaN, x.dtype), found);
}

function argmax(x: Node, axis: number, keepDims: boolean, least: boolean): Node {
  if (x.shape.length === 0) return build.full(0, [], "int64");
  // The negative of an unsigned number wraps around.
  const signed = x.dtype === "bool" || x.dtype === "uint8" ? build.cast(x, "int32") : x;
  const found = build.argmax(least ? build.unary("neg", signed) : x, axis, keepDims);
  if (!isFloating(x.dtype)) return found;
  // The first NaN, if there is one.
  const there = build.cast(build.unary("not", build.binary("equal", x, x)), "int32");
  return build.where(anyNaN(x, [axis], keepDims), build.argmax(there, axis, keepDims), found);
}
for (const [name, op] of [
  ["max", "max"],
  ["min", "min"],
] as const) {
  define(BOTH, name, "input, dim=None, keepdim=False", (args, runtime): Value | Node => {
    const x = nodeArg(args, "input", runtime);
    if (args.dim instanceof PyTensor || (args.dim instanceof Object && isNumber(args.dim))) {
      return arithmetic(op === "max" ? "maximum" : "minimum", x, args.dim as PyTensor, runtime);
    }
    if (!given(args, "dim")) return extreme(op, x, axesArg(args, "dim", x.shape.length), false);
    const axis = axisArg(args, "dim", x.shape.length);
    const keep = boolArg(args, "keepdim");
    const axes = x.shape.length === 0 ? [] : [axis];
    return tuple([wrap(extreme(op, x, axes, keep)), wrap(argmax(x, axis, keep, op === "min"))], ["values", "indices"]);
  });
  define(BOTH, `arg${name}`, "input, dim=None, keepdim=False", (args, runtime) => {
    const x = nodeArg(args, "input", runtime);
    if (x.dtype === "bool") throw new PyError("RuntimeError", `arg${name}(): does not support bool input`);
    if (given(args, "dim")) {
      return argmax(x, axisArg(args, "dim", x.shape.length), boolArg(args, "keepdim"), op === "min");
    }
    return argmax(build.reshape(x, [-1]), 0, false, op === "min");
  });
}

for (const [name, op] of [
  ["all", "min"],
  ["any", "max"],
] as const) {
  define(BOTH, name, "input, dim=None, keepdim=False", (args, runtime) => {
    const given = nodeArg(args, "input", runtime);
    const x = build.cast(build.cast(given, "bool"), "int32");
    const result = build.reduce(op, x, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
    // Of bytes, which were masks before there was bool, PyTorch gives bytes.
    return build.cast(build.cast(result, "bool"), given.dtype === "uint8" ? "uint8" : "bool");
  });
}
define(BOTH, "logsumexp", "input, dim, keepdim=False", (args, runtime) => {
  const x = floating(nodeArg(args, "input", runtime));
  const axes = axesArg(args, "dim", x.shape.length);
  const keep = boolArg(args, "keepdim");
  const largest = build.reduce("max", x, axes, true);
  // An infinite one would be taken from itself.
  const infinite = build.binary("equal", build.unary("abs", largest), build.scalar(Number.POSITIVE_INFINITY, x.dtype));
  const top = build.where(infinite, build.scalar(0, x.dtype), largest);
  const sum = build.reduce("sum", build.unary("exp", build.sub(x, top)), axes, keep);
  return build.add(build.unary("log", sum), build.reshape(top, sum.shape));
});

/** The square root, whose gradient at 0 is 0, as PyTorch's norms have it: a row of zeros has no direction. */
export function root(x: Node): Node {
  const nothing = build.binary("equal", x, build.scalar(0, x.dtype));
  return build.where(nothing, x, build.unary("sqrt", build.where(nothing, build.scalar(1, x.dtype), x)));
}

/** The p-norm over `axes`; p may be infinite. */
export function norm(x: Node, p: number, axes: readonly number[], keepDims: boolean): Node {
  requireFloating(x, "linalg.vector_norm");
  return widely(x, (wide) => normOf(wide, p, axes, keepDims));
}

function normOf(x: Node, p: number, axes: readonly number[], keepDims: boolean): Node {
  const size = build.unary("abs", x);
  if (p === Number.POSITIVE_INFINITY) return build.reduce("max", size, axes, keepDims);
  if (p === Number.NEGATIVE_INFINITY) return build.reduce("min", size, axes, keepDims);
  if (p === 1) return build.reduce("sum", size, axes, keepDims);
  if (p === 2) return root(build.reduce("sum", build.mul(x, x), axes, keepDims));
  if (p === 0) {
    const nonZero = build.unary("not", build.binary("equal", x, build.scalar(0, x.dtype)));
    return build.reduce("sum", build.cast(nonZero, x.dtype), axes, keepDims);
  }
  const sum = build.reduce("sum", arithmetic("pow", size, p), axes, keepDims);
  return build.binary("pow", sum, build.scalar(1 / p, sum.dtype));
}
define(BOTH, "norm", "input, p='fro', dim=None, keepdim=False, dtype=None", (args, runtime) => {
  const x = typed(args, nodeArg(args, "input", runtime));
  const p = isNumber(args.p) ? numberOf(args.p) : 2;
  return norm(x, p, axesArg(args, "dim", x.shape.length), boolArg(args, "keepdim"));
});
define(["F"], "normalize", "input, p=2.0, dim=1, eps=1e-12, out=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const length = norm(x, numberArg(args, "p"), axesArg(args, "dim", x.shape.length), true);
  return build.div(x, build.binary("maximum", length, build.scalar(numberArg(args, "eps"), x.dtype)));
});
define(["torch", "F"], "cosine_similarity", "x1, x2, dim=1, eps=1e-8", (args, runtime) => {
  const [a, b] = promoted([tensorArg(args, "x1"), tensorArg(args, "x2")], runtime) as [Node, Node];
  const rank = Math.max(a.shape.length, b.shape.length);
  return cosineSimilarity(a, b, axisArg(args, "dim", rank), numberArg(args, "eps"));
});
/** Of the tensors as broadcast: a vector along a dimension of size 1 is repeated, and as long. */
export function cosineSimilarity(x: Node, y: Node, axis: number, eps: number): Node {
  const shape = broadcast(x.shape, y.shape);
  if (shape.length === 0)
    return build.reshape(cosineSimilarity(build.reshape(x, [1]), build.reshape(y, [1]), 0, eps), []);
  const unit = (given: Node): Node => {
    const wide = build.expand(given, shape);
    return build.div(wide, build.binary("maximum", norm(wide, 2, [axis], true), build.scalar(eps, wide.dtype)));
  };
  return build.reduce("sum", build.mul(unit(x), unit(y)), [axis], false);
}
define(BOTH, ["nonzero", "argwhere"], "input, *, out=None, as_tuple=False", (args, runtime) => {
  const parts = trueIndices(build.cast(nodeArg(args, "input", runtime), "bool"));
  if (args.as_tuple === true) return tuple(parts.map(wrap));
  return build.concat(
    parts.map((n) => build.reshape(n, [n.shape[0]!, 1])),
    1,
  );
});
/** A bound on whole numbers that count places: what topk and argmax give is below the size they look through. */
function placesBelow(node: Node): number | undefined {
  if (is(node, "topKIndices") || is(node, "argmax") || is(node, "argmin")) {
    return node.inputs[0]!.shape[node.attrs.axis];
  }
  if (is(node, "where")) {
    const [a, b] = node.inputs.slice(1).map(placesBelow);
    return a === undefined || b === undefined ? undefined : Math.max(a, b);
  }
  const picks = isOf(node, "view") || is(node, "cast") || is(node, "gather") || is(node, "gatherElements");
  return picks ? placesBelow(node.inputs[0]!) : undefined;
}
define(BOTH, "unique", "input, sorted=True, return_inverse=False, return_counts=False, dim=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const below = placesBelow(x);
  const plain = args.return_inverse !== true && args.return_counts !== true && !given(args, "dim");
  if (below === undefined || !plain || selectedRows(x)) {
    throw new EvaluationError(
      "unique is not supported: the shape of its result depends on the tensor's values, which a graph cannot hold",
    );
  }
  // Each number that there may be, in order, with the mask that says whether it is there.
  const numbers = build.arange(below, "int64");
  const found = build.binary(
    "equal",
    build.reshape(build.cast(x, "int64"), [-1, 1]),
    build.reshape(numbers, [1, below]),
  );
  return selectRows(numbers, build.cast(build.reduce("max", build.cast(found, "int32"), [0], false), "bool"));
});
for (const name of ["bincount", "unique_consecutive", "histc"]) {
  define(BOTH, name, "input, *args, **kwargs", () => {
    throw new EvaluationError(
      `${name} is not supported: the shape of its result depends on the tensor's values, which a graph cannot hold`,
    );
  });
}
export const rootMeanSquareInverse = (x: Node, axes: readonly number[], eps: number): Node =>
  build.unary("reciprocal", build.unary("sqrt", shift(build.reduce("mean", build.mul(x, x), axes, true), eps)));
