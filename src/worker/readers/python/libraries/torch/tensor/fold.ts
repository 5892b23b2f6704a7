import { isFloating } from "../../../../../formats/dtype";
import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import { is, type Node } from "../../../../../graph/node";
import { broadcast, stridesOf } from "../../../../../graph/shapes";
import { EvaluationError, PyFloat, type PyTensor, type Runtime, type Value } from "../../../values/values";
import { foldedPlaces } from "./foldedPlaces";
import { selectedRows } from "./selectedRows";
import { nodeOf } from "./tensor";

/** Values of small tensors that are computed from constants alone, for `item()`, `int(x)` and branches. */

const LIMIT = 65_536;
/** Elements of all that one value is computed from. */
const MAX_FOLDED = 4_000_000;

type Values = readonly number[];

/** The node's elements, or undefined when they depend on inputs or weights, or are too many. */
export function fold(node: Node, runtime?: Runtime): Values | undefined {
  const folding: Folding = { known: new Map(), count: 0 };
  const values = folded(node, folding);
  runtime?.step(folding.count >> 4);
  return values;
}

interface Folding {
  readonly known: Map<Node, Values | undefined>;
  /** Elements computed so far. */
  count: number;
}

function folded(node: Node, folding: Folding): Values | undefined {
  const { known } = folding;
  if (known.has(node)) return known.get(node);
  const size = node.shape.reduce((n, d) => n * d, 1);
  folding.count += 1 + size;
  const values = size > LIMIT || folding.count > MAX_FOLDED ? undefined : compute(node, size, folding);
  const rounded = values && (node.dtype === "float32" ? values.map(Math.fround) : values);
  known.set(node, rounded);
  return rounded;
}

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  detach: (x) => x,
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => Math.max(0, x),
  log1p: Math.log1p,
  expm1: Math.expm1,
  atan: Math.atan,
  round: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
  floor: Math.floor,
  ceil: Math.ceil,
  not: (x) => (x ? 0 : 1),
};
const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  and: (a, b) => Number(a && b),
  or: (a, b) => Number(a || b),
};
const REDUCE: Readonly<Record<string, (values: Values) => number>> = {
  sum: (v) => v.reduce((a, b) => a + b, 0),
  mean: (v) => v.reduce((a, b) => a + b, 0) / v.length,
  prod: (v) => v.reduce((a, b) => a * b, 1),
  max: (v) => v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  min: (v) => v.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
};

function compute(node: Node, size: number, folding: Folding): Values | undefined {
  if (is(node, "constant")) {
    const data = Array.from(node.attrs.data, Number);
    return data.length === size ? data : new Array<number>(size).fill(data[0]!);
  }
  if (is(node, "arange")) return Array.from({ length: size }, (_, i) => node.attrs.start + i * node.attrs.step);
  if (node.inputs.length === 0) return undefined;
  const inputs: Values[] = [];
  for (const input of node.inputs) {
    const values = folded(input, folding);
    if (!values) return undefined;
    inputs.push(values);
  }
  const [first] = inputs as [Values];
  const one = UNARY[node.op];
  if (one) return first.map(one);
  // Whole numbers are divided toward zero.
  const whole = node.op === "div" && !isFloating(node.dtype);
  const two = whole ? (a: number, b: number) => Math.trunc(a / b) : BINARY[node.op];
  if (two) {
    const [a, b] = node.inputs.map((n, i) => spread(inputs[i]!, n.shape, node.shape)) as [Values, Values];
    return a.map((x, i) => two(x, b[i]!));
  }
  const over = REDUCE[node.op];
  if (over && (is(node, "sum") || is(node, "mean") || is(node, "prod") || is(node, "max") || is(node, "min"))) {
    return reduce(first, node.inputs[0]!.shape, node.attrs.axes, over);
  }
  if (is(node, "where")) {
    const [c, a, b] = node.inputs.map((n, i) => spread(inputs[i]!, n.shape, node.shape)) as [Values, Values, Values];
    return c.map((flag, i) => (flag ? a[i]! : b[i]!));
  }
  if (is(node, "reshape")) return first;
  if (is(node, "expand")) return spread(first, node.inputs[0]!.shape, node.shape);
  if (is(node, "cast")) {
    if (node.dtype === "bool") return first.map((x) => Number(x !== 0));
    return isFloating(node.dtype) ? first : first.map(Math.trunc);
  }
  if (is(node, "slice")) {
    const { starts, steps } = node.attrs;
    return pick(first, node.inputs[0]!.shape, node.shape, (at) => at.map((p, i) => starts[i]! + p * steps[i]!));
  }
  if (is(node, "transpose")) {
    const { perm } = node.attrs;
    return pick(first, node.inputs[0]!.shape, node.shape, (at) => perm.map((_, axis) => at[perm.indexOf(axis)]!));
  }
  return foldedPlaces(node, inputs);
}

function pick(
  values: Values,
  from: readonly number[],
  to: readonly number[],
  source: (at: number[]) => number[],
): Values {
  const strides = stridesOf(from);
  const steps = stridesOf(to);
  return Array.from({ length: to.reduce((n, d) => n * d, 1) }, (_, flat) => {
    const at = to.map((d, i) => Math.floor(flat / steps[i]!) % d);
    return values[source(at).reduce((n, p, i) => n + p * strides[i]!, 0)]!;
  });
}

function spread(values: Values, from: readonly number[], to: readonly number[]): Values {
  const lead = broadcast(from, to).length - from.length;
  return pick(values, from, to, (at) => from.map((d, i) => (d === 1 ? 0 : at[i + lead]!)));
}

function reduce(
  values: Values,
  shape: readonly number[],
  axes: readonly number[],
  over: (values: Values) => number,
): Values {
  const groups = new Map<number, number[]>();
  const strides = stridesOf(shape);
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const keptStrides = stridesOf(kept);
  values.forEach((value, flat) => {
    const group = shape.reduce(
      (n, d, i) => (axes.includes(i) ? n : n + (Math.floor(flat / strides[i]!) % d) * keptStrides[i]!),
      0,
    );
    const members = groups.get(group);
    if (members) members.push(value);
    else groups.set(group, [value]);
  });
  return Array.from({ length: kept.reduce((n, d) => n * d, 1) }, (_, i) => over(groups.get(i) ?? []));
}

function single(tensor: PyTensor, runtime: Runtime, what: string): number {
  const values = fold(nodeOf(tensor, runtime), runtime);
  if (values?.length === 1) return values[0]!;
  throw new EvaluationError(what, runtime.place);
}

/** The Python number of a tensor with one element: item(), int(), float(). */
export function tensorScalar(tensor: PyTensor, runtime: Runtime): Value {
  const value = single(
    tensor,
    runtime,
    "this number depends on the tensor's values, which are not known while the model is traced",
  );
  if (tensor.dtype === "bool") return value !== 0;
  return isFloating(tensor.dtype) ? new PyFloat(value) : value;
}

export function tensorTruthy(tensor: PyTensor, runtime: Runtime): boolean {
  return (
    single(
      tensor,
      runtime,
      "the branch depends on the tensor's values, which are not known while the model is traced",
    ) !== 0
  );
}

/** A tensor of one element as a condition, where its value is not known before the graph runs. */
export function conditionOf(tensor: PyTensor): Node | undefined {
  const { node } = tensor;
  if (!node || sizeOf(node.shape) !== 1 || fold(node) || selectedRows(node)) return undefined;
  return build.reshape(build.cast(node, "bool"), []);
}
