import type * as Tf from "@tensorflow/tfjs";
import type { DType } from "../../formats/dtype";
import { sizeOf } from "../../formats/tensor";
import type { OpsOf } from "../../graph/kinds";
import type { Node } from "../../graph/node";
import type { OpName, TopKAttrs } from "../../graph/ops";
import { stridesOf } from "../../graph/shapes";
import { batchedProduct, linearProduct, type OpContext } from "./products";
import { broadcastTo, tfType } from "./tensor";
import { convolve, convolveTransposed, largestOfWindows, placesOfLargest } from "./windows";

type Compute<O extends OpName> = (context: OpContext, operands: readonly Tf.Tensor[], node: Node<O>) => Tf.Tensor;
type Leaf = OpsOf<"leaf">;

/**
 * Each op in terms of TensorFlow.js. The caller casts and broadcasts the result to the node's type and shape, so an op
 * need not.
 */
export const OPS: { readonly [O in Exclude<OpName, Leaf>]: Compute<O> } = {
  neg: unary((tf) => tf.neg),
  abs: unary((tf) => tf.abs),
  sign: unary((tf) => tf.sign),
  exp: unary((tf) => tf.exp),
  log: unary((tf) => tf.log),
  sqrt: unary((tf) => tf.sqrt),
  reciprocal: unary((tf) => tf.reciprocal),
  sin: unary((tf) => tf.sin),
  cos: unary((tf) => tf.cos),
  tanh: unary((tf) => tf.tanh),
  sigmoid: unary((tf) => tf.sigmoid),
  erf: unary((tf) => tf.erf),
  atan: unary((tf) => tf.atan),
  log1p: unary((tf) => tf.log1p),
  expm1: unary((tf) => tf.expm1),
  relu: unary((tf) => tf.relu),
  gelu: ({ tf }, [x], { attrs }) => gelu(tf, x!, attrs.approximate),
  floor: rounding((tf) => tf.floor),
  ceil: rounding((tf) => tf.ceil),
  round: rounding((tf) => tf.round),
  not: unary((tf) => tf.logicalNot),
  cast: ({ tf }, [x], { attrs }) => cast(tf, x!, attrs.to),
  dropout: (_, [x]) => x!,
  detach: (_, [x]) => x!,
  layer: (_, [output]) => output!,

  add: binary((tf) => tf.add),
  sub: binary((tf) => tf.sub),
  mul: binary((tf) => tf.mul),
  div: ({ tf }, [a, b], { dtype }) => {
    if (tfType(dtype) === "float32") return tf.div(a!, b!);
    // TensorFlow.js rounds a quotient of whole numbers down, ONNX and C toward zero.
    return tf.cast(tf.div(tf.cast(a!, "float32"), tf.cast(b!, "float32")), "int32");
  },
  pow: ({ tf }, [a, b], { dtype }) =>
    tfType(dtype) === "float32" ? tf.pow(a!, b!) : tf.round(tf.pow(tf.cast(a!, "float32"), tf.cast(b!, "float32"))),
  maximum: binary((tf) => tf.maximum),
  minimum: binary((tf) => tf.minimum),
  equal: binary((tf) => tf.equal),
  less: binary((tf) => tf.less),
  lessEqual: binary((tf) => tf.lessEqual),
  and: binary((tf) => tf.logicalAnd),
  or: binary((tf) => tf.logicalOr),
  where: ({ tf }, [condition, a, b], { shape }) => {
    const whole = (x: Tf.Tensor) => broadcastTo(tf, x, shape);
    return tf.where(whole(condition!), whole(numeric(tf, a!)), whole(numeric(tf, b!)));
  },

  linear: (context, [x, weight, bias], node) => linearProduct(context, x!, weight!, bias, node),
  matmul: (context, [a, b, c], node) => {
    const product = batchedProduct(context, a!, b!, node);
    const scaled = node.attrs.alpha === 1 ? product : context.tf.mul(product, node.attrs.alpha);
    return c ? context.tf.add(scaled, c) : scaled;
  },

  conv: (context, [x, weight, bias], { attrs }) => convolve(context, x!, weight!, bias, attrs),
  convTranspose: (context, [x, weight, bias], { attrs }) => convolveTransposed(context, x!, weight!, bias, attrs),
  maxPool: (context, [x], { attrs }) => largestOfWindows(context, x!, attrs),
  maxPoolIndices: (context, [x], { attrs }) => placesOfLargest(context, x!, attrs),

  reshape: ({ tf }, [x], { shape }) => tf.reshape(x!, [...shape]),
  transpose: ({ tf }, [x], { attrs }) => tf.transpose(x!, [...attrs.perm]),
  expand: ({ tf }, [x], { shape }) => broadcastTo(tf, x!, shape),
  slice: ({ tf }, [x], { attrs, shape }) => {
    if (sizeOf(shape) === 0) return tf.zeros([...shape], x!.dtype);
    if (attrs.steps.every((s) => s === 1)) return tf.slice(x!, [...attrs.starts], [...shape]);
    return tf.stridedSlice(x!, [...attrs.starts], [...attrs.ends], [...attrs.steps]);
  },
  concat: ({ tf }, parts, { attrs }) => tf.concat([...parts], attrs.axis),
  pad: ({ tf }, [x], { attrs }) =>
    tf.pad(
      numeric(tf, x!),
      attrs.before.map((b, i): [number, number] => [b, attrs.after[i]!]),
      attrs.value,
    ),

  gather: ({ tf }, [data, indices], { attrs }) => tf.gather(data!, indices!, attrs.axis),
  scatterAdd: ({ tf }, [indices, updates], node) => {
    // scatterND indexes leading axes: the axis is brought to the front, and back.
    const { axis, shape } = node.attrs;
    const count = sizeOf(node.inputs[0]!.shape);
    const flat = tf.reshape(
      updates!,
      shape.map((d, i) => (i === axis ? count : d)),
    );
    const order = [axis, ...shape.map((_, i) => i).filter((i) => i !== axis)];
    const front = axis === 0 ? flat : tf.transpose(flat, order);
    const target = order.map((i) => shape[i]!);
    const sums = tf.scatterND(tf.reshape(indices!, [count, 1]), front, target);
    return axis === 0
      ? sums
      : tf.transpose(
          sums,
          order.map((_, i) => order.indexOf(i)),
        );
  },
  gatherElements: ({ tf }, [data, indices], node) => {
    const at = flatPositions(tf, indices!, node.inputs[0]!.shape, node.attrs.axis);
    return tf.gather(tf.reshape(data!, [-1]), at);
  },
  scatterElements: ({ tf }, [data, indices, updates], node) => {
    const at = flatPositions(tf, indices!, node.shape, node.attrs.axis);
    const flat = tf.reshape(numeric(tf, data!), [-1]);
    const values = tf.reshape(numeric(tf, updates!), [-1]);
    return tf.reshape(tf.tensorScatterUpdate(flat, tf.reshape(at, [-1, 1]), values), [...node.shape]);
  },
  scatterElementsAdd: ({ tf }, [indices, updates], { attrs }) => {
    const at = flatPositions(tf, indices!, attrs.shape, attrs.axis);
    const sums = tf.scatterND(tf.reshape(at, [-1, 1]), tf.reshape(updates!, [-1]), [sizeOf(attrs.shape)]);
    return tf.reshape(sums, [...attrs.shape]);
  },

  sum: ({ tf }, [x], { attrs }) => tf.sum(x!, [...attrs.axes], attrs.keepDims),
  mean: ({ tf }, [x], { attrs }) => tf.mean(x!, [...attrs.axes], attrs.keepDims),
  max: ({ tf }, [x], { attrs }) => tf.max(numeric(tf, x!), [...attrs.axes], attrs.keepDims),
  min: ({ tf }, [x], { attrs }) => tf.min(numeric(tf, x!), [...attrs.axes], attrs.keepDims),
  prod: ({ tf }, [x], { attrs }) => tf.prod(numeric(tf, x!), [...attrs.axes], attrs.keepDims),
  argmax: ({ tf }, [x], { attrs, shape }) => tf.reshape(tf.argMax(numeric(tf, x!), attrs.axis), [...shape]),
  argmin: ({ tf }, [x], { attrs, shape }) => tf.reshape(tf.argMin(numeric(tf, x!), attrs.axis), [...shape]),
  topK: ({ tf }, [x], { attrs }) => topK(tf, x!, attrs).values,
  topKIndices: ({ tf }, [x], { attrs }) => topK(tf, x!, attrs).indices,
  cumsum: ({ tf }, [x], { attrs }) => tf.cumsum(x!, attrs.axis),

  softmax: ({ tf }, [x], { attrs }) => {
    const powers = tf.exp(tf.sub(x!, tf.max(x!, attrs.axis, true)));
    return tf.div(powers, tf.sum(powers, attrs.axis, true));
  },
  logSoftmax: ({ tf }, [x], { attrs }) => {
    const shifted = tf.sub(x!, tf.max(x!, attrs.axis, true));
    return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), attrs.axis, true)));
  },
  layerNorm: ({ tf }, [x, weight, bias], { attrs }) => {
    const centered = tf.sub(x!, lastMean(tf, x!, attrs.dims));
    const normalized = tf.mul(centered, invStd(tf, centered, attrs.dims, attrs.eps));
    const scaled = weight ? tf.mul(normalized, weight) : normalized;
    return bias ? tf.add(scaled, bias) : scaled;
  },
  layerNormMean: ({ tf }, [x], { attrs }) => lastMean(tf, x!, attrs.dims),
  layerNormInvStd: ({ tf }, [x], { attrs }) =>
    invStd(tf, tf.sub(x!, lastMean(tf, x!, attrs.dims)), attrs.dims, attrs.eps),
};

