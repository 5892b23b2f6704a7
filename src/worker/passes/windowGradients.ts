import { sizeOf } from "../formats/tensor";
import {
  arange,
  concat,
  gather,
  matmul,
  pad,
  reduce,
  reshape,
  scatterElementsAdd,
  slice,
  transpose,
} from "../graph/build";
import type { Node } from "../graph/node";
import type { ConvAttrs } from "../graph/ops";
import { conv, convTranspose, maxPoolIndicesWith } from "../graph/windows";
import type { Rule } from "./rule";

/** Gradients of convolution and pooling. A convolution's gradients are convolutions. */

export const convRule: Rule<"conv"> = ({ attrs }, dy, [x, weight, bias]) => [
  () => inputGradient(dy, x!, weight!, attrs),
  () => weightGradient(x!, dy, weight!, attrs),
  bias && (() => biasGradient(dy)),
];

export const convTransposeRule: Rule<"convTranspose"> = ({ attrs }, dy, [x, weight, bias]) => [
  () => cut(conv(dy, weight!, attrs), x!.shape),
  () => weightGradient(dy, x!, weight!, attrs),
  bias && (() => biasGradient(dy)),
];

/**
 * Gradient of a convolution's input: the transposed convolution. Without strides that is a convolution by the kernel
 * turned around, for which engines have the better kernels.
 */
function inputGradient(dy: Node, x: Node, weight: Node, attrs: ConvAttrs): Node {
  const { strides, dilations, before, after, groups } = attrs;
  const [out, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const reach = kernel.map((k, i) => dilations[i]! * (k - 1));
  if (strides.every((s) => s === 1) && reach.every((r, i) => r >= before[i]! && r >= after[i]!)) {
    const turned = kernel.reduce((w, k, i) => (k === 1 ? w : gather(w, arange(k, "int64", k - 1, -1), i + 2)), weight);
    const swapped = swapFirst(reshape(turned, [groups, out / groups, perGroup, sizeOf(kernel)]), 1);
    return conv(dy, reshape(swapped, [groups * perGroup, out / groups, ...kernel]), {
      dilations,
      groups,
      before: reach.map((r, i) => r - before[i]!),
      after: reach.map((r, i) => r - after[i]!),
    });
  }
  // Elements at the end of x that the strides left over were seen by no window.
  const extra = strides.map((stride, i) => {
    const covered = (dy.shape[i + 2]! - 1) * stride + reach[i]! + 1 - before[i]! - after[i]!;
    return x.shape[i + 2]! - covered;
  });
  return convTranspose(dy, weight, { ...attrs, extra });
}

/**
 * Gradient of a convolution's weight [O, C/groups, ...kernel] from its input `long` [N, C, ...] and the gradient
 * `short` [N, O, ...] of its output: for each offset k in the kernel, the sum over n and s of
 * short[n, o, s] long[n, c, s * stride + k * dilation - before].
 */
function weightGradient(long: Node, short: Node, weight: Node, attrs: ConvAttrs): Node {
  const few = sizeOf(weight.shape.slice(2)) <= MOST_OFFSETS;
  // Engines cut strided slices an element at a time; in groups, TensorFlow.js has no kernel for the other way.
  const cheap = attrs.groups > 1 || attrs.strides.every((s) => s === 1);
  return few && cheap ? byOffsets(long, short, weight, attrs) : bySwapping(long, short, weight, attrs);
}

/** Above this many offsets in a kernel, as patch embeddings have, one convolution is quicker than a product for each. */
const MOST_OFFSETS = 49;

/** A matrix product for each offset, over batch and windows. */
function byOffsets(long: Node, short: Node, weight: Node, attrs: ConvAttrs): Node {
  const { groups, strides, dilations, before, after } = attrs;
  const [out, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const [batch, , ...counts] = short.shape as [number, number, ...number[]];
  const terms = batch * sizeOf(counts);
  const padded = swapFirst(pad(long, [0, 0, ...before], [0, 0, ...after]));
  const left = reshape(swapFirst(short), [groups, out / groups, terms]);
  const products = offsetsOf(kernel).map((at) => {
    const starts = at.map((k, i) => k * dilations[i]!);
    const ends = starts.map((start, i) => start + (counts[i]! - 1) * strides[i]! + 1);
    const [channels] = padded.shape as [number];
    const seen = slice(padded, [0, 0, ...starts], [channels, batch, ...ends], [1, 1, ...strides]);
    const product = matmul(left, reshape(seen, [groups, perGroup, terms]), { transposeB: true });
    return reshape(product, [out, perGroup, 1]);
  });
  return reshape(concat(products, 2), weight.shape);
}

/** A convolution again: batch and channels swapped, `short` its kernel, strides and dilations in each other's place. */
function bySwapping(long: Node, short: Node, weight: Node, attrs: ConvAttrs): Node {
  const { groups, strides, dilations, before, after } = attrs;
  const [out, perGroup] = weight.shape as [number, number];
  const [batch, channels, ...spatial] = long.shape as [number, number, ...number[]];
  // [N, g, C/g, ...] to [C/g, g N, ...]: a group's batch is a group of channels of the other convolution.
  const grouped = reshape(long, [batch, groups, channels / groups, sizeOf(spatial)]);
  const data = reshape(transpose(grouped, [2, 1, 0, 3]), [channels / groups, groups * batch, ...spatial]);
  const sums = conv(data, swapFirst(short), { strides: dilations, dilations: strides, before, after, groups });
  // Elements that the strides left over at the end make windows that no offset of the kernel stands for.
  return swapFirst(cut(sums, [perGroup, out, ...weight.shape.slice(2)]));
}

/** Swaps the axes `first` and the next. */
function swapFirst(x: Node, first = 0): Node {
  const order = x.shape.map((_, i) => i);
  [order[first], order[first + 1]] = [first + 1, first];
  return transpose(x, order);
}

/** Every index tuple of a kernel, in row-major order. */
function offsetsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])),
    [[]],
  );
}

function cut(x: Node, shape: readonly number[]): Node {
  return slice(
    x,
    shape.map(() => 0),
    shape,
  );
}

function biasGradient(dy: Node): Node {
  return reduce(
    "sum",
    dy,
    dy.shape.flatMap((_, i) => (i === 1 ? [] : [i])),
    false,
  );
}

/** Each window's gradient goes to its largest element; of equals to the first, as PyTorch gives it. */
export const maxPoolRule: Rule<"maxPool"> = ({ attrs }, dy, [x]) => [
  () => {
    const flat = (node: Node) => reshape(node, [...node.shape.slice(0, 2), sizeOf(node.shape.slice(2))]);
    const to = [...x!.shape.slice(0, 2), sizeOf(x!.shape.slice(2))];
    return reshape(scatterElementsAdd(flat(maxPoolIndicesWith(x!, attrs)), flat(dy), 2, to), x!.shape);
  },
];
