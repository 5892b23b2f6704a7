import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import type { Initializer } from "../../../../model";
import {
  type BoundArgs,
  PyError,
  PyFloat,
  type PyNative,
  type PyTensor,
  type Runtime,
  type Value,
} from "../../../values/values";
import { constant, distributed } from "../functions/creation";
import { given, isNumber, numberArg, numberOf, stringArg, tensorArg } from "../registry/arguments";
import { native } from "../registry/native";
import { define } from "../registry/table";
import { listable } from "../tensor/listable";
import { nodeOf, RandomNode, replaceValue } from "../tensor/tensor";
import type { RandomValue } from "./draws";

/** torch.nn.init, and the same distributions as in-place methods. */

export const initFunctions = new Map<string, PyNative>();

function initializer(
  name: string,
  signature: string,
  body: (tensor: PyTensor, args: BoundArgs, runtime: Runtime) => void,
): void {
  const full = signature ? `tensor, ${signature}` : "tensor";
  const entry = native(name, full, (args, runtime) => {
    const tensor = tensorArg(args, "tensor");
    body(tensor, args, runtime);
    return tensor;
  });
  initFunctions.set(name, entry);
  if (name.endsWith("_")) initFunctions.set(name.slice(0, -1), entry);
}

/**
 * Initializes `tensor` again with new random numbers. An unknown dimension stays unknown; only the distribution
 * changes.
 */
function redraw(tensor: PyTensor, distribution: RandomValue["initializer"], runtime: Runtime): void {
  const known = tensor.shape.every((d) => d !== undefined);
  if (runtime.tracing && known && !tensor.unknown) {
    replaceValue(tensor, distributed(distribution, tensor.shape as number[], tensor.dtype, runtime), runtime);
    return;
  }
  const value = runtime.random.draw(distribution, known ? sizeOf(tensor.shape as number[]) : undefined);
  if (tensor.unknown || !known) {
    if (tensor.stored) tensor.stored = { ...tensor.stored, initializer: distribution, order: value.draw.order };
    return;
  }
  replaceValue(tensor, new RandomNode(value, tensor.shape as number[], tensor.dtype), runtime);
}

function assign(tensor: PyTensor, value: number, runtime: Runtime): void {
  if (tensor.unknown) {
    if (tensor.stored) tensor.stored.initializer = { kind: "constant", value };
    return;
  }
  replaceValue(tensor, build.full(value, tensor.shape as number[], tensor.dtype), runtime);
}

/** Initializes the tensor again with such values. */
export function startAgain(
  tensor: PyTensor,
  initializer: Exclude<Initializer, { kind: "graph" }>,
  runtime: Runtime,
): void {
  if (initializer.kind === "constant") assign(tensor, initializer.value, runtime);
  else redraw(tensor, initializer, runtime);
}

const normal = (mean: number, std: number) => ({ kind: "normal", mean, std }) as const;
const uniform = (low: number, high: number) => ({ kind: "uniform", low, high }) as const;

