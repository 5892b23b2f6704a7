import { convert } from "../../formats/convert";
import type { DType } from "../../formats/dtype";
import { allocate, sizeOf, type Tensor } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import type { OpName } from "../../graph/ops";
import { broadcast, sameShape } from "../../graph/shapes";
import { arangeValues, isSplat, literal } from "../literals";
import type { Attribute } from "./emitter";
import { computeType } from "./kernels";
import { borderType, inputName, type Lowering, parameterName, siblingKey } from "./lowering";
import { lowerLinear, lowerMatmul } from "./products";
import { lowerConv, lowerConvTranspose, lowerMaxPool } from "./windows";

type Lower<O extends OpName> = (node: Node<O>, lowering: Lowering) => string;

/** How each op becomes ONNX: adds nodes and returns the name of the value. */
export const LOWERINGS: { readonly [O in OpName]: Lower<O> } = {
  input: (node, l) => l.emit.cast(inputName(node.attrs.name), borderType(node.dtype), node.dtype),
  parameter: (node) => parameterName(node.attrs.path),
  constant: (node, l) => {
    const { shape } = node;
    if (!isSplat(node)) return l.emit.tensor(literal(node, shape));
    const dtype = computeType("Expand", node.dtype);
    const value = l.emit.cast(l.emit.tensor(literal(node, [])), node.dtype, dtype);
    return l.emit.cast(l.emit.op("Expand", [value, l.emit.int64s(shape)]), dtype, node.dtype);
  },
  arange: (node, l) => l.emit.tensor(arangeValues(node)),

  neg: elementwise("Neg"),
  abs: elementwise("Abs"),
  sign: elementwise("Sign"),
  exp: elementwise("Exp"),
  log: elementwise("Log"),
  sqrt: elementwise("Sqrt"),
  reciprocal: elementwise("Reciprocal"),
  sin: elementwise("Sin"),
  cos: elementwise("Cos"),
  tanh: elementwise("Tanh"),
  sigmoid: elementwise("Sigmoid"),
  erf: elementwise("Erf"),
  atan: elementwise("Atan"),
  log1p,
  expm1,
  relu: (node, l) =>
    node.dtype === "int64"
      ? larger(l.value(node.inputs[0]!), l.emit.tensor(allocate("int64", [])), l)
      : elementwise("Relu")(node, l),
  gelu: (node, l) => elementwise("Gelu", { approximate: node.attrs.approximate })(node, l),
  floor: rounding("Floor"),
  ceil: rounding("Ceil"),
  round: rounding("Round"),
  not: elementwise("Not"),
  cast: (node, l) => l.as(node.inputs[0]!, node.attrs.to),
  dropout: (node, l) => l.value(node.inputs[0]!),
  detach: (node, l) => l.value(node.inputs[0]!),
  layer: (node, l) => l.value(node.inputs[0]!),

  add: elementwise("Add"),
  sub: elementwise("Sub"),
  mul: elementwise("Mul"),
  div: elementwise("Div"),
  pow: elementwise("Pow"),
  maximum: (node, l) =>
    node.dtype === "int64"
      ? larger(l.value(node.inputs[0]!), l.value(node.inputs[1]!), l)
      : elementwise("Max")(node, l),
  minimum: (node, l) =>
    node.dtype === "int64"
      ? smaller(l.value(node.inputs[0]!), l.value(node.inputs[1]!), l)
      : elementwise("Min")(node, l),
  equal: comparison("Equal"),
  less: comparison("Less"),
  lessEqual: comparison("LessOrEqual"),
  and: elementwise("And"),
  or: elementwise("Or"),
  where: (node, l) => {
    const [condition, a, b] = node.inputs as [Node, Node, Node];
    const dtype = computeType("Where", node.dtype);
    const [x, y] = broadcastOperands([a, b], node.shape, dtype, l, condition.shape);
    return l.emit.cast(l.emit.op("Where", [l.value(condition), x!, y!]), dtype, node.dtype);
  },

  linear: lowerLinear,
  matmul: lowerMatmul,
  conv: lowerConv,
  convTranspose: lowerConvTranspose,
  maxPool: lowerMaxPool,
  maxPoolIndices: lowerMaxPool,

  reshape: (node, l) => l.emit.reshape(l.value(node.inputs[0]!), node.shape),
  transpose: (node, l) => moved("Transpose", node, l, [], { perm: node.attrs.perm }),
  expand: (node, l) => moved("Expand", node, l, [l.emit.int64s(node.shape)]),
  slice: (node, l) => {
    const { starts, ends, steps } = node.attrs;
    const from = node.inputs[0]!.shape;
    const axes = from.flatMap((d, i) => (starts[i] === 0 && ends[i] === d && steps[i] === 1 ? [] : [i]));
    const along = (values: readonly number[]) => l.emit.int64s(axes.map((i) => values[i]!));
    return moved("Slice", node, l, [along(starts), along(ends), l.emit.int64s(axes), along(steps)]);
  },
  concat: (node, l) => {
    const dtype = computeType("Concat", node.dtype);
    const joined = l.emit.op(
      "Concat",
      node.inputs.map((n) => l.as(n, dtype)),
      { axis: node.attrs.axis },
    );
    return l.emit.cast(joined, dtype, node.dtype);
  },
  pad: (node, l) => {
    const { before, after, value } = node.attrs;
    const dtype = computeType("Pad", node.dtype);
    const fill = l.emit.tensor(filled(dtype, [], value));
    const padded = l.emit.op("Pad", [l.as(node.inputs[0]!, dtype), l.emit.int64s([...before, ...after]), fill]);
    return l.emit.cast(padded, dtype, node.dtype);
  },

  gather: (node, l) => moved("Gather", node, l, [l.value(node.inputs[1]!)], { axis: node.attrs.axis }),
  gatherElements: (node, l) => moved("GatherElements", node, l, [l.value(node.inputs[1]!)], { axis: node.attrs.axis }),
  scatterAdd: (node, l) => {
    const [indices, updates] = node.inputs as [Node, Node];
    const { axis, shape } = node.attrs;
    const dtype = computeType("ScatterElements", node.dtype);
    // ScatterElements wants an index for every element: each one is repeated over the other axes.
    const count = sizeOf(indices.shape);
    const flat = shape.map((d, i) => (i === axis ? count : d));
    const column = l.emit.reshape(
      l.value(indices),
      shape.map((_, i) => (i === axis ? count : 1)),
    );
    const everywhere = l.emit.op("Expand", [column, l.emit.int64s(flat)]);
    const values = l.emit.reshape(l.as(updates, dtype), flat);
    const sums = l.emit.op("ScatterElements", [zeros(dtype, shape, l), everywhere, values], { axis, reduction: "add" });
    return l.emit.cast(sums, dtype, node.dtype);
  },
  scatterElements: (node, l) => {
    const [data, indices, updates] = node.inputs as [Node, Node, Node];
    const dtype = computeType("ScatterElements", node.dtype);
    const operands = [l.as(data, dtype), l.value(indices), l.as(updates, dtype)];
    return l.emit.cast(l.emit.op("ScatterElements", operands, { axis: node.attrs.axis }), dtype, node.dtype);
  },
  scatterElementsAdd: (node, l) => {
    const [indices, updates] = node.inputs as [Node, Node];
    const { axis, shape } = node.attrs;
    const dtype = computeType("ScatterElements", node.dtype);
    const operands = [zeros(dtype, shape, l), l.value(indices), l.as(updates, dtype)];
    return l.emit.cast(l.emit.op("ScatterElements", operands, { axis, reduction: "add" }), dtype, node.dtype);
  },

  sum: reduction("ReduceSum"),
  mean: reduction("ReduceMean"),
  max: reduction("ReduceMax"),
  min: reduction("ReduceMin"),
  prod: reduction("ReduceProd"),
  argmax: extremeIndex("ArgMax"),
  argmin: extremeIndex("ArgMin"),
  topK,
  topKIndices: topK,
  cumsum: (node, l) => {
    const axis = l.emit.tensor({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(node.attrs.axis)) });
    return moved("CumSum", node, l, [axis]);
  },

  softmax: (node, l) => moved("Softmax", node, l, [], { axis: node.attrs.axis }),
  logSoftmax: (node, l) => moved("LogSoftmax", node, l, [], { axis: node.attrs.axis }),
  layerNorm: (node, l) => (node.dtype === "float64" ? layerNormByHand(node, l) : layerNorm(node, l)),
  layerNormMean: (node, l) => {
    const known = l.siblings.get(node.inputs[0]!)?.get(siblingKey(node)!);
    if (known !== undefined) return known;
    return l.emit.cast(mean(node.inputs[0]!, node.attrs.dims, l), statisticType(node.dtype), node.dtype);
  },
  layerNormInvStd: (node, l) => {
    const known = l.siblings.get(node.inputs[0]!)?.get(siblingKey(node)!);
    if (known !== undefined) return known;
    const x = node.inputs[0]!;
    const value = invStd(x, mean(x, node.attrs.dims, l), node.attrs.dims, node.attrs.eps, l);
    return l.emit.cast(value, statisticType(node.dtype), node.dtype);
  },
};

