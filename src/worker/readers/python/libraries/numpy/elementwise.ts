import { type DType, isFloating } from "../../../../formats/dtype";
import { ofNumbers, plainly } from "../../evaluate/plain/plainFunctions";
import type { Evaluator } from "../../values/evaluator";
import { native } from "../../values/native";
import type { NumberFunction } from "../../values/numberFunction";
import { isNumeric, modulo, numberOf } from "../../values/numbers";
import { NOT_IMPLEMENTED, plain } from "../../values/types";
import { type PlainFunction, PyError, PyFloat, PyList, type PyNative, PyTuple, type Value } from "../../values/values";
import { ARRAY, allot, arrayOf, numberDType, PyArray, scalar, stored, toArray, unwrapped, widest } from "./array";
import { dtypeArg } from "./dtypes";

/** Functions of each element: NumPy's ufuncs and the operators. */

type Result = "same" | "float" | "bool";

/** What decides a result's dtype: of a Python number only whether it is whole, which adapts to an array's. */
interface Operand {
  readonly array: PyArray;
  readonly weak: boolean;
}

function operand(ev: Evaluator, value: Value): Operand {
  return { array: toArray(ev, value), weak: isNumeric(plain(value)) };
}

function floating(dtype: DType): DType {
  if (isFloating(dtype)) return dtype;
  if (dtype === "int64" || dtype === "int32") return "float64";
  return dtype === "int16" ? "float32" : "float16";
}

function common(a: Operand, b: Operand): DType {
  if (a.weak === b.weak) return widest(a.array.dtype, b.array.dtype);
  const [strong, weak] = a.weak ? [b.array.dtype, a.array.dtype] : [a.array.dtype, b.array.dtype];
  if (isFloating(strong)) return strong;
  if (isFloating(weak)) return "float64";
  return strong === "bool" ? weak : strong;
}

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    const lengths = shapes.map((s) => s[s.length - rank + i] ?? 1);
    const length = lengths.find((n) => n !== 1) ?? 1;
    if (lengths.some((n) => n !== 1 && n !== length)) {
      const listed = shapes.map((s) => `(${s.join(",")}${s.length === 1 ? "," : ""})`).join(" ");
      throw new PyError("ValueError", `operands could not be broadcast together with shapes ${listed} `);
    }
    return length;
  });
}

/** The array as one of the shape, which it broadcasts to: repeated axes are steps of nothing. */
export function spread(array: PyArray, shape: readonly number[]): PyArray {
  const lead = shape.length - array.shape.length;
  const strides = shape.map((_, i) => (i < lead || array.shape[i - lead] === 1 ? 0 : array.strides[i - lead]!));
  return array.window(shape, strides);
}

function unary(ev: Evaluator, value: Value, fn: (x: number) => number, result: Result): Value {
  const array = toArray(ev, value);
  const dtype = result === "bool" ? "bool" : result === "float" ? floating(array.dtype) : array.dtype;
  const values = array.values();
  for (let i = 0; i < values.length; i++) values[i] = fn(values[i]!);
  return unwrapped(arrayOf(ev, values, array.shape, dtype));
}

type Binary = (a: number, b: number) => number;

/** @param ofWholes where whole numbers have rules of their own. */
export function binary(
  ev: Evaluator,
  left: Value,
  right: Value,
  ofNumbers: Binary,
  result: Result,
  ofWholes: Binary = ofNumbers,
): Value {
  const [a, b] = [operand(ev, left), operand(ev, right)];
  const shared = common(a, b);
  const dtype = result === "bool" ? "bool" : result === "float" ? floating(shared) : shared;
  const fn = isFloating(shared) ? ofNumbers : ofWholes;
  if (a.array.shape.length === 0 && b.array.shape.length === 0) {
    ev.step();
    return scalar(fn(a.array.memory[a.array.offset]!, b.array.memory[b.array.offset]!), dtype);
  }
  const shape = broadcastShape([a.array.shape, b.array.shape]);
  allot(
    ev,
    shape.reduce((n, d) => n * d, 1),
  );
  const [x, y] = [spread(a.array, shape).values(), spread(b.array, shape).values()];
  for (let i = 0; i < x.length; i++) x[i] = fn(x[i]!, y[i]!);
  return arrayOf(ev, x, shape, dtype);
}

