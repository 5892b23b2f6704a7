import type { DType } from "../../../../formats/dtype";
import type { Evaluator } from "../../values/evaluator";
import { native } from "../../values/native";
import { isNumeric, numberOf } from "../../values/numbers";
import { plain, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyError, PyFloat, type PyNative, PyTuple, type Value } from "../../values/values";
import { allot, arrayOf, converted, type PyArray, toArray } from "./array";
import { dtypeArg } from "./dtypes";
import { spread } from "./elementwise";
import { trueIndices } from "./indexing";
import { whole } from "./reductions";
import { reshaped, sizes } from "./shaping";

/** Arrays made from nothing, from numbers, and from other arrays' shapes. */

type Args = Readonly<Record<string, Value>>;

function real(value: Value | undefined): number {
  if (value !== undefined && value !== null && isNumeric(value)) return numberOf(value);
  if (value instanceof Unknown) throw new EvaluationError(`a number is unknown: ${value.reason}`);
  throw new PyError("TypeError", `a number is required, not ${typeName(value ?? null)}`);
}

function filled(ev: Evaluator, shape: readonly number[], value: number, dtype: DType): PyArray {
  const size = shape.reduce((n, d) => n * d, 1);
  allot(ev, size);
  return arrayOf(ev, new Array<number>(size).fill(value), shape, dtype);
}

const FILLED = { zeros: 0, ones: 1, empty: 0 } as const;

function arange(args: Args, ev: Evaluator): Value {
  const given = (args.bounds as PyTuple).items;
  const bounds = [...given, ...[args.start, args.stop].filter((v) => v !== null)] as Value[];
  const [first, last, third] = bounds.length === 1 ? [0, bounds[0]!, undefined] : bounds;
  const step = third ?? args.step ?? 1;
  const [a, b, s] = [real(first), real(last), real(step)];
  if (s === 0) throw new PyError("ZeroDivisionError", "division by zero");
  const length = Math.max(0, Math.ceil((b - a) / s));
  allot(ev, length);
  const float = [first, last, step].some((v) => v instanceof PyFloat);
  // The step is what lies between the first two numbers, as NumPy computes it.
  const delta = a + s - a;
  return arrayOf(
    ev,
    Array.from({ length }, (_, i) => a + i * delta),
    [length],
    dtypeArg(ev, args.dtype) ?? (float ? "float64" : "int64"),
  );
}

function spaced(a: number, b: number, count: number, endpoint: boolean): number[] {
  if (count < 0) throw new PyError("ValueError", `Number of samples, ${count}, must be non-negative.`);
  const parts = endpoint ? count - 1 : count;
  const step = (b - a) / parts;
  return Array.from({ length: count }, (_, i) =>
    endpoint && count > 1 && i === count - 1 ? b : i === 0 ? a : i * step + a,
  );
}

function triangle(ev: Evaluator, args: Args, keep: (row: number, column: number) => boolean): Value {
  const array = toArray(ev, args.m!);
  const [rows, columns] = array.shape.slice(-2) as [number, number];
  const values = array.values().map((value, i) => (keep(Math.floor(i / columns) % rows, i % columns) ? value : 0));
  return arrayOf(ev, values, array.shape, array.dtype);
}

export const CREATION: readonly PyNative[] = [
  native("array", "object, dtype=None, *, copy=True, order=None, ndmin=0", ({ object, dtype, ndmin }, ev) => {
    const made = toArray(ev, object!, dtypeArg(ev, dtype));
    const copy = made === plain(object!) ? converted(ev, made, made.dtype) : made;
    const missing = Math.max(0, whole(ndmin) - copy.shape.length);
    return reshaped(ev, copy, [...new Array<number>(missing).fill(1), ...copy.shape]);
  }),
  ...["asarray", "ascontiguousarray", "asanyarray"].map((name) =>
    native(name, "a, dtype=None, order=None", ({ a, dtype }, ev) => toArray(ev, a!, dtypeArg(ev, dtype))),
  ),
  ...Object.entries(FILLED).flatMap(([name, value]) => [
    native(name, "shape, dtype=None, order='C'", ({ shape, dtype }, ev) =>
      filled(ev, sizes(ev, shape), value, dtypeArg(ev, dtype) ?? "float64"),
    ),
    native(`${name}_like`, "a, dtype=None, order='K', subok=True, shape=None", ({ a, dtype }, ev) => {
      const like = toArray(ev, a!);
      return filled(ev, like.shape, value, dtypeArg(ev, dtype) ?? like.dtype);
    }),
  ]),
  native("full", "shape, fill_value, dtype=None, order='C'", ({ shape, fill_value, dtype }, ev) => {
    const value = toArray(ev, fill_value!, dtypeArg(ev, dtype));
    return converted(ev, spread(value, sizes(ev, shape)), value.dtype);
  }),
  native("full_like", "a, fill_value, dtype=None", ({ a, fill_value, dtype }, ev) => {
    const like = toArray(ev, a!);
    return converted(ev, spread(toArray(ev, fill_value!), like.shape), dtypeArg(ev, dtype) ?? like.dtype);
  }),
  native("arange", "*bounds, start=None, stop=None, step=None, dtype=None", arange),
  native("linspace", "start, stop, num=50, endpoint=True, retstep=False, dtype=None", (args, ev) => {
    const [a, b, count] = [real(args.start), real(args.stop), whole(args.num)];
    allot(ev, count);
    const values = spaced(a, b, count, args.endpoint !== false);
    const made = arrayOf(ev, values, [count], dtypeArg(ev, args.dtype) ?? "float64");
    const parts = args.endpoint !== false ? count - 1 : count;
    return args.retstep === true ? new PyTuple([made, new PyFloat((b - a) / parts)]) : made;
  }),
  native("logspace", "start, stop, num=50, endpoint=True, base=10.0, dtype=None", (args, ev) => {
    const count = whole(args.num);
    allot(ev, count);
    const base = real(args.base);
    const values = spaced(real(args.start), real(args.stop), count, args.endpoint !== false).map((x) => base ** x);
    return arrayOf(ev, values, [count], dtypeArg(ev, args.dtype) ?? "float64");
  }),
  ...["eye", "identity"].map((name) =>
    native(name, "N, M=None, k=0, dtype=None", (args, ev) => {
      const [rows, columns, k] = [whole(args.N), whole(args.M ?? args.N), whole(args.k)];
      allot(ev, rows * columns);
      const values = Array.from({ length: rows * columns }, (_, i) =>
        Number((i % columns) - Math.floor(i / columns) === k),
      );
      return arrayOf(ev, values, [rows, columns], dtypeArg(ev, args.dtype) ?? "float64");
    }),
  ),
  native("tril", "m, k=0", (args, ev) => triangle(ev, args, (row, column) => column - row <= whole(args.k))),
  native("triu", "m, k=0", (args, ev) => triangle(ev, args, (row, column) => column - row >= whole(args.k))),
  native("nonzero", "a", ({ a }, ev) => new PyTuple(trueIndices(ev, toArray(ev, a!, "bool")))),
  native("shape", "a", ({ a }, ev) => new PyTuple(toArray(ev, a!).shape)),
  native("ndim", "a", ({ a }, ev) => toArray(ev, a!).shape.length),
  native("size", "a", ({ a }, ev) => toArray(ev, a!).size),
  native("isscalar", "element", ({ element }) => isNumeric(element!) || typeof element === "string"),
];