/** One or more operands of the node's dtype, broadcast to its shape. */
function elementwise(opType: string, attributes: Readonly<Record<string, Attribute>> = {}): Lower<OpName> {
  return (node, l) => {
    const dtype = computeType(opType, node.dtype);
    const result = l.emit.op(opType, broadcastOperands(node.inputs, node.shape, dtype, l), attributes);
    return l.emit.cast(result, dtype, node.dtype);
  };
}

/** Of int64: ONNX Runtime's own Max and Min look at the lower 32 bits of one operand. */
const larger = (a: string, b: string, l: Lowering): string => l.emit.op("Where", [l.emit.op("Less", [a, b]), b, a]);
const smaller = (a: string, b: string, l: Lowering): string => l.emit.op("Where", [l.emit.op("Less", [b, a]), b, a]);

function comparison(opType: string): Lower<OpName> {
  return (node, l) => {
    const dtype = computeType(opType, node.inputs[0]!.dtype);
    return l.emit.op(opType, broadcastOperands(node.inputs, node.shape, dtype, l));
  };
}

/** Constants of one value need no tensor of their own where the other operands alone have the result's shape. */
function broadcastOperands(
  nodes: readonly Node[],
  shape: readonly number[],
  dtype: DType,
  l: Lowering,
  others: readonly number[] = [],
): string[] {
  const rest = nodes.filter((n) => !isSplat(n)).reduce<readonly number[]>((s, n) => broadcast(s, n.shape), others);
  const small = sameShape(rest, shape);
  return nodes.map((n) => (small ? l.operand(n, dtype) : l.as(n, dtype)));
}