/** Half to even. */
export function rint(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

const floorDivide: Binary = (a, b) => Math.floor(a / b);
/** NumPy warns of a whole number divided by zero and gives 0. */
const byZero =
  (fn: Binary): Binary =>
  (a, b) =>
    b === 0 ? 0 : fn(a, b);
const power: Binary = (a, b) => a ** b;
const wholePower: Binary = (a, b) => {
  if (b < 0) throw new PyError("ValueError", "Integers to negative integer powers are not allowed.");
  return a ** b;
};
const maximum: Binary = (a, b) => Math.max(a, b);
const minimum: Binary = (a, b) => Math.min(a, b);
const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

const FLOAT_FUNCTIONS: Record<string, (x: number) => number> = {
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  arcsinh: Math.asinh,
  arccosh: Math.acosh,
  arctanh: Math.atanh,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  cbrt: Math.cbrt,
  radians: (x) => (x * Math.PI) / 180,
  deg2rad: (x) => (x * Math.PI) / 180,
  degrees: (x) => (x * 180) / Math.PI,
  rad2deg: (x) => (x * 180) / Math.PI,
  rint,
};
const SAME_FUNCTIONS: Record<string, (x: number) => number> = {
  abs: Math.abs,
  absolute: Math.abs,
  fabs: Math.abs,
  negative: (x) => -x,
  positive: (x) => x,
  square: (x) => x * x,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
};
const TESTS: Record<string, (x: number) => number> = {
  isnan: (x) => Number(Number.isNaN(x)),
  isinf: (x) => Number(Math.abs(x) === Number.POSITIVE_INFINITY),
  isfinite: (x) => Number(Number.isFinite(x)),
  logical_not: (x) => Number(x === 0),
};
const BINARY_FUNCTIONS: Record<string, readonly [ofNumbers: Binary, result: Result, ofWholes?: Binary]> = {
  add: [(a, b) => a + b, "same"],
  subtract: [(a, b) => a - b, "same"],
  multiply: [(a, b) => a * b, "same"],
  divide: [(a, b) => a / b, "float"],
  true_divide: [(a, b) => a / b, "float"],
  floor_divide: [floorDivide, "same", byZero(floorDivide)],
  mod: [modulo, "same", byZero(modulo)],
  remainder: [modulo, "same", byZero(modulo)],
  power: [power, "same", wholePower],
  float_power: [power, "float"],
  maximum: [maximum, "same"],
  minimum: [minimum, "same"],
  fmax: [maximum, "same"],
  fmin: [minimum, "same"],
  arctan2: [Math.atan2, "float"],
  hypot: [(a, b) => Math.hypot(a, b), "float"],
  gcd: [gcd, "same"],
  lcm: [(a, b) => (a === 0 || b === 0 ? 0 : Math.abs(a * b) / gcd(a, b)), "same"],
  equal: [(a, b) => Number(a === b), "bool"],
  not_equal: [(a, b) => Number(a !== b), "bool"],
  less: [(a, b) => Number(a < b), "bool"],
  less_equal: [(a, b) => Number(a <= b), "bool"],
  greater: [(a, b) => Number(a > b), "bool"],
  greater_equal: [(a, b) => Number(a >= b), "bool"],
  logical_and: [(a, b) => Number(a !== 0 && b !== 0), "bool"],
  logical_or: [(a, b) => Number(a !== 0 || b !== 0), "bool"],
  logical_xor: [(a, b) => Number((a !== 0) !== (b !== 0)), "bool"],
};

/** What a function gives of Python's numbers alone, without an array in between. */
function ofNumber(fn: (x: number) => number, result: Result): PlainFunction {
  return ([x, ...more]) => {
    if (more.length > 0 || !isNumeric(x!)) return undefined;
    const own = numberDType(x);
    return plainScalar(fn(numberOf(x)), result === "bool" ? "bool" : result === "float" ? floating(own) : own);
  };
}

function ofTwoNumbers([ofFloats, result, ofWholes = ofFloats]: (typeof BINARY_FUNCTIONS)[string]): PlainFunction {
  return (args) => {
    const [a, b] = args as [Value, Value];
    if (args.length !== 2 || !isNumeric(a) || !isNumeric(b)) return undefined;
    const shared = widest(numberDType(a), numberDType(b));
    const fn = isFloating(shared) ? ofFloats : ofWholes;
    const dtype = result === "bool" ? "bool" : result === "float" ? floating(shared) : shared;
    return plainScalar(fn(numberOf(a), numberOf(b)), dtype);
  };
}

/** The same of numbers of which the types are known. */
function ofColumns(
  arity: number,
  [ofFloats, result, ofWholes = ofFloats]: (typeof BINARY_FUNCTIONS)[string],
): NumberFunction {
  return (floats) => {
    if (floats.length !== arity || result === "bool") return undefined;
    const float = floats.includes(true);
    return { fn: float ? ofFloats : ofWholes, float: float || result === "float" };
  };
}

function plainScalar(value: number, dtype: DType): Value {
  return dtype === "float64" ? new PyFloat(value) : scalar(stored(value, dtype), dtype);
}

function one(name: string, fn: (x: number) => number, result: Result): PyNative {
  const made = native(name, "x, /, *, dtype=None", ({ x, dtype }, ev) => {
    const value = unary(ev, x!, fn, result);
    const wanted = dtypeArg(ev, dtype);
    return wanted ? unwrapped(toArray(ev, value, wanted)) : value;
  });
  return ofNumbers(plainly(made, ofNumber(fn, result)), ofColumns(1, [fn, result]));
}

function two(name: string, entry: (typeof BINARY_FUNCTIONS)[string]): PyNative {
  const made = native(name, "x1, x2, /", ({ x1, x2 }, ev) => binary(ev, x1!, x2!, ...entry));
  return ofNumbers(plainly(made, ofTwoNumbers(entry)), ofColumns(2, entry));
}

export const ELEMENTWISE: readonly PyNative[] = [
  ...Object.entries(FLOAT_FUNCTIONS).map(([name, fn]) => one(name, fn, "float")),
  ...Object.entries(SAME_FUNCTIONS).map(([name, fn]) => one(name, fn, "same")),
  ...Object.entries(TESTS).map(([name, fn]) => one(name, fn, "bool")),
  ...Object.entries(BINARY_FUNCTIONS).map(([name, entry]) => two(name, entry)),
  native("clip", "a, a_min=None, a_max=None, *, min=None, max=None", (args, ev) => clipped(ev, args)),
  native("where", "condition, x, y", ({ condition, x, y }, ev) => {
    const [c, a, b] = [toArray(ev, condition!), operand(ev, x!), operand(ev, y!)];
    const shape = broadcastShape([c.shape, a.array.shape, b.array.shape]);
    const [flags, left, right] = [c, a.array, b.array].map((each) => spread(each, shape).values());
    return arrayOf(
      ev,
      flags!.map((flag, i) => (flag ? left![i]! : right![i]!)),
      shape,
      common(a, b),
    );
  }),
  native("array_equal", "a1, a2", ({ a1, a2 }, ev) => {
    const [a, b] = [toArray(ev, a1!), toArray(ev, a2!)];
    const values = b.values();
    return a.shape.join() === b.shape.join() && a.values().every((v, i) => v === values[i]);
  }),
  native("allclose", "a, b, rtol=1e-05, atol=1e-08", ({ a, b, rtol, atol }, ev) => {
    const [tolerance, least] = [toArray(ev, rtol!).memory[0]!, toArray(ev, atol!).memory[0]!];
    const near: Binary = (x, y) => Number(x === y || Math.abs(x - y) <= least + tolerance * Math.abs(y));
    return toArray(ev, binary(ev, a!, b!, near, "bool"))
      .values()
      .every((flag) => flag === 1);
  }),
];

export function clipped(ev: Evaluator, args: Readonly<Record<string, Value>>): Value {
  const [low, high] = [args.a_min ?? args.min ?? null, args.a_max ?? args.max ?? null];
  const raised = low === null ? args.a! : binary(ev, args.a!, low, maximum, "same");
  return high === null ? raised : binary(ev, raised, high, minimum, "same");
}

const OPERATORS: Record<string, string> = {
  add: "add",
  sub: "subtract",
  mul: "multiply",
  truediv: "divide",
  floordiv: "floor_divide",
  mod: "mod",
  pow: "power",
};
const COMPARISONS: Record<string, string> = {
  eq: "equal",
  ne: "not_equal",
  lt: "less",
  le: "less_equal",
  gt: "greater",
  ge: "greater_equal",
};

/** Whether an operator leaves this operand to what that makes of the array. */
function takes(value: Value): boolean {
  const other = plain(value);
  return isNumeric(other) || other instanceof PyArray || other instanceof PyList || other instanceof PyTuple;
}

for (const [name, fn] of [...Object.entries(OPERATORS), ...Object.entries(COMPARISONS)]) {
  const entry = BINARY_FUNCTIONS[fn]!;
  const define = (method: string, run: (ev: Evaluator, self: Value, other: Value) => Value) =>
    ARRAY.members.set(
      method,
      native(method, "self, other, /", ({ self, other }, ev) =>
        takes(other!) ? run(ev, self!, other!) : NOT_IMPLEMENTED,
      ),
    );
  define(`__${name}__`, (ev, self, other) => binary(ev, self, other, ...entry));
  if (!(name in OPERATORS)) continue;
  define(`__r${name}__`, (ev, self, other) => binary(ev, other, self, ...entry));
  define(`__i${name}__`, (ev, self, other) => {
    const array = self as PyArray;
    const made = toArray(ev, binary(ev, array, other, ...entry));
    if (isFloating(made.dtype) && !isFloating(array.dtype)) {
      throw new PyError(
        "UFuncTypeError",
        `Cannot cast ufunc '${fn}' output from dtype('${made.dtype}') to dtype('${array.dtype}') with casting rule 'same_kind'`,
      );
    }
    write(ev, array, made);
    return array;
  });
}

/** Bits of whole numbers, truth of booleans. */
const BITS: Record<string, (a: number, b: number) => number> = {
  and: (a, b) => Number(BigInt(a) & BigInt(b)),
  or: (a, b) => Number(BigInt(a) | BigInt(b)),
  xor: (a, b) => Number(BigInt(a) ^ BigInt(b)),
};
for (const [name, fn] of Object.entries(BITS)) {
  const method = native(`__${name}__`, "self, other, /", ({ self, other }, ev) =>
    binary(ev, self!, other!, fn, "same"),
  );
  ARRAY.members.set(`__${name}__`, method);
  ARRAY.members.set(`__r${name}__`, method);
}
for (const [method, fn] of [
  ["__neg__", (x: number) => -x],
  ["__pos__", (x: number) => x],
  ["__abs__", Math.abs],
] as const) {
  ARRAY.members.set(
    method,
    native(method, "self", ({ self }, ev) => unary(ev, self!, fn, "same")),
  );
}
ARRAY.members.set(
  "__invert__",
  native("__invert__", "self", ({ self }, ev) => {
    const { dtype } = self as PyArray;
    return unary(ev, self!, dtype === "bool" ? (x) => 1 - x : (x) => -x - 1, "same");
  }),
);

/** Writes to the window's own memory what broadcasts to its shape. */
export function write(ev: Evaluator, target: PyArray, source: PyArray): void {
  const shape = broadcastShape([target.shape, source.shape]);
  if (shape.join() !== target.shape.join()) {
    throw new PyError(
      "ValueError",
      `could not broadcast input array from shape (${source.shape.join(",")}) into shape (${target.shape.join(",")})`,
    );
  }
  allot(ev, target.size);
  const { memory, dtype } = target;
  const spreadOut = spread(source, shape);
  const given = source.memory === memory ? spreadOut.values() : spreadOut.seen();
  const values = dtype === source.dtype ? given : arrayOf(ev, given.slice(), shape, dtype).memory;
  target.rows((start, stride, length, i) => {
    for (let n = 0; n < length; n++) memory[start + n * stride] = values[i + n]!;
  });
}
