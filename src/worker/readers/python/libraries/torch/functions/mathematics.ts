import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { type BoundArgs, PyTensor, type Runtime } from "../../../values/values";
import { boolArg, given, numberArg, numberOf, tensorArg, tensorOrNumber } from "../registry/arguments";
import { define, defineWithInPlace, type Home, nodeArg } from "../registry/table";
import { nodeOf, wrap } from "../tensor/tensor";
import { arithmetic, floating, promoted, scale, shift } from "./arithmetic";
import { fmod, truncate } from "./division";

/** The rest of torch's elementwise mathematics, from the graph's primitives; formulas are chosen for their precision. */

const BOTH: readonly Home[] = ["torch", "tensor"];
const { unary, binary, where, scalar, add, sub, mul, div } = build;
const like = (x: Node, value: number): Node => scalar(value, x.dtype);
const isNaNAt = (x: Node): Node => unary("not", binary("equal", x, x));
const half = Math.PI / 2;

function elementwise(names: string | string[], f: (x: Node) => Node): void {
  defineWithInPlace(BOTH, names, "input", (args, runtime) => f(floating(nodeArg(args, "input", runtime))));
}

/** 1 above zero, -1 below, 0 at zero and for NaN, as PyTorch's is. */
export function sign(x: Node): Node {
  if (!isFloating(x.dtype)) return x.dtype === "bool" ? x : unary("sign", x);
  const above = build.cast(binary("less", like(x, 0), x), x.dtype);
  return sub(above, build.cast(binary("less", x, like(x, 0)), x.dtype));
}

const asin = (x: Node): Node => {
  const root = unary("sqrt", mul(shift(unary("neg", x), 1), shift(x, 1)));
  return unary("atan", div(x, root));
};
/** The angle of (x, y), over all four quadrants. */
export function atan2(y: Node, x: Node): Node {
  const zero = like(x, 0);
  const below = binary("less", y, zero);
  const infinity = like(x, Number.POSITIVE_INFINITY);
  const both = binary("and", binary("equal", unary("abs", x), infinity), binary("equal", unary("abs", y), infinity));
  const slope = div(y, where(binary("equal", x, zero), like(x, 1), x));
  const angle = unary("atan", where(both, mul(sign(x), sign(y)), slope));
  const turned = add(angle, where(below, like(x, -Math.PI), like(x, Math.PI)));
  const upright = where(below, like(x, -half), where(binary("less", zero, y), like(x, half), zero));
  return where(binary("equal", x, zero), upright, where(binary("less", x, zero), turned, angle));
}
elementwise(["asin", "arcsin"], asin);
elementwise(["acos", "arccos"], (x) =>
  scale(unary("atan", div(unary("sqrt", shift(unary("neg", x), 1)), unary("sqrt", shift(x, 1)))), 2),
);
elementwise(["atan", "arctan"], (x) => unary("atan", x));
/** Highest power first. */
const polynomial = (x: Node, coefficients: readonly number[]): Node =>
  coefficients.slice(1).reduce((sum, c) => shift(mul(sum, x), c), like(x, coefficients[0]!));
/** M. Giles, Approximating the erfinv function, 2010: two polynomials in w = -log(1 - x²), good to single precision. */
const GILES = {
  central: [
    ...[2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4, -1.25372503e-3, -4.17768164e-3],
    ...[0.246640727, 1.50140941],
  ],
  tails: [
    ...[-2.00214257e-4, 1.00950558e-4, 1.34934322e-3, -3.67342844e-3, 5.73950773e-3, -7.6224613e-3, 9.43887047e-3],
    ...[1.00167406, 2.83297682],
  ],
};
elementwise("erfinv", (x) => {
  const w = unary("neg", unary("log", mul(shift(unary("neg", x), 1), shift(x, 1))));
  const isCentral = binary("less", w, like(w, 5));
  const central = polynomial(shift(w, -2.5), GILES.central);
  const tails = polynomial(shift(unary("sqrt", binary("maximum", w, like(w, 5))), -3), GILES.tails);
  const y = mul(where(isCentral, central, tails), x);
  const isEnd = binary("equal", unary("abs", x), like(x, 1));
  return where(isEnd, mul(x, like(x, Number.POSITIVE_INFINITY)), y);
});
elementwise(["asinh", "arcsinh"], (x) => {
  const size = unary("abs", x);
  const square = mul(size, size);
  const tail = div(square, shift(unary("sqrt", shift(square, 1)), 1));
  const result = unary("log1p", add(size, tail));
  return where(binary("less", x, like(x, 0)), unary("neg", result), result);
});
elementwise(["acosh", "arccosh"], (x) =>
  unary("log", add(x, mul(unary("sqrt", shift(x, -1)), unary("sqrt", shift(x, 1))))),
);
elementwise(["atanh", "arctanh"], (x) => scale(sub(unary("log1p", x), unary("log1p", unary("neg", x))), 0.5));
elementwise("sinh", (x) => scale(sub(unary("expm1", x), unary("expm1", unary("neg", x))), 0.5));
elementwise("erfc", (x) => shift(unary("neg", unary("erf", x)), 1));
elementwise("sinc", (x) => {
  const angle = scale(x, Math.PI);
  const zero = binary("equal", x, like(x, 0));
  return where(zero, like(x, 1), div(unary("sin", angle), where(zero, like(x, 1), angle)));
});
elementwise("frac", (x) => sub(x, truncate(x)));
elementwise("deg2rad", (x) => scale(x, Math.PI / 180));
elementwise("rad2deg", (x) => scale(x, 180 / Math.PI));
defineWithInPlace(BOTH, ["sign", "sgn"], "input", (args, runtime) => sign(nodeArg(args, "input", runtime)));
define(BOTH, "signbit", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  if (x.dtype === "bool" || x.dtype === "uint8") return build.full(0, x.shape, "bool");
  const below = binary("less", x, like(x, 0));
  // Of the two zeros the negative one has a reciprocal below zero.
  return isFloating(x.dtype) ? binary("or", below, binary("less", unary("reciprocal", x), like(x, 0))) : below;
});
defineWithInPlace(["torch", "tensor"], "logit", "input, eps=None", (args, runtime) => {
  let x = floating(nodeArg(args, "input", runtime));
  if (given(args, "eps")) {
    const eps = numberArg(args, "eps");
    x = binary("minimum", binary("maximum", x, like(x, eps)), like(x, 1 - eps));
  }
  return sub(unary("log", x), unary("log1p", unary("neg", x)));
});