/** floor, ceil and round leave whole numbers as they are. */
function rounding(opType: string): Lower<OpName> {
  const round = elementwise(opType);
  return (node, l) =>
    node.dtype.startsWith("float") || node.dtype === "bfloat16" ? round(node, l) : l.value(node.inputs[0]!);
}

/** Computes in `dtype` what has no operator, and casts back. */
function composed(node: Node, l: Lowering, body: (x: string, number: (value: number) => string) => string): string {
  const dtype = node.dtype === "float64" ? "float64" : "float32";
  return l.emit.cast(
    body(l.as(node.inputs[0]!, dtype), (value) => l.emit.tensor(filled(dtype, [], value))),
    dtype,
    node.dtype,
  );
}

/** log(u) x / (u - 1) with u = 1 + x as rounded makes up for the rounding (Kahan); large x have no need of it. */
function log1p(node: Node<"log1p">, l: Lowering): string {
  const { emit } = l;
  return composed(node, l, (x, number) => {
    const u = emit.op("Add", [x, number(1)]);
    const log = emit.op("Log", [u]);
    const corrected = emit.op("Div", [emit.op("Mul", [log, x]), emit.op("Sub", [u, number(1)])]);
    const small = emit.op("Where", [emit.op("Equal", [u, number(1)]), x, corrected]);
    return emit.op("Where", [emit.op("Less", [x, number(0.5)]), small, log]);
  });
}

/** tanh(x / 2) (exp(x) + 1), in which nothing cancels. */
function expm1(node: Node<"expm1">, l: Lowering): string {
  const { emit } = l;
  return composed(node, l, (x, number) => {
    const half = emit.op("Tanh", [emit.op("Mul", [x, number(0.5)])]);
    return emit.op("Mul", [half, emit.op("Add", [emit.op("Exp", [x]), number(1)])]);
  });
}

/** One TopK node gives the values and where they stand. */
function topK(node: Node<"topK"> | Node<"topKIndices">, l: Lowering): string {
  const x = node.inputs[0]!;
  const known = l.siblings.get(x)?.get(siblingKey(node)!);
  if (known !== undefined) return known;
  const { k, axis, largest } = node.attrs;
  const dtype = computeType("TopK", x.dtype);
  const attributes = { axis, largest: largest ? 1 : 0, sorted: 1 };
  const [values, indices] = l.emit.many("TopK", [l.as(x, dtype), l.emit.int64s([k])], attributes, 2);
  const found = { topK: l.emit.cast(values!, dtype, x.dtype), topKIndices: indices! };
  const other = node.op === "topK" ? "topKIndices" : "topK";
  l.share(x, `${other} ${JSON.stringify(node.attrs)}`, found[other]);
  return found[node.op];
}

