import type { Evaluator } from "../../values/evaluator";
import { type NativeBody, native } from "../../values/native";
import { PyError, PyList, type PyNative, PySlice, PyTuple, type Value } from "../../values/values";
import { allot, arrayOf, converted, PyArray, scalar, toArray, unwrapped, widest } from "./array";
import { dtypeArg } from "./dtypes";
import { binary, broadcastShape, spread } from "./elementwise";
import { indexArray } from "./indexing";
import { axisOf, whole } from "./reductions";

/** Functions that move elements and join arrays. */

/** A size or several. */
export function sizes(ev: Evaluator, value: Value | undefined): number[] {
  return Array.from(toArray(ev, value!).values());
}

export function reshaped(ev: Evaluator, array: PyArray, wanted: readonly number[]): PyArray {
  const known = wanted.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const shape = wanted.map((d) => (d === -1 ? array.size / known : d));
  if (shape.reduce((n, d) => n * d, 1) !== array.size || !shape.every(Number.isInteger)) {
    throw new PyError(
      "ValueError",
      `cannot reshape array of size ${array.size} into shape (${wanted.join(",")}${wanted.length === 1 ? "," : ""})`,
    );
  }
  if (array.contiguous) return new PyArray(array.memory, shape, array.dtype, undefined, array.offset);
  return arrayOf(ev, array.values(), shape, array.dtype);
}

export function transposed(array: PyArray, axes: readonly number[]): PyArray {
  return array.window(
    axes.map((axis) => array.shape[axis]!),
    axes.map((axis) => array.strides[axis]!),
  );
}

export function reversedAxes(array: PyArray): PyArray {
  return transposed(
    array,
    array.shape.map((_, i) => array.shape.length - 1 - i),
  );
}

function swapped(array: PyArray, a: number, b: number): PyArray {
  const [x, y] = [axisOf(a, array.shape.length), axisOf(b, array.shape.length)];
  return transposed(
    array,
    array.shape.map((_, i) => (i === x ? y : i === y ? x : i)),
  );
}

function moved(array: PyArray, from: number, to: number): PyArray {
  const [source, target] = [axisOf(from, array.shape.length), axisOf(to, array.shape.length)];
  const order = array.shape.map((_, i) => i).filter((i) => i !== source);
  order.splice(target, 0, source);
  return transposed(array, order);
}

function expanded(array: PyArray, axis: number): PyArray {
  const at = axisOf(axis, array.shape.length + 1);
  return array.window(array.shape.toSpliced(at, 0, 1), array.strides.toSpliced(at, 0, 0));
}

function squeezed(array: PyArray, axis: Value | undefined): PyArray {
  const doomed = axis === null || axis === undefined ? undefined : axisOf(whole(axis), array.shape.length);
  if (doomed !== undefined && array.shape[doomed] !== 1) {
    throw new PyError("ValueError", "cannot select an axis to squeeze out which has size not equal to one");
  }
  const kept = array.shape.flatMap((d, i) => ((doomed === undefined ? d === 1 : i === doomed) ? [] : [i]));
  return transposed(array, kept);
}

function joined(ev: Evaluator, arrays: readonly PyArray[], given: number): PyArray {
  const [first] = arrays;
  if (!first) throw new PyError("ValueError", "need at least one array to concatenate");
  const axis = axisOf(given, first.shape.length);
  for (const each of arrays) {
    if (each.shape.length !== first.shape.length || each.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new PyError(
        "ValueError",
        "all the input array dimensions except for the concatenation axis must match exactly",
      );
    }
  }
  const dtype = arrays.map((each) => each.dtype).reduce(widest);
  // With the axis first, one lies behind the other.
  const values = new Float64Array(arrays.reduce((n, each) => n + each.size, 0));
  let filled = 0;
  for (const each of arrays) {
    values.set(moved(each, axis, 0).values(), filled);
    filled += each.size;
  }
  const length = arrays.reduce((n, each) => n + each.shape[axis]!, 0);
  const made = arrayOf(ev, values, [length, ...first.shape.toSpliced(axis, 1)], dtype);
  return moved(made, 0, axis);
}

function several(ev: Evaluator, value: Value | undefined): PyArray[] {
  return [...ev.iterate(value!)].map((each) => toArray(ev, each));
}

function repeated(ev: Evaluator, array: PyArray, counts: readonly number[]): PyArray {
  const rank = Math.max(array.shape.length, counts.length);
  const pad = (list: readonly number[], fill: number) => [...new Array<number>(rank - list.length).fill(fill), ...list];
  const [shape, strides, times] = [pad(array.shape, 1), pad(array.strides, 0), pad(counts, 1)];
  const wide = array.window(
    shape.flatMap((d, i) => [times[i]!, d]),
    strides.flatMap((s) => [0, s]),
  );
  const full = shape.map((d, i) => d * times[i]!);
  allot(ev, wide.size);
  return arrayOf(ev, wide.values(), full, array.dtype);
}

