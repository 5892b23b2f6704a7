import { isFloating } from "../formats/dtype";
import { make, requireOneDType } from "./make";
import type { Node, Shape } from "./node";
import type { ConvAttrs, PoolAttrs } from "./ops";
import { DTypeError, ShapeError, sameShape, shapeText } from "./shapes";

/**
 * Constructors of the nodes that slide a window over [N, C, ...spatial], with one to three spatial axes. An input
 * without a batch gets one from its caller. Average pooling is composed from these: see pooling.ts.
 */

/** One number for every spatial axis, or one for each. */
export type PerAxis = number | readonly number[];

export interface ConvOptions {
  readonly bias?: Node;
  /** Default 1. */
  readonly strides?: PerAxis;
  /** Zeros added at both ends, default 0; `before` and `after` where the ends differ. */
  readonly padding?: PerAxis;
  readonly before?: readonly number[];
  readonly after?: readonly number[];
  /** Default 1. */
  readonly dilations?: PerAxis;
  /** Default 1. */
  readonly groups?: number;
}

/** x [N, C, ...] with weight [O, C/groups, ...kernel] -> [N, O, ...]. */
export function conv(x: Node, weight: Node, options: ConvOptions = {}): Node {
  const what = `conv${x.shape.length - 2}d`;
  const attrs = convAttrs(what, x, weight, options);
  const [out, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const { groups } = attrs;
  if (x.shape[1] !== perGroup * groups) {
    throw new ShapeError(
      `${what} expects weight [out, in/groups, ...kernel]; the input ${shapeText(x.shape)} has ${x.shape[1]} channels, the weight ${shapeText(weight.shape)} takes ${perGroup * groups}${inGroups(groups)}`,
    );
  }
  if (out % groups !== 0) throw new ShapeError(`${what}: ${out} output channels do not divide into ${groups} groups`);
  const inputs = withBias(what, x, weight, options.bias, out);
  const spatial = windowCounts(what, x.shape, kernel, attrs);
  return make("conv", inputs, attrs, [x.shape[0]!, out, ...spatial], x.dtype);
}

export interface ConvTransposeOptions extends ConvOptions {
  /** PyTorch's output_padding, default 0. */
  readonly extra?: PerAxis;
}

/** x [N, C, ...] with weight [C, O/groups, ...kernel] -> [N, O, ...]. */
export function convTranspose(x: Node, weight: Node, options: ConvTransposeOptions = {}): Node {
  const what = `conv_transpose${x.shape.length - 2}d`;
  const conv = convAttrs(what, x, weight, options);
  const [channels, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const attrs = { ...conv, extra: perAxis(what, "output padding", options.extra ?? 0, kernel.length, 0) };
  if (x.shape[1] !== channels) {
    throw new ShapeError(
      `${what} expects weight [in, out/groups, ...kernel]; the input ${shapeText(x.shape)} has ${x.shape[1]} channels, the weight ${shapeText(weight.shape)} takes ${channels}`,
    );
  }
  if (channels % conv.groups !== 0) {
    throw new ShapeError(`${what}: ${channels} input channels do not divide into ${conv.groups} groups`);
  }
  const out = perGroup * conv.groups;
  const inputs = withBias(what, x, weight, options.bias, out);
  const spatial = kernel.map((k, i) => {
    const { strides, before, after, dilations, extra } = attrs;
    if (extra[i]! >= strides[i]! && extra[i]! >= dilations[i]!) {
      throw new ShapeError(
        `${what}: output padding must be smaller than the stride or the dilation; it is ${extra[i]} with stride ${strides[i]} and dilation ${dilations[i]}`,
      );
    }
    const length = (x.shape[i + 2]! - 1) * strides[i]! + dilations[i]! * (k - 1) + 1;
    return length - before[i]! - after[i]! + extra[i]!;
  });
  if (spatial.some((d) => d < 1)) {
    throw new ShapeError(`${what} of an input ${shapeText(x.shape)} would have the spatial size ${shapeText(spatial)}`);
  }
  return make("convTranspose", inputs, attrs, [x.shape[0]!, out, ...spatial], x.dtype);
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  readonly strides?: PerAxis;
  /** Default 0; at most half the kernel, as in PyTorch. */
  readonly padding?: PerAxis;
  /** Default 1. */
  readonly dilations?: PerAxis;
  /** Windows that hang over the end count too, if they start inside the input or its padding at the start. */
  readonly ceilMode?: boolean;
}

/** Largest value of each window: PyTorch's F.max_pool1d to 3d. */
export function maxPool(x: Node, kernel: PerAxis, options: PoolOptions = {}): Node {
  const attrs = poolAttrs("max_pool", x, kernel, options);
  return maxPoolWith(x, attrs);
}

function maxPoolWith(x: Node, attrs: PoolAttrs): Node {
  return make("maxPool", [x], attrs, poolShape("max_pool", x, attrs), x.dtype);
}

/** int64: the position of each of maxPool's values among its channel's elements, as with return_indices=True. */
export function maxPoolIndices(x: Node, kernel: PerAxis, options: PoolOptions = {}): Node {
  return maxPoolIndicesWith(x, poolAttrs("max_pool", x, kernel, options));
}

/** The indices that go with a maxPool node of the same x and attributes. */
export function maxPoolIndicesWith(x: Node, attrs: PoolAttrs): Node {
  return make("maxPoolIndices", [x], attrs, poolShape("max_pool", x, attrs), "int64");
}

function poolShape(what: string, x: Node, attrs: PoolAttrs): Shape {
  return [...x.shape.slice(0, 2), ...windowCounts(what, x.shape, attrs.kernel, attrs)];
}

/** Attributes of a pool over x. In ceil mode `after` reaches to the end of the last window. */
export function poolAttrs(what: string, x: Node, size: PerAxis, options: PoolOptions): PoolAttrs {
  requireSpatial(what, x);
  if (!isFloating(x.dtype)) throw new DTypeError(`${what} of ${x.dtype}: cast it to a floating dtype`);
  const rank = x.shape.length - 2;
  const kernel = perAxis(what, "kernel size", size, rank, 1);
  const strides = perAxis(what, "stride", options.strides ?? kernel, rank, 1);
  const padding = perAxis(what, "padding", options.padding ?? 0, rank, 0);
  const dilations = perAxis(what, "dilation", options.dilations ?? 1, rank, 1);
  const tooFar = padding.findIndex((p, i) => p > Math.floor(kernel[i]! / 2));
  if (tooFar >= 0) {
    throw new ShapeError(`${what}: padding ${padding[tooFar]} is more than half the kernel's size ${kernel[tooFar]}`);
  }
  const after = padding.map((p, i) => {
    if (!options.ceilMode) return p;
    const extent = dilations[i]! * (kernel[i]! - 1) + 1;
    const length = x.shape[i + 2]! + 2 * p;
    const count = Math.ceil((length - extent) / strides[i]!) + 1;
    const inside = (count - 1) * strides[i]! >= x.shape[i + 2]! + p ? count - 1 : count;
    return Math.max(p, p + (inside - 1) * strides[i]! + extent - length);
  });
  return { kernel, strides, before: padding, after, dilations };
}

/** How many windows fit along each spatial axis. */
function windowCounts(
  what: string,
  shape: Shape,
  kernel: readonly number[],
  { strides, before, after, dilations }: Pick<PoolAttrs, "strides" | "before" | "after" | "dilations">,
): number[] {
  return kernel.map((k, i) => {
    const length = shape[i + 2]! + before[i]! + after[i]!;
    const extent = dilations[i]! * (k - 1) + 1;
    if (extent > length) {
      throw new ShapeError(
        `${what}: the kernel spans ${extent} along dimension ${i + 2}, but the padded input ${shapeText(shape)} has ${length}`,
      );
    }
    return Math.floor((length - extent) / strides[i]!) + 1;
  });
}

function convAttrs(what: string, x: Node, weight: Node, options: ConvOptions): ConvAttrs {
  requireSpatial(what, x);
  const rank = x.shape.length - 2;
  if (weight.shape.length !== x.shape.length) {
    throw new ShapeError(
      `${what} of an input ${shapeText(x.shape)} expects a weight of ${x.shape.length} dimensions; this one is ${shapeText(weight.shape)}`,
    );
  }
  requireOneDType(what, x, weight, ...(options.bias ? [options.bias] : []));
  const padding = perAxis(what, "padding", options.padding ?? 0, rank, 0);
  const groups = options.groups ?? 1;
  if (!Number.isInteger(groups) || groups < 1) throw new ShapeError(`${what}: groups must be 1 or more, not ${groups}`);
  return {
    strides: perAxis(what, "stride", options.strides ?? 1, rank, 1),
    before: perAxis(what, "padding", options.before ?? padding, rank, 0),
    after: perAxis(what, "padding", options.after ?? padding, rank, 0),
    dilations: perAxis(what, "dilation", options.dilations ?? 1, rank, 1),
    groups,
  };
}

function requireSpatial(what: string, x: Node): void {
  const rank = x.shape.length - 2;
  if (rank >= 1 && rank <= 3) return;
  throw new ShapeError(
    `${what.replace(/-?\d+d$/, "")} expects an input [N, C, ...] with one to three spatial dimensions; this one is ${shapeText(x.shape)}`,
  );
}

function perAxis(what: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : [...value];
  if (list.length !== rank) {
    throw new ShapeError(`${what}: ${name} ${shapeText(list)} does not have one number for each of ${rank} dimensions`);
  }
  if (list.some((v) => !Number.isInteger(v) || v < least)) {
    throw new ShapeError(`${what}: ${name} ${shapeText(list)} must be whole numbers from ${least}`);
  }
  return list;
}

function withBias(what: string, x: Node, weight: Node, bias: Node | undefined, out: number): Node[] {
  if (!bias) return [x, weight];
  if (!sameShape(bias.shape, [out])) {
    throw new ShapeError(`${what} expects a bias [${out}]; this one is ${shapeText(bias.shape)}`);
  }
  return [x, weight, bias];
}

function inGroups(groups: number): string {
  return groups === 1 ? "" : ` in ${groups} groups`;
}
