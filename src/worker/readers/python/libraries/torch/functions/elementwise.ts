import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { EvaluationError } from "../../../values/unknown";
import { type BoundArgs, PyError, PyTensor, type Runtime, type Value } from "../../../values/values";
import {
  axisArg,
  axisOf,
  boolArg,
  given,
  isNumber,
  numberArg,
  numberOf,
  optionalDType,
  optionalInt,
  optionalNumber,
  stringArg,
  tensorArg,
  tensorOrNumber,
  tuple,
} from "../registry/arguments";
import { define, defineWithInPlace, type Home, inPlace, nodeArg, replaceChecked } from "../registry/table";
import { nodeOf, RandomNode, randomOf, scalarTypeName, wrap } from "../tensor/tensor";
import { trueIndices } from "../tensor/trueIndices";
import * as act from "./activations";
import { arithmetic, type BinaryOp, floating, promoted, scale } from "./arithmetic";
import { truncate, truncatedDivide } from "./division";

/** Elementwise functions of torch, torch.nn.functional and Tensor. */

const BOTH: readonly Home[] = ["torch", "tensor"];
const EVERYWHERE: readonly Home[] = ["torch", "F", "tensor"];

function unary(names: string | string[], f: (x: Node) => Node, homes: readonly Home[] = BOTH): void {
  defineWithInPlace(homes, names, "input", (args, runtime) => f(nodeArg(args, "input", runtime)));
}

function unaryFloating(names: string | string[], f: (x: Node) => Node): void {
  unary(names, (x) => f(floating(x)));
}

for (const op of ["exp", "log", "sqrt", "reciprocal", "sin", "cos", "erf"] as const) {
  unaryFloating(op, (x) => build.unary(op, x));
}
for (const op of ["tanh", "sigmoid"] as const) {
  defineWithInPlace(EVERYWHERE, op, "input", (args, runtime) =>
    build.unary(op, floating(nodeArg(args, "input", runtime))),
  );
}
define(["torch"], "expit", "input", (args, runtime) =>
  build.unary("sigmoid", floating(nodeArg(args, "input", runtime))),
);
unaryFloating("rsqrt", (x) => build.unary("reciprocal", build.unary("sqrt", x)));
for (const op of ["log1p", "expm1"] as const) unaryFloating(op, (x) => build.unary(op, x));
unaryFloating("log2", (x) => scale(build.unary("log", x), Math.LOG2E));
unaryFloating("log10", (x) => scale(build.unary("log", x), Math.LOG10E));
unaryFloating("exp2", (x) => build.unary("exp", scale(x, Math.LN2)));
unaryFloating("tan", (x) => build.div(build.unary("sin", x), build.unary("cos", x)));
unaryFloating("cosh", (x) => scale(build.add(build.unary("exp", x), build.unary("exp", build.unary("neg", x))), 0.5));
unary(["neg", "negative"], (x) => {
  if (x.dtype === "bool") {
    throw new PyError(
      "RuntimeError",
      "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
    );
  }
  return build.unary("neg", x);
});
unary(["abs", "absolute"], (x) => (x.dtype === "bool" ? x : build.unary("abs", x)));
unary("square", (x) => arithmetic("pow", x, 2));
for (const op of ["floor", "ceil"] as const) unary(op, (x) => (isFloating(x.dtype) ? build.unary(op, x) : x));
unary(["trunc", "fix"], (x) => (isFloating(x.dtype) ? truncate(x) : x));
define(BOTH, "round", "input, decimals=0", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  if (!isFloating(x.dtype)) return x;
  const factor = 10 ** numberArg(args, "decimals");
  return scale(build.unary("round", scale(x, factor)), 1 / factor);
});
unary("logical_not", (x) => build.unary("not", build.cast(x, "bool")));
unary("bitwise_not", (x) => {
  if (x.dtype === "bool") return build.unary("not", x);
  if (isFloating(x.dtype))
    throw new PyError("TypeError", "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
  return build.sub(build.unary("neg", x), build.scalar(1, x.dtype));
});
define(BOTH, "isnan", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return build.unary("not", build.binary("equal", x, x));
});
define(BOTH, "isinf", "input", (args, runtime) => {
  const x = floating(nodeArg(args, "input", runtime));
  return build.binary("equal", build.unary("abs", x), build.scalar(Number.POSITIVE_INFINITY, x.dtype));
});
define(BOTH, "isfinite", "input", (args, runtime) => {
  const x = floating(nodeArg(args, "input", runtime));
  return build.binary("less", build.unary("abs", x), build.scalar(Number.POSITIVE_INFINITY, x.dtype));
});
define(BOTH, "nan_to_num", "input, nan=0.0, posinf=None, neginf=None", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  if (!isFloating(x.dtype)) return x;
  const largest = LARGEST[x.dtype] ?? LARGEST.float32!;
  const finite = build.where(build.binary("equal", x, x), x, build.scalar(optionalNumber(args, "nan") ?? 0, x.dtype));
  const high = optionalNumber(args, "posinf") ?? largest;
  const low = optionalNumber(args, "neginf") ?? -largest;
  const infinite = build.scalar(Number.POSITIVE_INFINITY, x.dtype);
  const noHigh = build.where(build.binary("equal", finite, infinite), build.scalar(high, x.dtype), finite);
  return build.where(build.binary("equal", noHigh, build.unary("neg", infinite)), build.scalar(low, x.dtype), noHigh);
});