function product(ev: Evaluator, left: PyArray, right: PyArray): Value {
  const [a, b] = [left, right].map((each, i) => (each.shape.length === 1 ? expanded(each, i) : each)) as [
    PyArray,
    PyArray,
  ];
  if (a.shape.length !== 2 || b.shape.length !== 2)
    throw new PyError("ValueError", "only products of matrices and vectors are evaluated");
  const [rows, inner] = a.shape as [number, number];
  const columns = b.shape[1]!;
  if (inner !== b.shape[0]) {
    throw new PyError("ValueError", `shapes (${left.shape.join(",")}) and (${right.shape.join(",")}) not aligned`);
  }
  ev.step(1 + ((rows * columns * inner) >> 4));
  const [x, y] = [a.values(), b.values()];
  const values = Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let total = 0;
    for (let k = 0; k < inner; k++) total += x[row * inner + k]! * y[k * columns + column]!;
    return total;
  });
  const shape = [...(left.shape.length === 1 ? [] : [rows]), ...(right.shape.length === 1 ? [] : [columns])];
  return unwrapped(arrayOf(ev, values, shape, widest(a.dtype, b.dtype)));
}

const of = (name: string, signature: string, body: NativeBody): PyNative => native(name, signature, body);
const array = (args: Readonly<Record<string, Value>>, ev: Evaluator): PyArray => toArray(ev, args.a!);
/** `a.transpose(1, 0)` and `a.transpose((1, 0))` are one. */
const spreadArgument = (value: Value | undefined): Value => {
  const items = value instanceof PyTuple ? value.items : [];
  return items.length === 1 ? items[0]! : (value ?? null);
};

function permuted(ev: Evaluator, a: PyArray, axes: Value): PyArray {
  const order = axes === null || (axes instanceof PyTuple && axes.items.length === 0) ? undefined : sizes(ev, axes);
  return order
    ? transposed(
        a,
        order.map((axis) => axisOf(axis, a.shape.length)),
      )
    : reversedAxes(a);
}

/** Each is `numpy.name(a, ...)` and `a.name(...)`. */
export const MOVING: readonly PyNative[] = [
  of("swapaxes", "a, axis1, axis2", (args, ev) => swapped(array(args, ev), whole(args.axis1), whole(args.axis2))),
  of("squeeze", "a, axis=None", (args, ev) => squeezed(array(args, ev), args.axis)),
  of("ravel", "a", (args, ev) => reshaped(ev, array(args, ev), [-1])),
  of("repeat", "a, repeats, axis=None", (args, ev) => {
    const given = array(args, ev);
    const flat = args.axis === null ? reshaped(ev, given, [-1]) : given;
    const axis = args.axis === null ? 0 : whole(args.axis);
    const counts = sizes(ev, args.repeats);
    const length = flat.shape[axisOf(axis, flat.shape.length)]!;
    const at = Array.from({ length }, (_, i) =>
      new Array<number>(counts[counts.length === 1 ? 0 : i] ?? 0).fill(i),
    ).flat();
    const positions = arrayOf(ev, at, [at.length], "int64");
    return moved(toArray(ev, indexArray(ev, moved(flat, axis, 0), positions)), 0, axis);
  }),
  of("dot", "a, b", (args, ev) => product(ev, array(args, ev), toArray(ev, args.b!))),
];

/** Methods whose functions take other arguments. */
export const SHAPE_METHODS: readonly PyNative[] = [
  of("reshape", "a, *shape, order='C'", (args, ev) =>
    reshaped(ev, array(args, ev), sizes(ev, spreadArgument(args.shape))),
  ),
  of("transpose", "a, *axes", (args, ev) => permuted(ev, array(args, ev), spreadArgument(args.axes))),
  of("flatten", "a, order='C'", (args, ev) =>
    reshaped(ev, converted(ev, array(args, ev), array(args, ev).dtype), [-1]),
  ),
  of("copy", "a, order='C'", (args, ev) => converted(ev, array(args, ev), array(args, ev).dtype)),
  of("astype", "a, dtype, *, copy=True", (args, ev) => converted(ev, array(args, ev), dtypeArg(ev, args.dtype)!)),
  of("tolist", "a", (args, ev) => listed(ev, array(args, ev))),
  of("item", "a, *args", (args, ev) => {
    const given = array(args, ev);
    if (given.size !== 1) throw new PyError("ValueError", "can only convert an array of size 1 to a Python scalar");
    return scalar(given.values()[0]!, given.dtype);
  }),
  of("fill", "a, value", (args, ev) => {
    const given = array(args, ev);
    const filled = spread(toArray(ev, args.value!, given.dtype), given.shape).values();
    for (const [i, at] of given.positions().entries()) given.memory[at] = filled[i]!;
    return null;
  }),
];

function listed(ev: Evaluator, given: PyArray): Value {
  ev.allot(given.size, "a list");
  if (given.shape.length === 0) return scalar(given.memory[given.offset]!, given.dtype);
  return new PyList(
    Array.from({ length: given.shape[0]! }, (_, i) => {
      const part = indexArray(ev, given, i);
      return part instanceof PyArray ? listed(ev, part) : part;
    }),
  );
}

