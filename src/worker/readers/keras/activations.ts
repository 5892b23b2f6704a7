import { add, binary, div, gelu, logSoftmax, mul, reduce, scalar, softmax, sub, unary, where } from "../../graph/build";
import type { Node } from "../../graph/node";
import { namedObject, Untraceable } from "./config";
import type { Json } from "./json";

/** Keras's activation functions, by the names configurations use. */

const at = (value: number, x: Node): Node => scalar(value, x.dtype);
export const clamp = (x: Node, low: number, high: number): Node =>
  binary("minimum", binary("maximum", x, at(low, x)), at(high, x));
const sigmoid = (x: Node): Node => unary("sigmoid", x);
const isPositive = (x: Node): Node => binary("less", at(0, x), x);

/** log(1 + exp(x)) without overflow. */
export function softplus(x: Node): Node {
  const tail = unary("log", add(at(1, x), unary("exp", unary("neg", unary("abs", x)))));
  return add(unary("relu", x), tail);
}

/** `scale * (exp(x) - 1)` below zero; the exponent is kept from overflowing where it is not used. */
export function elu(x: Node, scale = 1): Node {
  const below = mul(at(scale, x), sub(unary("exp", binary("minimum", x, at(0, x))), at(1, x)));
  return where(isPositive(x), x, below);
}

/** relu(x) - slope * relu(-x). */
export function leakyRelu(x: Node, slope: Node): Node {
  return sub(unary("relu", x), mul(slope, unary("relu", unary("neg", x))));
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

type Activation = (x: Node, generation: 2 | 3) => Node;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  linear: (x) => x,
  relu: (x) => unary("relu", x),
  relu6: (x) => clamp(x, 0, 6),
  elu: (x) => elu(x),
  selu: (x) => mul(at(SELU_SCALE, x), elu(x, SELU_ALPHA)),
  celu: (x) => elu(x),
  softplus,
  softsign: (x) => div(x, add(at(1, x), unary("abs", x))),
  tanh: (x) => unary("tanh", x),
  sigmoid,
  // Keras 3 takes PyTorch's form; Keras 2 and TensorFlow.js the older slope of 0.2.
  hard_sigmoid: (x, generation) =>
    generation === 3 ? div(clamp(add(x, at(3, x)), 0, 6), at(6, x)) : clamp(add(mul(x, at(0.2, x)), at(0.5, x)), 0, 1),
  exponential: (x) => unary("exp", x),
  gelu: (x) => gelu(x),
  gelu_new: (x) => gelu(x, "tanh"),
  silu: (x) => mul(x, sigmoid(x)),
  hard_silu: (x) => mul(x, div(clamp(add(x, at(3, x)), 0, 6), at(6, x))),
  mish: (x) => mul(x, unary("tanh", softplus(x))),
  softmax: (x) => softmax(x, x.shape.length - 1),
  log_softmax: (x) => logSoftmax(x, x.shape.length - 1),
  log_sigmoid: (x) => unary("neg", softplus(unary("neg", x))),
  leaky_relu: (x) => leakyRelu(x, at(0.2, x)),
  hard_tanh: (x) => clamp(x, -1, 1),
  squareplus: (x) => mul(at(0.5, x), add(x, unary("sqrt", add(mul(x, x), at(4, x))))),
};

const ALIASES: Readonly<Record<string, string>> = { swish: "silu", hard_swish: "hard_silu", logsoftmax: "log_softmax" };

/** Applies the activation a configuration names; none is the identity. */
export function activate(x: Node, value: Json | undefined, generation: 2 | 3): Node {
  if (value === undefined || value === null) return x;
  const named = namedObject(value);
  const name = (named?.name ?? "").replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  const activation = ACTIVATIONS[ALIASES[name] ?? name];
  if (!activation)
    throw new Untraceable(`the activation ${named ? `"${named.name}"` : "it names"} is not supported`, x.shape);
  return activation(x, generation);
}

/** Mean and biased variance over the axes, kept as size 1. */
export function moments(x: Node, axes: readonly number[]): { mean: Node; variance: Node } {
  const mean = reduce("mean", x, axes, true);
  const centered = sub(x, mean);
  return { mean, variance: reduce("mean", mul(centered, centered), axes, true) };
}
