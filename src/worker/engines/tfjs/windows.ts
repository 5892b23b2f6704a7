import type * as Tf from "@tensorflow/tfjs";
import { sizeOf } from "../../formats/tensor";
import type { ConvAttrs, PoolAttrs } from "../../graph/ops";
import { stridesOf } from "../../graph/shapes";
import type { OpContext } from "./products";

/**
 * Convolution and pooling. TensorFlow.js has kernels for images with the channels last, one group, and either strides or
 * dilations; what they do not take is a product over the windows' elements, cut out of the input an offset at a time.
 */

type Windows = Pick<ConvAttrs, "strides" | "before" | "after" | "dilations">;

export function convolve(
  context: OpContext,
  x: Tf.Tensor,
  weight: Tf.Tensor,
  bias: Tf.Tensor | undefined,
  attrs: ConvAttrs,
): Tf.Tensor {
  const { tf } = context;
  const whole = padded(tf, x, attrs, 0);
  const product = hasKernel(x, attrs)
    ? imageConvolution(tf, whole, weight, attrs)
    : byWindows(tf, whole, weight, attrs);
  return bias ? tf.add(product, perChannel(tf, bias, x)) : product;
}

function hasKernel(x: Tf.Tensor, { strides, dilations, groups }: ConvAttrs): boolean {
  const one = (list: readonly number[]) => list.every((v) => v === 1);
  return x.shape.length <= 4 && groups === 1 && (one(strides) || one(dilations));
}

/** One or two spatial axes; a signal is an image of one row. */
function imageConvolution(tf: typeof Tf, x: Tf.Tensor, weight: Tf.Tensor, attrs: ConvAttrs): Tf.Tensor {
  const flat = x.shape.length === 3;
  const rows = (v: Tf.Tensor): Tf.Tensor4D => (flat ? tf.expandDims(v, 2) : v) as Tf.Tensor4D;
  const pair = (list: readonly number[]): [number, number] => (flat ? [1, list[0]!] : [list[0]!, list[1]!]);
  const image = tf.transpose(rows(x), [0, 2, 3, 1]);
  const filter = tf.transpose(rows(weight), [2, 3, 1, 0]);
  const result = tf.conv2d(image, filter, pair(attrs.strides), "valid", "NHWC", pair(attrs.dilations));
  const back = tf.transpose(result, [0, 3, 1, 2]);
  return flat ? tf.squeeze(back, [2]) : back;
}