type UnaryOp = (x: Tf.Tensor) => Tf.Tensor;
type BinaryOp = (a: Tf.Tensor, b: Tf.Tensor) => Tf.Tensor;

function unary(pick: (tf: typeof Tf) => UnaryOp): Compute<OpName> {
  return ({ tf }, [x]) => pick(tf)(x!);
}

/** Whole numbers stay as they are. */
function rounding(pick: (tf: typeof Tf) => UnaryOp): Compute<OpName> {
  return ({ tf }, [x]) => (x!.dtype === "float32" ? pick(tf)(x!) : x!);
}

function binary(pick: (tf: typeof Tf) => BinaryOp): Compute<OpName> {
  return ({ tf }, [a, b], node) => {
    const logical = node.op === "and" || node.op === "or";
    return logical ? pick(tf)(a!, b!) : pick(tf)(numeric(tf, a!), numeric(tf, b!));
  };
}

/** TensorFlow.js takes the largest along the last axis. */
function topK(tf: typeof Tf, x: Tf.Tensor, { k, axis, largest }: TopKAttrs): { values: Tf.Tensor; indices: Tf.Tensor } {
  const order = x.shape.map((_, i) => i).with(axis, x.shape.length - 1);
  order[x.shape.length - 1] = axis;
  const toLast = (v: Tf.Tensor) => (axis === x.shape.length - 1 ? v : tf.transpose(v, order));
  const turned = toLast(numeric(tf, x));
  const { values, indices } = tf.topk(largest ? turned : tf.neg(turned), k, true);
  return { values: toLast(largest ? values : tf.neg(values)), indices: toLast(indices) };
}

