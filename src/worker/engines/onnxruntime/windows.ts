import type { DType } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { sizeOf } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import type { PoolAttrs } from "../../graph/ops";
import type { Attribute } from "./emitter";
import { computeType } from "./kernels";
import { type Lowering, siblingKey } from "./lowering";
import { comparedPositions } from "./maxPoolPositions";

/** Convolution and pooling. */

export function lowerConv(node: Node<"conv">, l: Lowering): string {
  return convolution("Conv", node, l, {});
}

export function lowerConvTranspose(node: Node<"convTranspose">, l: Lowering): string {
  if (node.attrs.strides.length === 3 && !l.kernels.convTranspose3d) {
    throw new UserError(
      "ONNX Runtime's WebGPU has no transposed convolution over three dimensions: choose ONNX Runtime (CPU) or TensorFlow.js as the engine for this model",
      node.place && { file: node.place.file, line: node.place.line },
    );
  }
  return convolution("ConvTranspose", node, l, { output_padding: node.attrs.extra });
}

function convolution(
  opType: "Conv" | "ConvTranspose",
  node: Node<"conv"> | Node<"convTranspose">,
  l: Lowering,
  more: Readonly<Record<string, Attribute>>,
): string {
  const dtype = computeType(opType, node.dtype);
  const { strides, before, after, dilations, groups } = node.attrs;
  const operands = node.inputs.map((n) => l.as(n, dtype));
  const result = l.emit.op(opType, operands, {
    kernel_shape: node.inputs[1]!.shape.slice(2),
    strides,
    dilations,
    pads: [...before, ...after],
    group: groups,
    ...more,
  });
  return l.emit.cast(result, dtype, node.dtype);
}

/** A MaxPool returns values and positions; positions are requested only if the graph uses them. */
export function lowerMaxPool(node: Node<"maxPool"> | Node<"maxPoolIndices">, l: Lowering): string {
  const x = node.inputs[0]!;
  const known = l.siblings.get(x)?.get(siblingKey(node)!);
  if (known !== undefined) return known;
  const key = JSON.stringify(node.attrs);
  const dtype = computeType("MaxPool", x.dtype);
  const { kernel, strides, dilations } = node.attrs;
  const indexed = l.wantedSiblings.get(x)!.has(`maxPoolIndices ${key}`);
  const { value, shape, before, after } = padded(x, dtype, node.attrs, l);
  const attributes = { kernel_shape: kernel, strides, dilations, pads: [...before, ...after] };
  const outputs = indexed && l.kernels.maxPoolIndices ? 2 : 1;
  const [values, positions] = l.emit.many("MaxPool", [value], attributes, outputs);
  const largest = l.emit.cast(values!, dtype, x.dtype);
  if (!indexed) return largest;
  const within =
    positions === undefined
      ? comparedPositions(l.as(x, dtype), values!, dtype, node, l)
      : channelPositions(positions, shape, x.shape, node.attrs.before, l);
  if (node.op === "maxPoolIndices") {
    l.share(x, `maxPool ${key}`, largest);
    return within;
  }
  l.share(x, `maxPoolIndices ${key}`, within);
  return largest;
}

interface Padded {
  readonly value: string;
  readonly shape: readonly number[];
  /** The padding that is left for the kernel. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** ONNX Runtime refuses padding as long as the kernel, which ceil mode with dilation can need: it is added apart. */
function padded(x: Node, dtype: DType, { kernel, before, after }: PoolAttrs, l: Lowering): Padded {
  const value = l.as(x, dtype);
  if (kernel.every((k, i) => before[i]! < k && after[i]! < k)) return { value, shape: x.shape, before, after };
  const least = l.emit.cast(
    l.emit.tensor({ dtype: "float64", shape: [], data: Float64Array.of(Number.NEGATIVE_INFINITY) }),
    "float64",
    dtype,
  );
  const none = before.map(() => 0);
  return {
    value: l.emit.op("Pad", [value, l.emit.int64s([0, 0, ...before, 0, 0, ...after]), least]),
    shape: x.shape.map((d, i) => (i < 2 ? d : d + before[i - 2]! + after[i - 2]!)),
    before: none,
    after: none,
  };
}

/** ONNX counts positions over the whole tensor, PyTorch over the channel. */
function channelPositions(
  positions: string,
  pooled: readonly number[],
  shape: readonly number[],
  before: readonly number[],
  l: Lowering,
): string {
  const number = (value: number) => l.emit.tensor({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) });
  const within = l.emit.op("Mod", [positions, number(sizeOf(pooled.slice(2)))]);
  if (pooled.every((d, i) => d === shape[i])) return within;
  // From positions in the padded channel to positions in the channel itself, an axis at a time.
  let sum: string | undefined;
  let rest = within;
  for (let axis = 2; axis < shape.length; axis++) {
    const stride = sizeOf(pooled.slice(axis + 1));
    const at = l.emit.op("Sub", [l.emit.op("Div", [rest, number(stride)]), number(before[axis - 2]!)]);
    rest = l.emit.op("Mod", [rest, number(stride)]);
    const step = l.emit.op("Mul", [at, number(sizeOf(shape.slice(axis + 1)))]);
    sum = sum === undefined ? step : l.emit.op("Add", [sum, step]);
  }
  return sum!;
}