/** For each group, weight [O/g, C/g K] times the windows' elements [C/g K, N P], with K offsets and P windows. */
function byWindows(tf: typeof Tf, x: Tf.Tensor, weight: Tf.Tensor, attrs: ConvAttrs): Tf.Tensor {
  const { groups } = attrs;
  const [batch, channels] = x.shape as [number, number];
  const [out, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const counts = windowCounts(x.shape, kernel, attrs);
  const [offsets, windows] = [sizeOf(kernel), sizeOf(counts)];
  const cuts = positions(kernel).map((at) =>
    tf.reshape(cut(tf, x, at, counts, attrs), [1, batch, groups, channels / groups, windows]),
  );
  const columns = tf.reshape(tf.transpose(tf.concat(cuts, 0), [2, 3, 0, 1, 4]), [
    groups,
    perGroup * offsets,
    batch * windows,
  ]);
  const product = tf.matMul(tf.reshape(weight, [groups, out / groups, perGroup * offsets]), columns);
  const split = tf.transpose(tf.reshape(product, [out, batch, windows]), [1, 0, 2]);
  return tf.reshape(split, [batch, out, ...counts]);
}

export function convolveTransposed(
  context: OpContext,
  x: Tf.Tensor,
  weight: Tf.Tensor,
  bias: Tf.Tensor | undefined,
  attrs: TransposedAttrs,
): Tf.Tensor {
  const strided = attrs.strides.some((s) => s !== 1);
  const plain = x.shape.length <= 4 && attrs.groups === 1 && attrs.dilations.every((d) => d === 1);
  if (!strided || !plain) return byTurnedKernel(context, x, weight, bias, attrs);
  const product = imageTransposed(context.tf, x, weight, attrs);
  return bias ? context.tf.add(product, perChannel(context.tf, bias, x)) : product;
}

type TransposedAttrs = ConvAttrs & { readonly extra: readonly number[] };

/** The kernel gives the whole result, from which the padding is cut off. */
function imageTransposed(tf: typeof Tf, x: Tf.Tensor, weight: Tf.Tensor, attrs: TransposedAttrs): Tf.Tensor {
  const flat = x.shape.length === 3;
  const rows = (v: Tf.Tensor): Tf.Tensor4D => (flat ? tf.expandDims(v, 2) : v) as Tf.Tensor4D;
  const pair = (list: readonly number[], one: number): [number, number] =>
    flat ? [one, list[0]!] : [list[0]!, list[1]!];
  const image = tf.transpose(rows(x), [0, 2, 3, 1]);
  const filter = tf.transpose(rows(weight), [2, 3, 1, 0]);
  const [batch, , ...sizes] = x.shape as [number, number, ...number[]];
  const lengths = sizes.map((d, i) => (d - 1) * attrs.strides[i]! + weight.shape[i + 2]!);
  const whole = tf.conv2dTranspose(
    image,
    filter,
    [batch, ...pair(lengths, 1), weight.shape[1]!],
    pair(attrs.strides, 1),
    "valid",
  );
  const back = tf.transpose(whole, [0, 3, 1, 2]);
  const margins = attrs.before.map((b, i): [number, number] => [-b, attrs.extra[i]! - attrs.after[i]!]);
  const trimmedBack = trimmed(tf, flat ? tf.squeeze(back, [2]) : back, margins);
  return padded(tf, trimmedBack, { before: margins.map(() => 0), after: margins.map(([, a]) => Math.max(0, a)) }, 0);
}

function perChannel(tf: typeof Tf, bias: Tf.Tensor, x: Tf.Tensor): Tf.Tensor {
  return tf.reshape(bias, [-1, ...x.shape.slice(2).map(() => 1)]);
}

/** The convolution, over x with zeros between its elements, by the kernel turned around. */
function byTurnedKernel(
  context: OpContext,
  x: Tf.Tensor,
  weight: Tf.Tensor,
  bias: Tf.Tensor | undefined,
  attrs: TransposedAttrs,
): Tf.Tensor {
  const { tf } = context;
  const { groups, strides, dilations, before, after, extra } = attrs;
  const [channels, perGroup, ...kernel] = weight.shape as [number, number, ...number[]];
  const swapped = tf.reshape(swap(tf, tf.reshape(weight, [groups, channels / groups, perGroup, sizeOf(kernel)])), [
    groups * perGroup,
    channels / groups,
    ...kernel,
  ]);
  const turned = tf.reverse(
    swapped,
    kernel.map((_, i) => i + 2),
  );
  // Padding that the transposed convolution takes off its result is padding that this one does not add, or a cut.
  const reach = kernel.map((k, i) => dilations[i]! * (k - 1));
  const margins = before.map((b, i): [number, number] => [reach[i]! - b, reach[i]! - after[i]! + extra[i]!]);
  const spread = strides.reduce((v, stride, i) => withZeros(tf, v, i + 2, stride), x);
  const fitted = trimmed(tf, spread, margins);
  const ones = strides.map(() => 1);
  return convolve(context, fitted, turned, bias, {
    strides: ones,
    dilations,
    groups,
    before: margins.map(([b]) => Math.max(0, b)),
    after: margins.map(([, a]) => Math.max(0, a)),
  });
}

function swap(tf: typeof Tf, x: Tf.Tensor): Tf.Tensor {
  return tf.transpose(x, [0, 2, 1, 3]);
}

/** stride - 1 zeros between the elements along an axis. */
function withZeros(tf: typeof Tf, x: Tf.Tensor, axis: number, stride: number): Tf.Tensor {
  if (stride === 1) return x;
  const [outer, length, inner] = [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))];
  const spread = tf.pad(tf.reshape(x, [outer, length, 1, inner]), [
    [0, 0],
    [0, 0],
    [0, stride - 1],
    [0, 0],
  ]);
  const long = tf.reshape(spread, [outer, length * stride, inner]);
  const to = (length - 1) * stride + 1;
  const shape = x.shape.map((d, i) => (i === axis ? to : d));
  return tf.reshape(tf.slice(long, [0, 0, 0], [outer, to, inner]), shape);
}

/** Crops where margins are negative. */
function trimmed(tf: typeof Tf, x: Tf.Tensor, margins: readonly (readonly [number, number])[]): Tf.Tensor {
  if (margins.every(([b, a]) => b >= 0 && a >= 0)) return x;
  const off = (v: number) => Math.max(0, -v);
  const starts = margins.map(([b]) => off(b));
  const lengths = margins.map(([b, a], i) => x.shape[i + 2]! - off(b) - off(a));
  return tf.slice(x, [0, 0, ...starts], [...x.shape.slice(0, 2), ...lengths]);
}

