import { type DType, isFloating } from "../formats/dtype";
import { sizeOf, type TensorData } from "../formats/tensor";
import type { OpsOf, PlainOpsOf } from "./kinds";
import { make, requireOneDType } from "./make";
import type { Node, Shape } from "./node";
import type { ReduceAttrs } from "./ops";
import { broadcast, DTypeError, ShapeError, sameShape, shapeText } from "./shapes";

/**
 * Constructors of nodes: one function an op, each with its shape and dtype rule. They throw a ShapeError when the
 * operands do not fit. Source places are attached by `at`. Convolution and pooling are in windows.ts.
 */

export { at } from "./make";

// Leaves

export function input(
  name: string,
  shape: Shape,
  dtype: DType,
  mask?: { p: number },
  noise?: "normal" | "uniform",
): Node<"input"> {
  return make("input", [], { name, ...(mask && { mask }), ...(noise && { noise }) }, shape, dtype);
}

export function parameter(path: string, shape: Shape, dtype: DType): Node<"parameter"> {
  return make("parameter", [], { path }, shape, dtype);
}

export function constant(data: TensorData, shape: Shape, dtype: DType): Node<"constant"> {
  if (data.length !== 1 && data.length !== sizeOf(shape)) {
    throw new RangeError(`${data.length} values for a constant of shape ${shapeText(shape)}`);
  }
  return make("constant", [], { data }, shape, dtype);
}

/** A constant with every element equal to `value`. */
export function full(value: number, shape: Shape, dtype: DType): Node<"constant"> {
  return constant(oneValue(value, dtype), shape, dtype);
}

export function scalar(value: number, dtype: DType = "float32"): Node<"constant"> {
  return full(value, [], dtype);
}

function oneValue(value: number, dtype: DType): TensorData {
  switch (dtype) {
    case "float64":
    case "float16":
    case "bfloat16":
      // Half-precision literals are kept in full precision; the engine's lowering rounds them.
      return Float64Array.of(value);
    case "float32":
      return Float32Array.of(value);
    case "int64":
      return BigInt64Array.of(BigInt(Math.trunc(value)));
    case "int32":
      return Int32Array.of(value);
    case "int16":
      return Int16Array.of(value);
    case "int8":
      return Int8Array.of(value);
    case "uint8":
      return Uint8Array.of(value);
    case "bool":
      return Uint8Array.of(value ? 1 : 0);
  }
}

export function arange(length: number, dtype: DType, start = 0, step = 1): Node<"arange"> {
  return make("arange", [], { start, step }, [length], dtype);
}

// Elementwise

type Unary = PlainOpsOf<"unary">;

export function unary(op: Unary, x: Node): Node {
  return make(op, [x], {}, x.shape, x.dtype);
}

export function gelu(x: Node, approximate: "none" | "tanh" = "none"): Node {
  return make("gelu", [x], { approximate }, x.shape, x.dtype);
}

export function cast(x: Node, to: DType): Node {
  return x.dtype === to ? x : make("cast", [x], { to }, x.shape, to);
}

export function dropout(x: Node, p: number): Node {
  return p === 0 ? x : make("dropout", [x], { p }, x.shape, x.dtype);
}

/** x as a value without a gradient. */
export function detach(x: Node): Node {
  return make("detach", [x], {}, x.shape, x.dtype);
}

type Binary = OpsOf<"binary">;

export function binary(op: Binary, a: Node, b: Node): Node {
  if (a.dtype !== b.dtype) throw new DTypeError(`${op} of ${a.dtype} and ${b.dtype}: cast one of them first`);
  const compares = op === "equal" || op === "less" || op === "lessEqual";
  return make(op, [a, b], {}, broadcast(a.shape, b.shape), compares ? "bool" : a.dtype);
}

export const add = (a: Node, b: Node): Node => binary("add", a, b);
export const sub = (a: Node, b: Node): Node => binary("sub", a, b);
export const mul = (a: Node, b: Node): Node => binary("mul", a, b);
export const div = (a: Node, b: Node): Node => binary("div", a, b);

