import { type DType, isFloating } from "../../../../formats/dtype";
import type { Evaluator } from "../../values/evaluator";
import { type NativeBody, native } from "../../values/native";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyError, PyList, type PyNative, PyTuple, type Value } from "../../values/values";
import { arrayOf, PyArray, toArray, unwrapped } from "./array";
import { dtypeArg } from "./dtypes";

/** Functions along axes that are also methods of arrays: sums, extremes, orders. */

type Args = Readonly<Record<string, Value>>;

export function axisOf(axis: number, rank: number): number {
  if (axis < -rank || axis >= rank)
    throw new PyError("AxisError", `axis ${axis} is out of bounds for array of dimension ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** None is every axis. */
function axesOf(value: Value | undefined, rank: number): number[] {
  if (value === undefined || value === null) return Array.from({ length: rank }, (_, i) => i);
  const items = value instanceof PyTuple || value instanceof PyList ? value.items : [value];
  return items.map((axis) => axisOf(whole(axis), rank));
}

export function whole(value: Value | undefined): number {
  if (typeof value === "number") return value;
  if (value instanceof Unknown) throw new EvaluationError(`a whole number is unknown: ${value.reason}`);
  throw new PyError("TypeError", "an integer is required");
}

/** The array with the axes last, so that each of its rows is what one result is made of. */
function rows(array: PyArray, axes: readonly number[]): { kept: number[]; rows: number[][] } {
  const kept = array.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const order = [...kept, ...axes];
  const values = array
    .window(
      order.map((axis) => array.shape[axis]!),
      order.map((axis) => array.strides[axis]!),
    )
    .values();
  const length = axes.reduce((n, axis) => n * array.shape[axis]!, 1);
  const count = kept.reduce((n, axis) => n * array.shape[axis]!, 1);
  return {
    kept,
    rows: Array.from({ length: count }, (_, i) => Array.from(values.subarray(i * length, (i + 1) * length))),
  };
}

type Fold = (values: readonly number[], args: Args) => number;

function reduced(ev: Evaluator, args: Args, fold: Fold, result: (dtype: DType) => DType): Value {
  const array = toArray(ev, args.a!);
  const axes = axesOf(args.axis, array.shape.length);
  const split = rows(array, axes);
  const shape =
    args.keepdims === true
      ? array.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
      : split.kept.map((axis) => array.shape[axis]!);
  const dtype = dtypeArg(ev, args.dtype) ?? result(array.dtype);
  ev.step(1 + (array.size >> 4));
  return unwrapped(
    arrayOf(
      ev,
      split.rows.map((row) => fold(row, args)),
      shape,
      dtype,
    ),
  );
}

const summed = (dtype: DType): DType => (isFloating(dtype) ? dtype : "int64");
const floated = (dtype: DType): DType => (isFloating(dtype) ? dtype : "float64");
const same = (dtype: DType): DType => dtype;
const flag = (): DType => "bool";
const position = (): DType => "int64";

/** In pairs, as NumPy adds: the same rounding. */
function sum(values: readonly number[]): number {
  if (values.length > 128) {
    const half = Math.floor(values.length / 2) - (Math.floor(values.length / 2) % 8);
    return sum(values.slice(0, half)) + sum(values.slice(half));
  }
  if (values.length < 8) return values.reduce((a, b) => a + b, 0);
  const parts = values.slice(0, 8);
  let i = 8;
  for (; i + 8 <= values.length; i += 8) for (let j = 0; j < 8; j++) parts[j]! += values[i + j]!;
  const [a, b, c, d, e, f, g, h] = parts as [number, number, number, number, number, number, number, number];
  return values.slice(i).reduce((x, y) => x + y, a + b + (c + d) + (e + f + (g + h)));
}
const mean = (values: readonly number[]): number => sum(values) / values.length;
function variance(values: readonly number[], { ddof }: Args): number {
  const middle = mean(values);
  return sum(values.map((v) => (v - middle) ** 2)) / (values.length - whole(ddof ?? 0));
}
function extreme(name: string, better: (a: number, b: number) => boolean): Fold {
  return (values) => {
    if (values.length === 0) {
      throw new PyError("ValueError", `zero-size array to reduction operation ${name} which has no identity`);
    }
    return values.reduce((a, b) => (Number.isNaN(a) || better(a, b) ? a : b));
  };
}
const maximum = extreme("maximum", (a, b) => a >= b);
const minimum = extreme("minimum", (a, b) => a <= b);
/** Of the first one. */
const positionOf =
  (find: Fold): Fold =>
  (values, args) => {
    const found = find(values, args);
    return values.findIndex((v) => v === found || (Number.isNaN(v) && Number.isNaN(found)));
  };
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

const REDUCTIONS: readonly (readonly [names: string, fold: Fold, result: (dtype: DType) => DType])[] = [
  ["sum", sum, summed],
  ["prod", (values) => values.reduce((a, b) => a * b, 1), summed],
  ["mean", mean, floated],
  ["var", variance, floated],
  ["std", (values, args) => Math.sqrt(variance(values, args)), floated],
  ["max amax", maximum, same],
  ["min amin", minimum, same],
  ["argmax", positionOf(maximum), position],
  ["argmin", positionOf(minimum), position],
  ["all", (values) => Number(values.every((v) => v !== 0)), flag],
  ["any", (values) => Number(values.some((v) => v !== 0)), flag],
];

/** Along one axis, of which the result has as many elements. */
function along(ev: Evaluator, args: Args, fn: (row: number[]) => number[], result: (dtype: DType) => DType): PyArray {
  const given = toArray(ev, args.a!);
  const flat = args.axis === null || given.shape.length === 0;
  const array = flat ? new PyArray(given.values(), [given.size], given.dtype) : given;
  const axis = flat ? 0 : axisOf(whole(args.axis), array.shape.length);
  const split = rows(array, [axis]);
  const order = [...split.kept, axis];
  const made = arrayOf(
    ev,
    split.rows.flatMap(fn),
    order.map((a) => array.shape[a]!),
    dtypeArg(ev, args.dtype) ?? result(array.dtype),
  );
  const back = array.shape.map((_, a) => order.indexOf(a));
  return made.window(
    back.map((a) => made.shape[a]!),
    back.map((a) => made.strides[a]!),
  );
}

function running(step: (total: number, value: number) => number): (row: number[]) => number[] {
  return (row) => {
    let total = 0;
    return row.map((value, i) => {
      total = i === 0 ? value : step(total, value);
      return total;
    });
  };
}
/** NaN comes last. */
const order = (a: number, b: number): number =>
  Number.isNaN(a) ? Number(!Number.isNaN(b)) : Number.isNaN(b) ? -1 : a - b;
const sorted = (row: number[]): number[] => [...row].sort(order);
const sortedPositions = (row: number[]): number[] => row.map((_, i) => i).sort((i, j) => order(row[i]!, row[j]!));

function both(names: string, signature: string, body: NativeBody): PyNative[] {
  return names.split(" ").map((name) => native(name, signature, body));
}

/** Each is `numpy.name(a, ...)` and `a.name(...)`. */
export const REDUCING: readonly PyNative[] = [
  ...REDUCTIONS.flatMap(([names, fold, result]) =>
    both(names, "a, axis=None, dtype=None, out=None, keepdims=False, *, ddof=0", (args, ev) =>
      reduced(ev, args, fold, result),
    ),
  ),
  ...both("cumsum", "a, axis=None, dtype=None", (args, ev) =>
    along(
      ev,
      args,
      running((a, b) => a + b),
      summed,
    ),
  ),
  ...both("cumprod", "a, axis=None, dtype=None", (args, ev) =>
    along(
      ev,
      args,
      running((a, b) => a * b),
      summed,
    ),
  ),
  ...both("argsort", "a, axis=-1, kind=None, order=None, *, stable=None, dtype=None", (args, ev) =>
    along(ev, args, sortedPositions, position),
  ),
];

/** `numpy.sort` gives a copy; the method `sort` changes the array. */
export const SORT = native("sort", "a, axis=-1, kind=None, order=None, *, stable=None, dtype=None", (args, ev) =>
  along(ev, args, sorted, same),
);
export const FUNCTIONS_ONLY: readonly PyNative[] = [
  SORT,
  ...both("median", "a, axis=None, out=None, overwrite_input=False, keepdims=False, dtype=None", (args, ev) =>
    reduced(ev, args, median, floated),
  ),
  ...both("unique", "ar", ({ ar }, ev) => {
    const array = toArray(ev, ar!);
    const values = [...new Set(array.values())].sort(order);
    return arrayOf(ev, values, [values.length], array.dtype);
  }),
];