/** Fan in and fan out: the second and the first dimension, each times the receptive field. */
function fans(tensor: PyTensor): [number, number] {
  const shape = nodeShape(tensor);
  if (shape.length < 2) {
    throw new PyError("ValueError", "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  }
  const field = shape.slice(2).reduce((n, d) => n * d, 1);
  return [shape[1]! * field, shape[0]! * field];
}
/** An unknown dimension counts as 1: the tensor has no values that could be wrong. */
const nodeShape = (tensor: PyTensor): number[] => tensor.shape.map((d) => d ?? 1);

/** torch.nn.init.calculate_gain. */
function gainOf(nonlinearity: string, slope: number): number {
  switch (nonlinearity) {
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.sqrt(2);
    case "leaky_relu":
      return Math.sqrt(2 / (1 + slope ** 2));
    case "selu":
      return 3 / 4;
    case "linear":
    case "sigmoid":
    case "conv1d":
    case "conv2d":
    case "conv3d":
      return 1;
    default:
      throw new PyError("ValueError", `Unsupported nonlinearity ${nonlinearity}`);
  }
}

initializer("zeros_", "", (t, _args, runtime) => assign(t, 0, runtime));
initializer("ones_", "", (t, _args, runtime) => assign(t, 1, runtime));
initializer("constant_", "val", (t, args, runtime) => assign(t, numberArg(args, "val"), runtime));
initializer("normal_", "mean=0.0, std=1.0, generator=None", (t, args, runtime) =>
  redraw(t, normal(numberArg(args, "mean"), numberArg(args, "std")), runtime),
);
initializer("uniform_", "a=0.0, b=1.0, generator=None", (t, args, runtime) =>
  redraw(t, uniform(numberArg(args, "a"), numberArg(args, "b")), runtime),
);
initializer("xavier_uniform_", "gain=1.0, generator=None", (t, args, runtime) => {
  const [fanIn, fanOut] = fans(t);
  const bound = Math.sqrt(3) * (numberArg(args, "gain") * Math.sqrt(2 / (fanIn + fanOut)));
  redraw(t, uniform(-bound, bound), runtime);
});
initializer("xavier_normal_", "gain=1.0, generator=None", (t, args, runtime) => {
  const [fanIn, fanOut] = fans(t);
  redraw(t, normal(0, numberArg(args, "gain") * Math.sqrt(2 / (fanIn + fanOut))), runtime);
});
function kaimingStd(t: PyTensor, args: BoundArgs): number {
  const [fanIn, fanOut] = fans(t);
  const mode = stringArg(args, "mode");
  if (mode !== "fan_in" && mode !== "fan_out") {
    throw new PyError("ValueError", `Mode ${mode} not supported, please use one of ['fan_in', 'fan_out']`);
  }
  return gainOf(stringArg(args, "nonlinearity"), numberArg(args, "a")) / Math.sqrt(mode === "fan_in" ? fanIn : fanOut);
}
const KAIMING = "a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None";
initializer("kaiming_uniform_", KAIMING, (t, args, runtime) => {
  const bound = Math.sqrt(3) * kaimingStd(t, args);
  redraw(t, uniform(-bound, bound), runtime);
});
initializer("kaiming_normal_", KAIMING, (t, args, runtime) => redraw(t, normal(0, kaimingStd(t, args)), runtime));
initializer("trunc_normal_", "mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None", (t, args, runtime) => {
  runtime.problem(
    "trunc_normal_: initial values are drawn from the normal distribution without truncation",
    "information",
  );
  redraw(t, normal(numberArg(args, "mean"), numberArg(args, "std")), runtime);
});
initializer("orthogonal_", "gain=1, generator=None", (t, args, runtime) => {
  runtime.problem(
    "orthogonal_: initial values are drawn from a normal distribution of the same scale instead of being orthogonal",
    "information",
  );
  const shape = nodeShape(t);
  redraw(t, normal(0, numberArg(args, "gain") / Math.sqrt(Math.max(shape[0]!, sizeOf(shape.slice(1))))), runtime);
});
initializer("eye_", "", (t, _args, runtime) => {
  const [rows, columns] = nodeOf(t).shape as [number, number];
  replaceValue(t, identity(rows, columns, t), runtime);
});
function identity(rows: number, columns: number, t: PyTensor): Node {
  const values = Array.from({ length: listable(rows * columns) }, (_, i) =>
    Number(Math.floor(i / columns) === i % columns),
  );
  return constant(values, [rows, columns], t.dtype);
}
initFunctions.set(
  "calculate_gain",
  native("calculate_gain", "nonlinearity, param=None", (args) => {
    const slope = given(args, "param") && isNumber(args.param) ? numberOf(args.param) : 0.01;
    return new PyFloat(gainOf(stringArg(args, "nonlinearity"), slope));
  }),
);

define(["tensor"], "normal_", "input, mean=0, std=1, *, generator=None", (args, runtime): Value => {
  const tensor = tensorArg(args, "input");
  redraw(tensor, normal(numberArg(args, "mean"), numberArg(args, "std")), runtime);
  return tensor;
});
define(["tensor"], "uniform_", "input, from_=0, to=1, *, generator=None", (args, runtime): Value => {
  const tensor = tensorArg(args, "input");
  redraw(tensor, uniform(numberArg(args, "from_"), numberArg(args, "to")), runtime);
  return tensor;
});