export function where(condition: Node, a: Node, b: Node): Node {
  if (condition.dtype !== "bool") throw new DTypeError(`where needs a bool condition, not ${condition.dtype}`);
  if (a.dtype !== b.dtype) throw new DTypeError(`where of ${a.dtype} and ${b.dtype}: cast one of them first`);
  return make("where", [condition, a, b], {}, broadcast(condition.shape, broadcast(a.shape, b.shape)), a.dtype);
}

// Products

export function linear(x: Node, weight: Node, bias?: Node): Node {
  const [out, inFeatures] = weight.shape;
  if (weight.shape.length !== 2 || out === undefined) {
    throw new ShapeError(`linear expects a weight [out, in]; this one is ${shapeText(weight.shape)}`);
  }
  if (x.shape.length === 0 || x.shape.at(-1) !== inFeatures) {
    throw new ShapeError(
      `linear expects weight [out, in]; the input ${shapeText(x.shape)} has last dimension ${x.shape.at(-1) ?? "none"}, the weight ${shapeText(weight.shape)} takes ${inFeatures}`,
    );
  }
  if (bias && !sameShape(bias.shape, [out])) {
    throw new ShapeError(`linear expects a bias [${out}]; this one is ${shapeText(bias.shape)}`);
  }
  requireOneDType("linear", x, weight, ...(bias ? [bias] : []));
  return make("linear", bias ? [x, weight, bias] : [x, weight], {}, [...x.shape.slice(0, -1), out], x.dtype);
}

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  /** Added to the product; broadcasts to it. */
  readonly c?: Node;
}

export function matmul(a: Node, b: Node, options: MatmulOptions = {}): Node {
  const { transposeA = false, transposeB = false, alpha = 1, c } = options;
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(`matmul expects matrices; got ${shapeText(a.shape)} and ${shapeText(b.shape)}`);
  }
  const [m, ka] = lastTwo(a.shape, transposeA);
  const [kb, n] = lastTwo(b.shape, transposeB);
  if (ka !== kb) {
    throw new ShapeError(
      `matmul of ${shapeText(a.shape)} and ${shapeText(b.shape)}: the inner dimensions are ${ka} and ${kb}`,
    );
  }
  requireOneDType("matmul", a, b, ...(c ? [c] : []));
  const shape = [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), "matmul's leading dimensions"), m, n];
  if (c && !sameShape(broadcast(c.shape, shape), shape)) {
    throw new ShapeError(`matmul's addend ${shapeText(c.shape)} does not broadcast to ${shapeText(shape)}`);
  }
  return make("matmul", c ? [a, b, c] : [a, b], { transposeA, transposeB, alpha }, shape, a.dtype);
}

function lastTwo(shape: Shape, swap: boolean): [number, number] {
  const [p, q] = [shape.at(-2)!, shape.at(-1)!];
  return swap ? [q, p] : [p, q];
}

// Shape

/** At most one dimension may be -1: it takes what is left. */
export function reshape(x: Node, shape: Shape): Node {
  const resolved = resolveReshape(x.shape, shape);
  return sameShape(resolved, x.shape) ? x : make("reshape", [x], { shape: resolved }, resolved, x.dtype);
}

function resolveReshape(from: Shape, to: Shape): Shape {
  const size = sizeOf(from);
  const open = to.indexOf(-1);
  const known = sizeOf(to.filter((d) => d !== -1));
  const fits = open < 0 ? known === size : known > 0 && size % known === 0 && to.lastIndexOf(-1) === open;
  if (!fits || to.some((d) => d < -1)) {
    throw new ShapeError(`a tensor of shape ${shapeText(from)} (${size} elements) cannot become ${shapeText(to)}`);
  }
  return to.map((d) => (d === -1 ? size / known : d));
}

export function transpose(x: Node, perm: readonly number[]): Node {
  const seen = [...perm].sort((p, q) => p - q);
  if (perm.length !== x.shape.length || seen.some((p, i) => p !== i)) {
    throw new ShapeError(`[${perm.join(", ")}] does not permute the dimensions of ${shapeText(x.shape)}`);
  }
  if (perm.every((p, i) => p === i)) return x;
  return make(
    "transpose",
    [x],
    { perm },
    perm.map((p) => x.shape[p]!),
    x.dtype,
  );
}

