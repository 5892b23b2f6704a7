import { mul, pad, reshape, scalar, slice, transpose } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import type { Config } from "../config";
import { ConfigError } from "../config";

/** Spatial windows over tensors of the form [batch, ...spatial, channels]. */

export interface Window {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: string;
}

/** Every position is a few graph nodes. */
const MAX_POSITIONS = 4096;

/** Moves channels last, where a configuration keeps them first. */
export function channelsLast(x: Node, config: Config): Node {
  return isChannelsFirst(config) ? transpose(x, [0, ...spatialAxes(x).map((a) => a + 1), 1]) : x;
}

/** The inverse of `channelsLast`. */
export function channelsBack(x: Node, config: Config): Node {
  const rank = x.shape.length;
  return isChannelsFirst(config) ? transpose(x, [0, rank - 1, ...spatialAxes(x)]) : x;
}

export function isChannelsFirst(config: Config): boolean {
  return config.text("data_format", "channels_last") === "channels_first";
}

/** Axes between batch and channels. */
export function spatialAxes(x: Node): number[] {
  return x.shape.slice(1, -1).map((_, i) => i + 1);
}

export function requireRank(x: Node, rank: number): void {
  if (x.shape.length === rank) return;
  throw new ConfigError(`it takes an input of ${rank} dimensions, batch included; this one has ${x.shape.length}`);
}

/**
 * TensorFlow's padding: "same" gives ceil(in / stride) outputs and puts the odd element at the end; "causal" pads the
 * front only.
 */
export function paddingOf({ size, strides, dilation, padding }: Window, spatial: readonly number[]) {
  const total = spatial.map((n, i) => {
    const extent = (size[i]! - 1) * dilation[i]! + 1;
    if (padding === "valid") return 0;
    if (padding === "causal") return extent - 1;
    if (padding !== "same") throw new ConfigError(`padding "${padding}" is neither "valid", "same" nor "causal"`);
    return Math.max((Math.ceil(n / strides[i]!) - 1) * strides[i]! + extent - n, 0);
  });
  const before = total.map((n) => (padding === "causal" ? n : Math.floor(n / 2)));
  return { before, after: total.map((n, i) => n - before[i]!) };
}

/** For each position in the window, row-major, what it sees: [batch, ...out, channels]. Padding holds `fill`. */
export function windows(x: Node, window: Window, fill: number): Node[] {
  const { size, strides, dilation } = window;
  const spatial = x.shape.slice(1, -1);
  const positions = size.reduce((n, k) => n * k, 1);
  if (positions > MAX_POSITIONS) {
    throw new ConfigError(`a window of ${positions} positions is more than the ${MAX_POSITIONS} that are supported`);
  }
  const { before, after } = paddingOf(window, spatial);
  const padded = pad(x, [0, ...before, 0], [0, ...after, 0], fill);
  const out = spatial.map((_, i) => {
    const extent = (size[i]! - 1) * dilation[i]! + 1;
    return Math.floor((padded.shape[i + 1]! - extent) / strides[i]!) + 1;
  });
  if (out.some((n) => n < 1)) {
    throw new ConfigError(`its window of ${size.join("×")} is larger than the input of ${spatial.join("×")}`);
  }
  return offsets(size).map((offset) => {
    const starts = offset.map((o, i) => o * dilation[i]!);
    const ends = starts.map((s, i) => s + (out[i]! - 1) * strides[i]! + 1);
    return slice(padded, [0, ...starts, 0], [x.shape[0]!, ...ends, x.shape.at(-1)!], [1, ...strides, 1]);
  });
}

/** Every index into a box of the size, row-major. */
export function offsets(size: readonly number[]): number[][] {
  return size.reduce<number[][]>(
    (all, n) => all.flatMap((head) => Array.from({ length: n }, (_, i) => [...head, i])),
    [[]],
  );
}

/** Puts `stride - 1` zeros after each element along the axis, but the last. */
export function spread(x: Node, axis: number, stride: number): Node {
  if (stride === 1) return x;
  const length = x.shape[axis]!;
  const split = reshape(x, [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]);
  const none = split.shape.map(() => 0);
  const filled = pad(
    split,
    none,
    none.map((_, i) => (i === axis + 1 ? stride - 1 : 0)),
  );
  const joined = reshape(
    filled,
    x.shape.map((d, i) => (i === axis ? d * stride : d)),
  );
  return slice(
    joined,
    joined.shape.map(() => 0),
    joined.shape.map((d, i) => (i === axis ? (length - 1) * stride + 1 : d)),
  );
}

/** x times a number. */
export function times(x: Node, factor: number): Node {
  return factor === 1 ? x : mul(x, scalar(factor, x.dtype));
}
