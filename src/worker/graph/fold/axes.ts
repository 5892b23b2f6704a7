import type { OpsOf } from "../kinds";
import type { Shape } from "../node";
import { stridesOf } from "../shapes";
import { type Fold, sizeOf, type Values } from "./values";

/** Elements computed from all those along some axes. */

export const reduction =
  (over: (values: Values) => number): Fold<OpsOf<"reduction">> =>
  ({ inputs, attrs: { axes } }, [x]) => {
    const { shape } = inputs[0]!;
    const groups = new Map<number, number[]>();
    const strides = stridesOf(shape);
    const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
    const keptStrides = stridesOf(kept);
    x!.forEach((value, flat) => {
      const group = shape.reduce(
        (n, d, i) => (axes.includes(i) ? n : n + (Math.floor(flat / strides[i]!) % d) * keptStrides[i]!),
        0,
      );
      const members = groups.get(group);
      if (members) members.push(value);
      else groups.set(group, [value]);
    });
    return Array.from({ length: sizeOf(kept) }, (_, i) => over(groups.get(i) ?? []));
  };

export const sum = (values: Values): number => values.reduce((a, b) => a + b, 0);
export const mean = (values: Values): number => sum(values) / values.length;
export const product = (values: Values): number => values.reduce((a, b) => a * b, 1);
export const largest = (values: Values): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
export const smallest = (values: Values): number => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** A tensor as rows along an axis: where each begins, and how far apart its elements are. */
function rowsAlong(shape: Shape, axis: number): { starts: number[]; step: number; length: number } {
  const step = stridesOf(shape)[axis]!;
  const length = shape[axis]!;
  const count = length === 0 ? 0 : sizeOf(shape) / length;
  const starts = Array.from({ length: count }, (_, i) => Math.floor(i / step) * step * length + (i % step));
  return { starts, step, length };
}

/** Each row along the axis becomes another, of `length` elements. */
function mapRows(values: Values, shape: Shape, axis: number, length: number, map: (row: number[]) => Values): Values {
  const from = rowsAlong(shape, axis);
  const to = rowsAlong(shape.with(axis, length), axis);
  const result = new Array<number>(from.starts.length * length);
  from.starts.forEach((start, row) => {
    const mapped = map(Array.from({ length: from.length }, (_, i) => values[start + i * from.step]!));
    for (let i = 0; i < length; i++) result[to.starts[row]! + i * to.step] = mapped[i]!;
  });
  return result;
}

export const extreme =
  (better: (a: number, b: number) => boolean): Fold<"argmax" | "argmin"> =>
  ({ inputs, attrs }, [x]) => {
    const { starts, step, length } = rowsAlong(inputs[0]!.shape, attrs.axis);
    return starts.map((start) => {
      let best = 0;
      for (let i = 1; i < length; i++) if (better(x![start + i * step]!, x![start + best * step]!)) best = i;
      return best;
    });
  };

/** The k largest or smallest: where they stand, or what they are. */
export const topK =
  (result: (row: Values, place: number) => number): Fold<"topK" | "topKIndices"> =>
  ({ inputs, attrs: { k, axis, largest } }, [x]) =>
    mapRows(x!, inputs[0]!.shape, axis, k, (row) => {
      const order = largest ? (a: number, b: number) => compare(row[b]!, row[a]!) : compareAt(row);
      return [...row.keys()]
        .sort(order)
        .slice(0, k)
        .map((place) => result(row, place));
    });

const compareAt = (row: Values) => (a: number, b: number) => compare(row[a]!, row[b]!);

/** NaN is larger than every number, as PyTorch sorts it. */
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : Number(a > b);
}

export const cumsum: Fold<"cumsum"> = ({ inputs, attrs }, [x]) => {
  const { starts, step, length } = rowsAlong(inputs[0]!.shape, attrs.axis);
  const sums = [...x!];
  for (const start of starts) for (let i = 1; i < length; i++) sums[start + i * step]! += sums[start + (i - 1) * step]!;
  return sums;
};

export const softmax: Fold<"softmax"> = (node, [x]) =>
  mapRows(x!, node.shape, node.attrs.axis, node.shape[node.attrs.axis]!, (row) => {
    const top = largest(row);
    const powers = row.map((v) => Math.exp(v - top));
    const total = sum(powers);
    return powers.map((p) => p / total);
  });

export const logSoftmax: Fold<"logSoftmax"> = (node, [x]) =>
  mapRows(x!, node.shape, node.attrs.axis, node.shape[node.attrs.axis]!, (row) => {
    const top = largest(row);
    const log = Math.log(sum(row.map((v) => Math.exp(v - top))));
    return row.map((v) => v - top - log);
  });

/** The last `dims` axes as one: rows that lie one after the other. */
function lastRows(values: Values, shape: Shape, dims: number): Values[] {
  const length = sizeOf(shape.slice(shape.length - dims));
  return Array.from({ length: length === 0 ? 0 : values.length / length }, (_, i) =>
    values.slice(i * length, (i + 1) * length),
  );
}

function invStd(row: Values, eps: number): number {
  const middle = mean(row);
  return 1 / Math.sqrt(mean(row.map((v) => (v - middle) ** 2)) + eps);
}

export const layerNorm: Fold<"layerNorm"> = ({ shape, attrs: { dims, eps } }, [x, weight, bias]) =>
  lastRows(x!, shape, dims).flatMap((row) => {
    const [middle, factor] = [mean(row), invStd(row, eps)];
    return row.map((v, i) => (v - middle) * factor * (weight?.[i] ?? 1) + (bias?.[i] ?? 0));
  });

export const layerNormMean: Fold<"layerNormMean"> = ({ inputs, attrs }, [x]) =>
  lastRows(x!, inputs[0]!.shape, attrs.dims).map(mean);

export const layerNormInvStd: Fold<"layerNormInvStd"> = ({ inputs, attrs }, [x]) =>
  lastRows(x!, inputs[0]!.shape, attrs.dims).map((row) => invStd(row, attrs.eps));