function extremeIndex(opType: "ArgMax" | "ArgMin"): Lower<"argmax" | "argmin"> {
  return (node, l) => {
    const x = node.inputs[0]!;
    const { axis, keepDims } = node.attrs;
    return l.emit.op(opType, [l.as(x, computeType(opType, x.dtype))], { axis, keepdims: keepDims ? 1 : 0 });
  };
}

/** An op of one tensor, with operands of its own types after it. */
function moved(
  opType: string,
  node: Node,
  l: Lowering,
  operands: readonly string[] = [],
  attributes: Readonly<Record<string, Attribute>> = {},
): string {
  const dtype = computeType(opType, node.dtype);
  return l.emit.cast(l.emit.op(opType, [l.as(node.inputs[0]!, dtype), ...operands], attributes), dtype, node.dtype);
}

function reduction(opType: string): Lower<"sum" | "mean" | "max" | "min" | "prod"> {
  return (node, l) =>
    moved(opType, node, l, [l.emit.int64s(node.attrs.axes)], { keepdims: node.attrs.keepDims ? 1 : 0 });
}

function filled(dtype: DType, shape: readonly number[], value: number): Tensor {
  const data = new Float64Array(sizeOf(shape)).fill(value);
  return convert({ dtype: "float64", shape, data }, dtype);
}

function zeros(dtype: DType, shape: readonly number[], l: Lowering): string {
  return l.emit.op("ConstantOfShape", [l.emit.int64s(shape)], { value: allocate(dtype, [1]) });
}

// Normalization

/** One LayerNormalization node, which also gives the statistics that backward wants. */
function layerNorm(node: Node<"layerNorm">, l: Lowering): string {
  const [x, weight, bias] = node.inputs as [Node, Node | undefined, Node | undefined];
  const { dims, eps } = node.attrs;
  const dtype = computeType("LayerNormalization", node.dtype);
  const normalized = node.shape.slice(node.shape.length - dims);
  const scale = weight ? l.as(weight, dtype) : l.emit.tensor(filled(dtype, normalized, 1));
  const operands = [l.as(x, dtype), scale, ...(bias ? [l.as(bias, dtype)] : [])];
  const keys = [`mean ${dims}`, `invStd ${dims} ${eps}`];
  const wanted = l.wantedSiblings.get(x);
  const needed = keys.some((key) => wanted?.has(key));
  const attributes = { axis: -dims, epsilon: { float: eps } };
  const results = l.emit.many("LayerNormalization", operands, attributes, needed ? 3 : 1);
  if (needed && dtype === node.dtype) {
    for (const [i, key] of keys.entries()) l.share(x, key, results[i + 1]!);
  }
  return l.emit.cast(results[0]!, dtype, node.dtype);
}

const statisticType = (dtype: DType): DType => (dtype === "float64" ? "float64" : "float32");

/** ONNX Runtime keeps LayerNormalization's statistics in float32, too coarse for a float64 model. */
function layerNormByHand(node: Node<"layerNorm">, l: Lowering): string {
  const [x, weight, bias] = node.inputs as [Node, Node | undefined, Node | undefined];
  const average = mean(x, node.attrs.dims, l);
  const centered = l.emit.op("Sub", [l.value(x), average]);
  const normalized = l.emit.op("Mul", [centered, invStd(x, average, node.attrs.dims, node.attrs.eps, l)]);
  const scaled = weight ? l.emit.op("Mul", [normalized, l.value(weight)]) : normalized;
  return bias ? l.emit.op("Add", [scaled, l.value(bias)]) : scaled;
}

function lastAxes(x: Node, dims: number, l: Lowering): string {
  return l.emit.int64s(Array.from({ length: dims }, (_, i) => x.shape.length - dims + i));
}

function mean(x: Node, dims: number, l: Lowering): string {
  return l.emit.op("ReduceMean", [l.as(x, statisticType(x.dtype)), lastAxes(x, dims, l)], { keepdims: 1 });
}

function invStd(x: Node, average: string, dims: number, eps: number, l: Lowering): string {
  const dtype = statisticType(x.dtype);
  const centered = l.emit.op("Sub", [l.as(x, dtype), average]);
  const square = l.emit.op("Mul", [centered, centered]);
  const variance = l.emit.op("ReduceMean", [square, lastAxes(x, dims, l)], { keepdims: 1 });
  const shifted = l.emit.op("Add", [variance, l.emit.tensor(filled(dtype, [], eps))]);
  return l.emit.op("Reciprocal", [l.emit.op("Sqrt", [shifted])]);
}