/** Few kernels take bool. */
function numeric(tf: typeof Tf, x: Tf.Tensor): Tf.Tensor {
  return x.dtype === "bool" ? tf.cast(x, "int32") : x;
}

/** gelu(x) = x Φ(x); the approximation is that of Hendrycks and Gimpel (arXiv 1606.08415). */
function gelu(tf: typeof Tf, x: Tf.Tensor, approximate: "none" | "tanh"): Tf.Tensor {
  const inner =
    approximate === "none"
      ? tf.erf(tf.mul(x, Math.SQRT1_2))
      : tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI)));
  return tf.mul(tf.mul(x, 0.5), tf.add(inner, 1));
}

/** Whole numbers drop the fraction and wrap at the type's width, as in C. */
function cast(tf: typeof Tf, x: Tf.Tensor, to: DType): Tf.Tensor {
  if (to === "bool") return tf.notEqual(numeric(tf, x), tf.scalar(0, x.dtype === "float32" ? "float32" : "int32"));
  const result = tf.cast(x, tfType(to));
  const span = to === "int8" || to === "uint8" ? 256 : to === "int16" ? 65536 : undefined;
  if (span === undefined) return result;
  const least = to === "uint8" ? 0 : span / 2;
  const wrapped = tf.mod(tf.add(tf.cast(result, "float32"), least), tf.scalar(span));
  return tf.cast(tf.sub(wrapped, least), "int32");
}

/** For each index along `axis`, its element's position in the flattened tensor of `shape`. */
function flatPositions(tf: typeof Tf, indices: Tf.Tensor, shape: readonly number[], axis: number): Tf.Tensor {
  const strides = stridesOf(shape);
  let positions = tf.mul(indices, tf.scalar(strides[axis]!, "int32"));
  for (const [i, d] of indices.shape.entries()) {
    if (i === axis || d === 1) continue;
    const along = tf.reshape(
      tf.range(0, d, 1, "int32"),
      indices.shape.map((_, k) => (k === i ? d : 1)),
    );
    positions = tf.add(positions, tf.mul(along, tf.scalar(strides[i]!, "int32")));
  }
  return positions;
}

function lastMean(tf: typeof Tf, x: Tf.Tensor, dims: number): Tf.Tensor {
  return tf.mean(
    x,
    Array.from({ length: dims }, (_, i) => x.shape.length - dims + i),
    true,
  );
}

function invStd(tf: typeof Tf, centered: Tf.Tensor, dims: number, eps: number): Tf.Tensor {
  return tf.rsqrt(tf.add(lastMean(tf, tf.square(centered), dims), eps));
}