/** Largest finite values, as torch.finfo gives them. */
export const LARGEST: Readonly<Record<string, number>> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
};

// Two operands

/**
 * A random value times or plus a number still has a known distribution: `torch.randn(n) * 0.02` as a parameter starts
 * out as the code says.
 */
export function affine(op: BinaryOp, a: unknown, b: unknown, runtime: Runtime): Node | undefined {
  if (runtime.tracing) return undefined;
  if (isNumber(a as never) && b instanceof PyTensor && (op === "add" || op === "mul")) return affine(op, b, a, runtime);
  const random = a instanceof PyTensor ? randomOf(a.node) : undefined;
  if (!random || !(a instanceof PyTensor) || !a.node || !isNumber(b as never)) return undefined;
  const number = numberOf(b as number);
  const factor = op === "mul" ? number : op === "div" ? 1 / number : 1;
  const offset = op === "add" ? number : op === "sub" ? -number : 0;
  if (!["mul", "div", "add", "sub"].includes(op) || !isFloating(a.dtype)) return undefined;
  const i = random.initializer;
  const initializer =
    i.kind === "normal"
      ? ({ kind: "normal", mean: i.mean * factor + offset, std: i.std * factor } as const)
      : ({ kind: "uniform", low: i.low * factor + offset, high: i.high * factor + offset } as const);
  return new RandomNode({ draw: random.draw, initializer }, a.node.shape, a.dtype);
}

function two(op: BinaryOp) {
  return (args: BoundArgs, runtime: Runtime): Node => {
    const a = tensorOrNumber(args, "input");
    const b = tensorOrNumber(args, "other");
    const alpha = given(args, "alpha") ? numberArg(args, "alpha") : 1;
    if (alpha === 1) return affine(op, a, b, runtime) ?? arithmetic(op, a, b, runtime);
    // Multiplied in the common dtype; of truth values there is nothing to multiply.
    const [x, y] = promoted([a, b], runtime) as [Node, Node];
    return arithmetic(op, x, x.dtype === "bool" ? y : build.mul(y, build.scalar(alpha, y.dtype)));
  };
}