export function expand(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcast(x.shape, shape), shape)) {
    throw new ShapeError(`a tensor of shape ${shapeText(x.shape)} cannot expand to ${shapeText(shape)}`);
  }
  return make("expand", [x], { shape }, shape, x.dtype);
}

export function slice(
  x: Node,
  starts: readonly number[],
  ends: readonly number[],
  steps: readonly number[] = starts.map(() => 1),
): Node {
  if (steps.some((s) => s < 1)) throw new ShapeError("slice steps must be positive");
  const from = starts.map((s, i) => Math.min(s, x.shape[i]!));
  const to = ends.map((e, i) => Math.max(from[i]!, Math.min(e, x.shape[i]!)));
  const shape = from.map((s, i) => Math.ceil((to[i]! - s) / steps[i]!));
  if (sameShape(shape, x.shape)) return x;
  return make("slice", [x], { starts: from, ends: to, steps }, shape, x.dtype);
}

/** A slice along one axis. */
export function narrow(x: Node, axis: number, start: number, end: number): Node {
  return slice(
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    x.shape.map((d, i) => (i === axis ? end : d)),
  );
}

export function concat(parts: readonly Node[], axis: number): Node {
  const first = parts[0];
  if (!first) throw new ShapeError("concatenation of no tensors");
  requireOneDType("concat", ...parts);
  for (const part of parts) {
    if (part.shape.length !== first.shape.length || part.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new ShapeError(
        `cannot concatenate ${shapeText(first.shape)} and ${shapeText(part.shape)} along dimension ${axis}`,
      );
    }
  }
  if (parts.length === 1) return first;
  const length = parts.reduce((n, p) => n + p.shape[axis]!, 0);
  return make(
    "concat",
    parts,
    { axis },
    first.shape.map((d, i) => (i === axis ? length : d)),
    first.dtype,
  );
}

export function pad(x: Node, before: readonly number[], after: readonly number[], value = 0): Node {
  if ([...before, ...after].some((p) => p < 0)) throw new ShapeError("padding must not be negative");
  if ([...before, ...after].every((p) => p === 0)) return x;
  return make(
    "pad",
    [x],
    { before, after, value },
    x.shape.map((d, i) => d + before[i]! + after[i]!),
    x.dtype,
  );
}

// Indexing

export function gather(data: Node, indices: Node, axis: number): Node {
  requireIndices(indices);
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  return make("gather", [data, indices], { axis }, shape, data.dtype);
}

export function scatterAdd(indices: Node, updates: Node, axis: number, shape: Shape): Node {
  requireIndices(indices);
  return make("scatterAdd", [indices, updates], { axis, shape }, shape, updates.dtype);
}

export function gatherElements(data: Node, indices: Node, axis: number): Node {
  requireIndices(indices);
  if (indices.shape.length !== data.shape.length) {
    throw new ShapeError(`gather needs an index of ${data.shape.length} dimensions; got ${shapeText(indices.shape)}`);
  }
  return make("gatherElements", [data, indices], { axis }, indices.shape, data.dtype);
}

/** If two indices are equal, it is undefined which of their updates stays. */
export function scatterElements(data: Node, indices: Node, updates: Node, axis: number): Node {
  requireIndices(indices);
  requireOneDType("scatter", data, updates);
  const { shape } = indices;
  if (shape.length !== data.shape.length || !sameShape(shape, updates.shape)) {
    throw new ShapeError(
      `scatter into ${shapeText(data.shape)} needs an index and values of one shape with ${data.shape.length} dimensions; got ${shapeText(shape)} and ${shapeText(updates.shape)}`,
    );
  }
  if (shape.some((d, i) => i !== axis && d > data.shape[i]!)) {
    throw new ShapeError(`scatter's index ${shapeText(shape)} is larger than the tensor ${shapeText(data.shape)}`);
  }
  return make("scatterElements", [data, indices, updates], { axis }, data.shape, data.dtype);
}

export function scatterElementsAdd(indices: Node, updates: Node, axis: number, shape: Shape): Node {
  requireIndices(indices);
  return make("scatterElementsAdd", [indices, updates], { axis, shape }, shape, updates.dtype);
}