// Two operands

function two(names: string | string[], f: (a: Node, b: Node) => Node, floats = true): void {
  defineWithInPlace(BOTH, names, "input, other, *, out=None", (args, runtime) => {
    const given = [tensorOrNumber(args, "input"), tensorOrNumber(args, "other")];
    const [a, b] = promoted(given, runtime, floats) as [Node, Node];
    return f(a, b);
  });
}
two(["atan2", "arctan2"], atan2);
two("hypot", (a, b) => unary("sqrt", add(mul(a, a), mul(b, b))));
two("logaddexp", logAddExp);
two("logaddexp2", (a, b) => scale(logAddExp(scale(a, Math.LN2), scale(b, Math.LN2)), Math.LOG2E));
two("xlogy", (a, b) => {
  const nothing = binary("and", binary("equal", a, like(a, 0)), unary("not", isNaNAt(b)));
  return where(nothing, like(a, 0), mul(a, unary("log", where(nothing, like(b, 1), b))));
});
two("copysign", (a, b) => {
  const negative = binary("or", binary("less", b, like(b, 0)), binary("less", unary("reciprocal", b), like(b, 0)));
  return where(negative, unary("neg", unary("abs", a)), unary("abs", a));
});
two(
  "heaviside",
  (x, at) => where(binary("equal", x, like(x, 0)), at, build.cast(binary("less", like(x, 0), x), x.dtype)),
  false,
);
two("fmod", fmod, false);
two("fmax", (a, b) => withoutNaN("maximum", a, b), false);
two("fmin", (a, b) => withoutNaN("minimum", a, b), false);
function withoutNaN(op: "maximum" | "minimum", a: Node, b: Node): Node {
  if (!isFloating(a.dtype)) return binary(op, a, b);
  const left = where(isNaNAt(a), b, a);
  return binary(op, left, where(isNaNAt(b), left, b));
}

/** log(exp(a) + exp(b)); infinities of one sign stay what they are. */
export function logAddExp(a: Node, b: Node): Node {
  const top = binary("maximum", a, b);
  const low = binary("minimum", a, b);
  const equal = binary("equal", a, b);
  const gap = where(equal, like(a, 0), sub(low, top));
  return add(top, unary("log1p", unary("exp", gap)));
}