defineWithInPlace(BOTH, "add", "input, other, *, alpha=1, out=None", two("add"));
defineWithInPlace(BOTH, ["sub", "subtract"], "input, other, *, alpha=1, out=None", two("sub"));
defineWithInPlace(BOTH, ["mul", "multiply"], "input, other, *, out=None", two("mul"));
for (const [names, op] of [
  [["maximum"], "maximum"],
  [["minimum"], "minimum"],
  [["floor_divide"], "floorDivide"],
  [["remainder"], "remainder"],
  [["eq"], "equal"],
  [["ne", "not_equal"], "notEqual"],
  [["lt", "less"], "less"],
  [["le", "less_equal"], "lessEqual"],
  [["gt", "greater"], "greater"],
  [["ge", "greater_equal"], "greaterEqual"],
  [["bitwise_and"], "and"],
  [["bitwise_or"], "or"],
  [["bitwise_xor"], "xor"],
  [["bitwise_left_shift"], "leftShift"],
  [["bitwise_right_shift"], "rightShift"],
] as const) {
  defineWithInPlace(BOTH, names, "input, other, *, out=None", two(op));
}
define(BOTH, "rsub", "input, other, *, alpha=1", (args, runtime) =>
  arithmetic("sub", tensorOrNumber(args, "other"), tensorOrNumber(args, "input"), runtime),
);
defineWithInPlace(
  BOTH,
  ["div", "divide", "true_divide"],
  "input, other, *, rounding_mode=None, out=None",
  (args, runtime) => {
    const [a, b] = [tensorOrNumber(args, "input"), tensorOrNumber(args, "other")];
    if (!given(args, "rounding_mode")) return affine("div", a, b, runtime) ?? arithmetic("div", a, b, runtime);
    const mode = stringArg(args, "rounding_mode");
    if (mode === "floor") return arithmetic("floorDivide", a, b, runtime);
    if (mode === "trunc") {
      const [x, y] = promoted([a, b], runtime) as [Node, Node];
      return truncatedDivide(x, y);
    }
    throw new PyError(
      "RuntimeError",
      `div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${mode}'`,
    );
  },
);
defineWithInPlace(BOTH, "pow", "input, exponent, *, out=None", (args, runtime) =>
  arithmetic("pow", tensorOrNumber(args, "input"), tensorOrNumber(args, "exponent"), runtime),
);
for (const [name, op] of [
  ["logical_and", "and"],
  ["logical_or", "or"],
  ["logical_xor", "xor"],
] as const) {
  defineWithInPlace(BOTH, name, "input, other", (args, runtime) =>
    arithmetic(
      op,
      build.cast(nodeArg(args, "input", runtime), "bool"),
      build.cast(nodeArg(args, "other", runtime), "bool"),
    ),
  );
}
// Selection

function clamp(args: BoundArgs, runtime: Runtime): Node {
  const low = given(args, "min") ? tensorOrNumber(args, "min") : undefined;
  const high = given(args, "max") ? tensorOrNumber(args, "max") : undefined;
  if (low === undefined && high === undefined) {
    throw new PyError("RuntimeError", "torch.clamp: At least one of 'min' or 'max' must not be None");
  }
  const bounds = [low, high].filter((b) => b !== undefined);
  const [x, ...limits] = promoted([tensorArg(args, "input"), ...bounds], runtime) as [Node, ...Node[]];
  let y = x;
  if (low !== undefined) y = build.binary("maximum", y, limits[0]!);
  if (high !== undefined) y = build.binary("minimum", y, limits.at(-1)!);
  return y;
}
defineWithInPlace(BOTH, ["clamp", "clip"], "input, min=None, max=None", clamp);
define(BOTH, "clamp_min", "input, min", clamp);
define(BOTH, "clamp_max", "input, max", clamp);