function requireIndices(indices: Node): void {
  if (indices.dtype !== "int64" && indices.dtype !== "int32") {
    throw new DTypeError(`indices must be int64 or int32, not ${indices.dtype}`);
  }
}

// Reductions

type Reduce = OpsOf<"reduction">;

/** Over no axes: the tensor itself. */
export function reduce(op: Reduce, x: Node, axes: readonly number[], keepDims: boolean): Node {
  if (axes.length === 0) return x;
  if (op === "mean" && !isFloating(x.dtype)) throw new DTypeError(`mean of ${x.dtype}: cast it to a floating dtype`);
  const attrs: ReduceAttrs = { axes: [...axes].sort((p, q) => p - q), keepDims };
  return make(op, [x], attrs, reducedShape(x.shape, axes, keepDims), x.dtype);
}

/** Over every axis, to a scalar. */
export function reduceAll(op: Reduce, x: Node): Node {
  return reduce(
    op,
    x,
    x.shape.map((_, i) => i),
    false,
  );
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  return shape.flatMap((d, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [d]));
}

export function argmax(x: Node, axis: number, keepDims: boolean): Node {
  return make("argmax", [x], { axis, keepDims }, reducedShape(x.shape, [axis], keepDims), "int64");
}

export function argmin(x: Node, axis: number, keepDims: boolean): Node {
  return make("argmin", [x], { axis, keepDims }, reducedShape(x.shape, [axis], keepDims), "int64");
}

/** The k largest or smallest along `axis`, in order; of equals the first comes first. */
export function topK(x: Node, k: number, axis: number, largest: boolean): Node {
  return make("topK", [x], { k, axis, largest }, topKShape(x.shape, k, axis), x.dtype);
}

/** Where `topK`'s values stand along `axis`: int64. */
export function topKIndices(x: Node, k: number, axis: number, largest: boolean): Node {
  return make("topKIndices", [x], { k, axis, largest }, topKShape(x.shape, k, axis), "int64");
}

function topKShape(shape: Shape, k: number, axis: number): Shape {
  if (!Number.isInteger(k) || k < 0 || k > shape[axis]!) {
    throw new ShapeError(
      `topk of ${k} elements along dimension ${axis} of ${shapeText(shape)}, which has ${shape[axis]}`,
    );
  }
  return shape.with(axis, k);
}

export function cumsum(x: Node, axis: number): Node {
  return make("cumsum", [x], { axis }, x.shape, x.dtype);
}

/** Sums the axes along which `shape` was broadcast to x's shape: the gradient of broadcasting. */
export function sumTo(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return reshape(reduce("sum", x, axes, true), shape);
}

// Normalization

export function softmax(x: Node, axis: number): Node {
  return make("softmax", [x], { axis }, x.shape, x.dtype);
}

export function logSoftmax(x: Node, axis: number): Node {
  return make("logSoftmax", [x], { axis }, x.shape, x.dtype);
}

export function layerNorm(x: Node, dims: number, eps: number, weight?: Node, bias?: Node): Node {
  const normalized = x.shape.slice(x.shape.length - dims);
  if (dims < 1 || dims > x.shape.length || (weight && !sameShape(weight.shape, normalized))) {
    throw new ShapeError(
      `layer_norm over ${weight ? shapeText(weight.shape) : `${dims} dimensions`} does not fit an input of shape ${shapeText(x.shape)}`,
    );
  }
  if (bias && !weight) throw new TypeError("layerNorm with a bias needs a weight");
  const inputs = [x, weight, bias].filter((n) => n !== undefined);
  requireOneDType("layer_norm", ...inputs);
  return make("layerNorm", inputs, { dims, eps }, x.shape, x.dtype);
}

export function layerNormMean(x: Node, dims: number): Node {
  return make("layerNormMean", [x], { dims }, statsShape(x.shape, dims), x.dtype);
}

export function layerNormInvStd(x: Node, dims: number, eps: number): Node {
  return make("layerNormInvStd", [x], { dims, eps }, statsShape(x.shape, dims), x.dtype);
}

function statsShape(shape: Shape, dims: number): Shape {
  return shape.map((d, i) => (i < shape.length - dims ? d : 1));
}