export function largestOfWindows({ tf }: OpContext, x: Tf.Tensor, attrs: PoolAttrs): Tf.Tensor {
  if (x.shape.length === 4 && attrs.dilations.every((d) => d === 1)) {
    const image = tf.transpose(padded(tf, x, attrs, Number.NEGATIVE_INFINITY) as Tf.Tensor4D, [0, 2, 3, 1]);
    const [kernel, strides] = [attrs.kernel, attrs.strides].map((v): [number, number] => [v[0]!, v[1]!]);
    return tf.transpose(tf.maxPool(image, kernel!, strides!, "valid"), [0, 3, 1, 2]);
  }
  const whole = padded(tf, x, attrs, Number.NEGATIVE_INFINITY);
  const counts = windowCounts(whole.shape, attrs.kernel, attrs);
  return positions(attrs.kernel)
    .map((at) => cut(tf, whole, at, counts, attrs))
    .reduce((best, candidate) => tf.maximum(best, candidate));
}

/**
 * Where the windows' largest elements stand in their channel; the first of equals. TensorFlow.js has no such kernel but
 * for images on some devices, and cutting out and comparing an offset at a time takes its WebAssembly kernels twenty
 * times as long as this loop over the values on the host.
 */
export function placesOfLargest({ tf }: OpContext, x: Tf.Tensor, attrs: PoolAttrs): Tf.Tensor {
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const margins = spatial.map((d, i) => d + attrs.before[i]! + attrs.after[i]!);
  const counts = windowCounts([batch, channels, ...margins], attrs.kernel, attrs);
  const steps = stridesOf(spatial);
  const offsets = positions(attrs.kernel).map((at) => at.map((k, i) => k * attrs.dilations[i]!));
  // For each window, its elements that are no padding: the same for every channel.
  const seen = positions(counts).map((window) =>
    offsets.flatMap((offset) => {
      const at = window.map((w, i) => w * attrs.strides[i]! + offset[i]! - attrs.before[i]!);
      const inside = at.every((v, i) => v >= 0 && v < spatial[i]!);
      return inside ? [at.reduce((sum, v, i) => sum + v * steps[i]!, 0)] : [];
    }),
  );
  const values = x.dataSync();
  const size = sizeOf(spatial);
  const places = new Int32Array(batch * channels * seen.length);
  for (let channel = 0, next = 0; channel < batch * channels; channel++) {
    const start = channel * size;
    for (const elements of seen) {
      let best = elements[0]!;
      for (const element of elements) if (values[start + element]! > values[start + best]!) best = element;
      places[next++] = best;
    }
  }
  return tf.tensor(places, [batch, channels, ...counts], "int32");
}

function padded(
  tf: typeof Tf,
  x: Tf.Tensor,
  { before, after }: Pick<Windows, "before" | "after">,
  value: number,
): Tf.Tensor {
  if ([...before, ...after].every((p) => p === 0)) return x;
  const margins = before.map((b, i): [number, number] => [b, after[i]!]);
  return tf.pad(x, [[0, 0], [0, 0], ...margins], value);
}

/** How many windows of a padded input there are along each spatial axis. */
function windowCounts(shape: readonly number[], kernel: readonly number[], { strides, dilations }: Windows): number[] {
  return kernel.map((k, i) => Math.floor((shape[i + 2]! - dilations[i]! * (k - 1) - 1) / strides[i]!) + 1);
}

/** The element at one offset of each window: [N, C, ...counts]. */
function cut(
  tf: typeof Tf,
  x: Tf.Tensor,
  at: readonly number[],
  counts: readonly number[],
  { strides, dilations }: Windows,
): Tf.Tensor {
  const starts = at.map((k, i) => k * dilations[i]!);
  const [batch, channels] = x.shape as [number, number];
  if (strides.every((s) => s === 1)) return tf.slice(x, [0, 0, ...starts], [batch, channels, ...counts]);
  const ends = starts.map((s, i) => s + (counts[i]! - 1) * strides[i]! + 1);
  return tf.stridedSlice(x, [0, 0, ...starts], [batch, channels, ...ends], [1, 1, ...strides]);
}

/** Every index tuple of a shape, in row-major order. */
function positions(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])),
    [[]],
  );
}