function condition(args: BoundArgs, name: string, runtime: Runtime): Node {
  const node = nodeArg(args, name, runtime);
  if (node.dtype === "bool" || node.dtype === "uint8") return build.cast(node, "bool");
  throw new PyError(
    "RuntimeError",
    `where expected condition to be a boolean tensor, but got a tensor with dtype ${scalarTypeName(node.dtype)}`,
  );
}
/** What counts as true: everything but zero. */
const truth = (x: Node): Node => build.cast(x, "bool");
define(["torch"], "where", "condition, input=None, other=None", (args, runtime): Value | Node => {
  if (!given(args, "input")) return tuple(trueIndices(truth(nodeArg(args, "condition", runtime))).map(wrap));
  const c = condition(args, "condition", runtime);
  const [a, b] = promoted([tensorOrNumber(args, "input"), tensorOrNumber(args, "other")], runtime) as [Node, Node];
  return build.where(c, a, b);
});
define(["tensor"], "where", "input, condition, other", (args, runtime) => {
  const [a, b] = promoted([tensorArg(args, "input"), tensorOrNumber(args, "other")], runtime) as [Node, Node];
  return build.where(condition(args, "condition", runtime), a, b);
});
function maskedFill(args: BoundArgs, runtime: Runtime): Node {
  const x = nodeArg(args, "input", runtime);
  const mask = nodeArg(args, "mask", runtime);
  if (mask.dtype !== "bool") {
    throw new PyError(
      "RuntimeError",
      `masked_fill_ only supports boolean masks, but got mask with dtype ${scalarTypeName(mask.dtype)}`,
    );
  }
  const value = tensorOrNumber(args, "value");
  if (isNumber(value)) return build.where(mask, build.scalar(numberOf(value), x.dtype), x);
  return build.where(mask, build.cast(nodeArg(args, "value", runtime), x.dtype), x);
}
defineWithInPlace(BOTH, "masked_fill", "input, mask, value", maskedFill);

// Activations

function activation(
  names: string | string[],
  parameters: string,
  f: (x: Node, args: BoundArgs, runtime: Runtime) => Node,
  homes: readonly Home[] = ["F"],
): void {
  const signature = parameters ? `input, ${parameters}` : "input";
  const body = (args: BoundArgs, runtime: Runtime): Node => f(nodeArg(args, "input", runtime), args, runtime);
  // F.relu(x, inplace=True) changes x as x.relu_() does, and gives x itself.
  define(homes, names, signature, (args, runtime) =>
    args.inplace === true
      ? replaceChecked(tensorArg(args, "input"), body(args, runtime), runtime)
      : body(args, runtime),
  );
  for (const name of typeof names === "string" ? [names] : names) inPlace(name, signature, body);
}

// Two functions in PyTorch, too, which TransformerEncoderLayer tells apart.
activation("relu", "inplace=False", act.relu);
activation("relu", "inplace=False", act.relu, ["torch", "tensor"]);
activation("relu6", "inplace=False", act.relu6);
activation("leaky_relu", "negative_slope=0.01, inplace=False", (x, args) =>
  act.leakyRelu(x, numberArg(args, "negative_slope")),
);
define(EVERYWHERE, "prelu", "input, weight", (args, runtime) =>
  act.prelu(nodeArg(args, "input", runtime), nodeArg(args, "weight", runtime)),
);
activation("elu", "alpha=1.0, inplace=False", (x, args) => act.elu(x, numberArg(args, "alpha")));
activation(
  "celu",
  "alpha=1.0, inplace=False",
  (x, args) => act.elu(x, numberArg(args, "alpha"), numberArg(args, "alpha")),
  ["torch", "F"],
);
activation("selu", "inplace=False", act.selu, ["torch", "F"]);
activation("silu", "inplace=False", act.silu);
activation("mish", "inplace=False", act.mish);
activation("hardtanh", "min_val=-1.0, max_val=1.0, inplace=False", (x, args) =>
  act.clampNumbers(x, numberArg(args, "min_val"), numberArg(args, "max_val")),
);
activation("hardsigmoid", "inplace=False", act.hardsigmoid);
activation("hardswish", "inplace=False", act.hardswish);
activation("threshold", "threshold, value, inplace=False", (x, args) =>
  act.threshold(x, numberArg(args, "threshold"), numberArg(args, "value")),
);
define(["F"], "gelu", "input, approximate='none'", (args, runtime) =>
  act.gelu(nodeArg(args, "input", runtime), stringArg(args, "approximate")),
);
define(["F"], "softplus", "input, beta=1.0, threshold=20.0", (args, runtime) =>
  act.softplus(nodeArg(args, "input", runtime), numberArg(args, "beta"), numberArg(args, "threshold")),
);
define(["F"], "logsigmoid", "input", (args, runtime) => act.logSigmoid(nodeArg(args, "input", runtime)));
define(["F"], "softsign", "input", (args, runtime) => act.softsign(nodeArg(args, "input", runtime)));
define(["F"], "tanhshrink", "input", (args, runtime) => act.tanhshrink(nodeArg(args, "input", runtime)));
define(["F"], "softshrink", "input, lambd=0.5", (args, runtime) =>
  act.softshrink(nodeArg(args, "input", runtime), numberArg(args, "lambd")),
);
define(["F"], "hardshrink", "input, lambd=0.5", (args, runtime) =>
  act.hardshrink(nodeArg(args, "input", runtime), numberArg(args, "lambd")),
);
define(["F"], "glu", "input, dim=-1", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return act.glu(x, axisArg(args, "dim", x.shape.length));
});