export const SHAPE_FUNCTIONS: readonly PyNative[] = [
  of("reshape", "a, shape=None, order='C', *, newshape=None", (args, ev) =>
    reshaped(ev, array(args, ev), sizes(ev, args.shape ?? args.newshape)),
  ),
  of("transpose", "a, axes=None", (args, ev) => permuted(ev, array(args, ev), args.axes!)),
  of("moveaxis", "a, source, destination", (args, ev) =>
    moved(array(args, ev), whole(args.source), whole(args.destination)),
  ),
  of("expand_dims", "a, axis", (args, ev) =>
    sizes(ev, args.axis).reduce<PyArray>((each, axis) => expanded(each, axis), array(args, ev)),
  ),
  of("concatenate", "arrays, axis=0", ({ arrays, axis }, ev) =>
    axis === null
      ? joined(
          ev,
          several(ev, arrays).map((each) => reshaped(ev, each, [-1])),
          0,
        )
      : joined(ev, several(ev, arrays), whole(axis)),
  ),
  of("stack", "arrays, axis=0", ({ arrays, axis }, ev) =>
    joined(
      ev,
      several(ev, arrays).map((each) => expanded(each, whole(axis))),
      whole(axis),
    ),
  ),
  of("vstack", "tup", ({ tup }, ev) =>
    joined(
      ev,
      several(ev, tup).map((each) => (each.shape.length < 2 ? reshaped(ev, each, [1, -1]) : each)),
      0,
    ),
  ),
  of("hstack", "tup", ({ tup }, ev) => {
    const parts = several(ev, tup).map((each) => (each.shape.length === 0 ? reshaped(ev, each, [1]) : each));
    return joined(ev, parts, parts[0]?.shape.length === 1 ? 0 : 1);
  }),
  of("append", "arr, values, axis=None", ({ arr, values, axis }, ev) => {
    const parts = [toArray(ev, arr!), toArray(ev, values!)];
    return axis === null
      ? joined(
          ev,
          parts.map((each) => reshaped(ev, each, [-1])),
          0,
        )
      : joined(ev, parts, whole(axis));
  }),
  of("tile", "A, reps", ({ A, reps }, ev) => repeated(ev, toArray(ev, A!), sizes(ev, reps))),
  of("flip", "m, axis=None", ({ m, axis }, ev) => {
    const given = toArray(ev, m!);
    const axes =
      axis === null ? given.shape.map((_, i) => i) : sizes(ev, axis).map((a) => axisOf(a, given.shape.length));
    const all = new PySlice(null, null, null);
    return indexArray(
      ev,
      given,
      new PyTuple(given.shape.map((_, i) => (axes.includes(i) ? new PySlice(null, null, -1) : all))),
    );
  }),
  of("broadcast_to", "a, shape", (args, ev) => spread(array(args, ev), sizes(ev, args.shape))),
  of("outer", "a, b", ({ a, b }, ev) => {
    const [x, y] = [toArray(ev, a!).values(), toArray(ev, b!).values()];
    const dtype = widest(toArray(ev, a!).dtype, toArray(ev, b!).dtype);
    allot(ev, x.length * y.length);
    return arrayOf(
      ev,
      Float64Array.from({ length: x.length * y.length }, (_, i) => x[Math.floor(i / y.length)]! * y[i % y.length]!),
      [x.length, y.length],
      dtype,
    );
  }),
  of("matmul", "a, b", ({ a, b }, ev) => product(ev, toArray(ev, a!), toArray(ev, b!))),
  of("diff", "a, n=1, axis=-1", (args, ev) => {
    let made = array(args, ev);
    for (let turn = 0; turn < whole(args.n); turn++) {
      const axis = axisOf(whole(args.axis), made.shape.length);
      const part = (start: Value, stop: Value): Value =>
        indexArray(
          ev,
          made,
          new PyTuple(
            made.shape.map((_, i) => (i === axis ? new PySlice(start, stop, null) : new PySlice(null, null, null))),
          ),
        );
      made = toArray(
        ev,
        binary(ev, part(1, null), part(null, -1), (a, b) => a - b, "same"),
      );
    }
    return made;
  }),
  of("meshgrid", "*xi, indexing='xy', sparse=False", ({ xi, indexing, sparse }, ev) => {
    const axes = several(ev, xi).map((each) => reshaped(ev, each, [-1]));
    const swap = indexing === "xy" && axes.length > 1;
    const place = (i: number) => (swap && i < 2 ? 1 - i : i);
    const along = axes.map((each, i) =>
      reshaped(
        ev,
        each,
        axes.map((_, axis) => (axis === place(i) ? -1 : 1)),
      ),
    );
    if (sparse === true) return new PyTuple(along);
    const shape = broadcastShape(along.map((each) => each.shape));
    allot(
      ev,
      shape.reduce((n, d) => n * d, 1),
    );
    return new PyTuple(along.map((each) => arrayOf(ev, spread(each, shape).values(), shape, each.dtype)));
  }),
];