define(BOTH, "float_power", "input, exponent", (args, runtime) => {
  const wide = (name: string) => {
    const value = tensorOrNumber(args, name);
    return value instanceof PyTensor
      ? build.cast(nodeOf(value, runtime), "float64")
      : scalar(numberOf(value), "float64");
  };
  return arithmetic("pow", wide("input"), wide("exponent"));
});
for (const [name, op] of [
  ["addcmul", "mul"],
  ["addcdiv", "div"],
] as const) {
  defineWithInPlace(BOTH, name, "input, tensor1, tensor2, *, value=1", (args, runtime) => {
    const [x, a, b] = ["input", "tensor1", "tensor2"].map((n) => tensorArg(args, n)) as [PyTensor, PyTensor, PyTensor];
    const factor = numberArg(args, "value");
    const nodes = promoted([x, a, b], runtime) as [Node, Node, Node];
    const { dtype } = nodes[0];
    const half = dtype === "float16" || dtype === "bfloat16";
    // In one go, as PyTorch computes it: halves are rounded at the end only.
    const [c, p, q] = nodes.map((n) => (half ? build.cast(n, "float32") : n)) as [Node, Node, Node];
    const term = arithmetic(op, p, q);
    const sum = arithmetic("add", c, factor === 1 ? term : arithmetic("mul", term, factor));
    return half ? build.cast(sum, dtype) : sum;
  });
}
defineWithInPlace(BOTH, "lerp", "input, end, weight", (args, runtime) => {
  const [a, b] = [nodeArg(args, "input", runtime), nodeArg(args, "end", runtime)];
  const weight = tensorOrNumber(args, "weight");
  const gap = sub(b, a);
  // From the nearer end, as PyTorch computes it.
  const near = add(a, arithmetic("mul", gap, weight, runtime));
  const far = sub(b, arithmetic("mul", gap, arithmetic("sub", wrap(scalar(1, a.dtype)), weight, runtime), runtime));
  if (!(weight instanceof PyTensor)) return Math.abs(numberOf(weight)) < 0.5 ? near : far;
  const w = nodeOf(weight, runtime);
  return where(binary("less", unary("abs", w), like(w, 0.5)), near, far);
});

// Comparison

const CLOSE = "input, other, rtol=1e-05, atol=1e-08, equal_nan=False";
function close(args: BoundArgs, runtime: Runtime): Node {
  const [a, b] = promoted([tensorArg(args, "input"), tensorArg(args, "other")], runtime, true) as [Node, Node];
  const room = shift(scale(unary("abs", b), numberArg(args, "rtol")), numberArg(args, "atol"));
  const finite = binary("less", unary("abs", b), like(b, Number.POSITIVE_INFINITY));
  const near = binary("and", finite, binary("lessEqual", unary("abs", sub(a, b)), room));
  const same = binary("or", binary("equal", a, b), near);
  return boolArg(args, "equal_nan") ? binary("or", same, binary("and", isNaNAt(a), isNaNAt(b))) : same;
}
const everywhere = (x: Node): Node => build.cast(build.reduceAll("min", build.cast(x, "int32")), "bool");
define(BOTH, "isclose", CLOSE, close);
// Python's bool is a tensor without dimensions here: a branch on it is a branch on data.
define(BOTH, "allclose", CLOSE, (args, runtime) => everywhere(close(args, runtime)));
define(BOTH, "equal", "input, other", (args, runtime) => {
  const [a, b] = promoted([tensorArg(args, "input"), tensorArg(args, "other")], runtime) as [Node, Node];
  const alike = a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);
  return alike ? everywhere(binary("equal", a, b)) : false;
});
define(
  ["torch", "tensor"],
  "isin",
  "elements, test_elements, *, assume_unique=False, invert=False",
  (args, runtime) => {
    const given = [tensorOrNumber(args, "elements"), tensorOrNumber(args, "test_elements")];
    const [x, tests] = promoted(given, runtime) as [Node, Node];
    const found = binary("equal", build.reshape(x, [...x.shape, 1]), build.reshape(tests, [-1]));
    const any = build.cast(build.reduce("max", build.cast(found, "int32"), [x.shape.length], false), "bool");
    return boolArg(args, "invert") ? unary("not", any) : any;
  },
);

/** How many of the sorted boundaries lie below each value, or with `right` at or below it; NaN lies above all. */
function position(values: Node, boundaries: Node, right: boolean): Node {
  const column = build.reshape(values, [...values.shape, 1]);
  const [a, b] = promoted([column, boundaries]) as [Node, Node];
  const below = right ? binary("lessEqual", b, a) : binary("less", b, a);
  const counted = isFloating(a.dtype) ? binary("or", below, isNaNAt(a)) : below;
  return build.reduce("sum", build.cast(counted, "int64"), [values.shape.length], false);
}
function positions(args: BoundArgs, runtime: Runtime, values: string, boundaries: string): Node {
  const right = boolArg(args, "right") || args.side === "right";
  const sorted = nodeArg(args, boundaries, runtime);
  const value = tensorOrNumber(args, values);
  const x =
    value instanceof PyTensor
      ? nodeOf(value, runtime)
      : (promoted([value, tensorArg(args, boundaries)], runtime)[0] as Node);
  // Each row of values has its own boundaries where those have more than one dimension.
  const rows =
    sorted.shape.length > 1 ? build.reshape(sorted, [...sorted.shape.slice(0, -1), 1, sorted.shape.at(-1)!]) : sorted;
  const result = position(x, rows, right);
  return boolArg(args, "out_int32") ? build.cast(result, "int32") : result;
}
define(BOTH, "bucketize", "input, boundaries, *, out_int32=False, right=False", (args, runtime) =>
  positions(args, runtime, "input", "boundaries"),
);
define(
  ["torch"],
  "searchsorted",
  "sorted_sequence, input, *, out_int32=False, right=False, side=None",
  (args, runtime) => positions(args, runtime, "input", "sorted_sequence"),
);
