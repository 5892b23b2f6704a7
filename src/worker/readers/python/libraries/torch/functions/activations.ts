import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { ShapeError } from "../../../../../graph/shapes";
import { PyError } from "../../../values/values";
import { requireFloating, scale, shift } from "./arithmetic";

/** Activation functions as graph nodes; formulas are those of torch.nn.functional's documentation. */

const { binary, unary, mul, add, sub, div, where, scalar } = build;
const like = (x: Node, value: number): Node => scalar(value, x.dtype);

export function clampNumbers(x: Node, low: number | undefined, high: number | undefined): Node {
  let y = x;
  if (low !== undefined) y = binary("maximum", y, like(x, low));
  if (high !== undefined) y = binary("minimum", y, like(x, high));
  return y;
}

export const relu = (x: Node): Node => unary("relu", x);
export const relu6 = (x: Node): Node => clampNumbers(x, 0, 6);
export function silu(x: Node): Node {
  requireFloating(x, "silu_cpu");
  // ONNX Runtime fuses a product with its own sigmoid to a kernel that it lacks for float64.
  return x.dtype === "float64" ? div(x, shift(unary("exp", unary("neg", x)), 1)) : mul(x, unary("sigmoid", x));
}
/**
 * Drops whole channels, dimension 1 of [N, C, ...]: one draw of the mask for each. Of one and three spatial dimensions a
 * sample may come without its batch, as in PyTorch; dropout2d takes three dimensions as [N, C, L].
 */
export function channelDropout(x: Node, p: number, name: string): Node {
  const unbatched = (name.endsWith("1d") && x.shape.length === 2) || (name.endsWith("3d") && x.shape.length === 4);
  const shape = x.shape.map((d, i) => (i < (unbatched ? 1 : 2) ? d : 1));
  return mul(x, build.dropout(build.full(1, shape, x.dtype), p));
}

export const positive = (x: Node): Node => binary("less", like(x, 0), x);

export function gelu(x: Node, approximate: string): Node {
  if (approximate !== "none" && approximate !== "tanh") {
    throw new PyError("RuntimeError", "approximate argument must be either none or tanh.");
  }
  return build.gelu(requireFloating(x, "GeluKernelImpl"), approximate);
}

export function leakyRelu(x: Node, slope: number): Node {
  return where(positive(requireFloating(x, "leaky_relu_cpu")), x, scale(x, slope));
}

/** `slope` has one entry, or one for each channel (dimension 1). */
export function prelu(x: Node, weight: Node): Node {
  const count = weight.shape.reduce((n, d) => n * d, 1);
  if (count !== 1 && count !== (x.shape.length < 2 ? undefined : x.shape[1])) {
    throw new ShapeError(
      `prelu has ${count} slopes, but the input has ${x.shape.length < 2 ? 1 : x.shape[1]} channels`,
    );
  }
  const slopes =
    count === 1 ? build.reshape(weight, []) : build.reshape(weight, [count, ...x.shape.slice(2).map(() => 1)]);
  return where(positive(x), x, mul(x, slopes));
}

/** alpha * (exp(x / beta) - 1) below zero. The exponent is cut at 0, so that no branch overflows. */
export function elu(x: Node, alpha: number, beta = 1): Node {
  requireFloating(x, "elu_cpu");
  const negative = shift(unary("exp", scale(binary("minimum", x, like(x, 0)), 1 / beta)), -1);
  return where(positive(x), x, scale(negative, alpha));
}

export const SELU_ALPHA = 1.6732632423543772;
export const SELU_SCALE = 1.0507009873554805;
export const selu = (x: Node): Node => scale(elu(x, SELU_ALPHA), SELU_SCALE);

/** log(1 + exp(beta x)) / beta as max(z, 0) + log(1 + exp(-|z|)), which does not overflow; linear above the threshold. */
export function softplus(x: Node, beta = 1, threshold = 20): Node {
  requireFloating(x, "softplus_cpu");
  const z = scale(x, beta);
  const tail = unary("log1p", unary("exp", unary("neg", unary("abs", z))));
  const soft = scale(add(relu(z), tail), 1 / beta);
  if (!Number.isFinite(threshold)) return soft;
  return where(binary("less", like(x, threshold), z), x, soft);
}

export const logSigmoid = (x: Node): Node => unary("neg", softplus(unary("neg", x), 1, Number.POSITIVE_INFINITY));
export const mish = (x: Node): Node => mul(x, unary("tanh", softplus(x)));
export const softsign = (x: Node): Node => div(x, shift(unary("abs", x), 1));
export const tanhshrink = (x: Node): Node => sub(x, unary("tanh", x));
export const hardsigmoid = (x: Node): Node => scale(relu6(shift(x, 3)), 1 / 6);
export const hardswish = (x: Node): Node => scale(mul(x, relu6(shift(x, 3))), 1 / 6);

export function threshold(x: Node, limit: number, value: number): Node {
  return where(binary("lessEqual", x, like(x, limit)), like(x, value), x);
}

export function softshrink(x: Node, lambda: number): Node {
  const above = binary("less", like(x, lambda), x);
  const below = binary("less", x, like(x, -lambda));
  return where(above, shift(x, -lambda), where(below, shift(x, lambda), scale(x, 0)));
}

export function hardshrink(x: Node, lambda: number): Node {
  const inside = binary("lessEqual", unary("abs", x), like(x, lambda));
  return where(inside, like(x, 0), x);
}

export function glu(x: Node, axis: number): Node {
  const size = x.shape[axis] ?? 1;
  if (size % 2 !== 0) {
    throw new PyError("RuntimeError", `Halving dimension must be even, but dimension ${axis} is size ${size}`);
  }
  return mul(build.narrow(x, axis, 0, size / 2), unary("sigmoid", build.narrow(x, axis, size / 2, size)));
}

/** The axis PyTorch takes when none is given: 0 for 0, 1 and 3 dimensions, otherwise 1. */
export function implicitAxis(rank: number): number {
  return rank === 0 || rank === 1 || rank === 3 ? 0 : 1;
}

export function softmax(x: Node, axis: number, log = false): Node {
  requireFloating(x, log ? "log_softmax_lastdim_kernel_impl" : "softmax_lastdim_kernel_impl");
  if (x.shape.length === 0) return log ? sub(x, x) : div(x, x);
  return log ? build.logSoftmax(x, axis) : build.softmax(x, axis);
}