function softmax(log: boolean, negate = false) {
  return (args: BoundArgs, runtime: Runtime): Node => {
    let x = nodeArg(args, "input", runtime);
    const dtype = optionalDType(args);
    if (dtype) x = build.cast(x, dtype);
    if (negate) x = build.unary("neg", x);
    const dim = optionalInt(args, "dim");
    const axis = dim === undefined ? act.implicitAxis(x.shape.length) : axisOf(dim, x.shape.length);
    if (x.shape.length === 0) return build.reshape(act.softmax(build.reshape(x, [1]), 0, log), []);
    return act.softmax(x, axis, log);
  };
}
define(["F"], "softmax", "input, dim=None, _stacklevel=3, dtype=None", softmax(false));
define(["F"], "log_softmax", "input, dim=None, _stacklevel=3, dtype=None", softmax(true));
define(["F"], "softmin", "input, dim=None, _stacklevel=3, dtype=None", softmax(false, true));
define(BOTH, "softmax", "input, dim, dtype=None", softmax(false));
define(BOTH, "log_softmax", "input, dim, dtype=None", softmax(true));

/** Without training, or without anything to drop, the tensor itself. */
function dropout(name: string) {
  return (args: BoundArgs, runtime: Runtime): PyTensor => {
    const p = numberArg(args, "p");
    if (p < 0 || p > 1) {
      throw new PyError("ValueError", `dropout probability has to be between 0 and 1, but got ${p}`);
    }
    const tensor = tensorArg(args, "input");
    if (!boolArg(args, "training") || p === 0) return tensor;
    const x = nodeOf(tensor, runtime);
    const y = name === "dropout" ? build.dropout(x, p) : act.channelDropout(x, p, name);
    return args.inplace === true ? replaceChecked(tensor, y, runtime) : wrap(y);
  };
}
const DROPOUT = "input, p=0.5, training=True, inplace=False";
for (const name of ["dropout", "dropout1d", "dropout2d", "dropout3d"]) define(["F"], name, DROPOUT, dropout(name));
define(["F"], ["alpha_dropout", "feature_alpha_dropout"], DROPOUT, (args, runtime) => {
  if (!boolArg(args, "training")) return tensorArg(args, "input");
  throw new EvaluationError("alpha_dropout in training is not supported; dropout is", runtime.place);
});
define(["torch"], "dropout", "input, p, train", (args, runtime) =>
  dropout("dropout")({ ...args, training: args.train ?? true }, runtime),
);
