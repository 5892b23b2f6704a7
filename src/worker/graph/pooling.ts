import { concat, constant, full, mul, narrow, reduce, reshape } from "./build";
import type { Node } from "./node";
import { ShapeError } from "./shapes";
import { conv, type PerAxis, type PoolOptions, poolAttrs } from "./windows";

/** Pooling composed of other ops, over [N, C, ...spatial]. */

export interface AveragePoolOptions extends Omit<PoolOptions, "dilations"> {
  /** Whether the padding's zeros count as elements; true by default, as in PyTorch. */
  readonly countIncludePad?: boolean;
  /** The divisor of each window's sum, instead of the number of its elements. */
  readonly divisor?: number;
}

/** Windows along one axis that are written out one by one; an image has a thousand. */
const MAX_WINDOWS = 100_000;

function few(windows: number): number {
  if (windows <= MAX_WINDOWS) return windows;
  throw new ShapeError(`pooling to a size of ${windows} is not supported; the most is ${MAX_WINDOWS}`);
}

/** Mean of each window: PyTorch's F.avg_pool1d to 3d. */
export function averagePool(x: Node, kernel: PerAxis, options: AveragePoolOptions = {}): Node {
  const attrs = poolAttrs("avg_pool", x, kernel, options);
  const { strides, before, after } = attrs;
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const padding = before;
  // What ceil mode adds after the padding is never counted.
  const included = options.countIncludePad ?? true;
  const inside = attrs.kernel.map((k, i) => {
    const [first, last] = included ? [-padding[i]!, spatial[i]! + padding[i]!] : [0, spatial[i]!];
    const length = spatial[i]! + before[i]! + after[i]!;
    const count = Math.floor((length - k) / strides[i]!) + 1;
    return Array.from({ length: few(count) }, (_, w) => {
      const start = w * strides[i]! - before[i]!;
      return Math.min(start + k, last) - Math.max(start, first);
    });
  });
  const counts = inside.reduce<number[]>((all, axis) => all.flatMap((n) => axis.map((m) => n * m)), [1]);
  const factors = counts.map((count) => 1 / (options.divisor ?? count));
  const alone = reshape(x, [batch * channels, 1, ...spatial]);
  const window = full(1, [1, 1, ...attrs.kernel], x.dtype);
  const sums = conv(alone, window, { strides, before, after });
  const same = factors.every((factor) => factor === factors[0]);
  const factor = same
    ? full(factors[0]!, [], x.dtype)
    : constant(Float64Array.from(factors), sums.shape.slice(2), x.dtype);
  return reshape(mul(sums, factor), [batch, channels, ...sums.shape.slice(2)]);
}

/**
 * PyTorch's adaptive pooling: along each spatial axis of length L, output i of n covers the elements from floor(i L / n)
 * to ceil((i + 1) L / n). Both a mean of means and a largest of largest are taken an axis at a time. `undefined` leaves
 * an axis as it is.
 */
export function adaptivePool(op: "mean" | "max", x: Node, sizes: readonly (number | undefined)[]): Node {
  const first = x.shape.length - sizes.length;
  if (sizes.every((size) => size === 1)) {
    return reduce(
      op,
      x,
      sizes.map((_, i) => i + first),
      true,
    );
  }
  return sizes.reduce<Node>((node, size, i) => alongAxis(op, node, i + first, size), x);
}

function alongAxis(op: "mean" | "max", x: Node, axis: number, size: number | undefined): Node {
  const length = x.shape[axis]!;
  if (size === undefined || size === length) return x;
  if (size === 1) return reduce(op, x, [axis], true);
  if (length % size === 0) {
    const split = [...x.shape.slice(0, axis), size, length / size, ...x.shape.slice(axis + 1)];
    return reduce(op, reshape(x, split), [axis + 1], false);
  }
  const bins = Array.from({ length: few(size) }, (_, i) => {
    const [start, end] = [Math.floor((i * length) / size), Math.ceil(((i + 1) * length) / size)];
    return reduce(op, narrow(x, axis, start, end), [axis], true);
  });
  return concat(bins, axis);
}
