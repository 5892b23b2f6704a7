import { OPEN } from "../../configs/reading";
import { isModule, tensorAttribute, tensorIsInstance } from "../../libraries/torch";
import { compare } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { type NativeBody, native, nativeOfUnknown } from "../../values/native";
import { arithmetic, int, isNumeric, numberOf, roundHalfEven } from "../../values/numbers";
import { NOT_IMPLEMENTED, PyPartial, PyProperty, PyRange, PyWrapped, plain, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  type PlainFunction,
  PyBound,
  PyClass,
  PyDict,
  PyEllipsis,
  PyError,
  PyFloat,
  PyFunction,
  PyGenerator,
  PyList,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";
import { EXCEPTIONS } from "../exceptions";
import { plainLength } from "../plain/plainCode";
import { plainly } from "../plain/plainFunctions";
import { stopIteration } from "../run/generators";
import { Scope } from "../scope";
import { BUILTIN_TYPES } from "./builtinTypes";
import { setUnlisted } from "./forgotten";
import { truthyOf } from "./iteration";
import { sortValues } from "./methods";
import { binaryOperation } from "./operators";
import { applyFormat, repr } from "./text";

/** Python's builtin functions. */

const tuple = (value: Value | undefined): readonly Value[] => (value as PyTuple).items;

function range(args: Readonly<Record<string, Value>>): Value {
  const numbers = tuple(args.args).map((value) => {
    if (typeof value === "number" || typeof value === "boolean") return Number(value);
    throw new PyError("TypeError", `'${typeName(value)}' object cannot be interpreted as an integer`);
  });
  if (numbers.length === 0) throw new PyError("TypeError", "range expected at least 1 argument, got 0");
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  if (step === 0) throw new PyError("ValueError", "range() arg 3 must not be zero");
  return new PyRange(start, stop, step);
}

/** The unknown arguments of *args make the call unknown. */
function firstUnknown(values: readonly Value[]): Unknown | undefined {
  return values.find((v) => v instanceof Unknown) as Unknown | undefined;
}

function extreme(name: "min" | "max"): NativeBody {
  return (args, ev) => {
    const given = tuple(args.args);
    const unknown = firstUnknown(given);
    if (unknown) return unknown;
    if (given.length === 1 && given[0] instanceof PyTensor) {
      return ev.call(tensorAttribute(given[0], name, ev) ?? null, []);
    }
    const values = given.length === 1 ? ev.iterate(given[0]!) : given;
    let best: { value: Value; key: Value } | undefined;
    for (const value of values) {
      ev.step();
      if (value instanceof Unknown) return value.derived();
      const key = args.key === null ? value : ev.call(args.key!, [value]);
      if (best) {
        const order = compare(name === "max" ? ">" : "<", key, best.key);
        if (order instanceof Unknown) return order;
        if (name === "max" ? order <= 0 : order >= 0) continue;
      }
      best = { value, key };
    }
    if (best) return best.value;
    if (args.default !== null) return args.default!;
    throw new PyError("ValueError", `${name}() arg is an empty sequence`);
  };
}

function isInstance(ev: Evaluator, value: Value, type: Value): boolean | Unknown {
  if (value instanceof Unknown) return value.derived();
  if (type instanceof PyTuple) {
    let unknown: Unknown | undefined;
    for (const option of type.items) {
      const result = isInstance(ev, value, option);
      if (result === true) return true;
      if (result instanceof Unknown) unknown ??= result;
    }
    return unknown ?? false;
  }
  // The class of another file cannot be the class of an instance made here.
  if (type instanceof Unknown)
    return value instanceof PyObject && !value.type.builtin ? type : value instanceof PyObject ? false : type;
  if (type === null) return value === null;
  if (!(type instanceof PyClass))
    throw new PyError("TypeError", "isinstance() arg 2 must be a type, a tuple of types, or a union");
  if (value instanceof PyTensor) return tensorIsInstance(value, type);
  const own = ev.typeOf(value);
  if (own instanceof PyClass && own.mro.includes(type)) return true;
  switch (type.name) {
    case "Callable":
      return isCallable(value);
    case "Iterable":
    case "Sequence":
      return (
        value instanceof PyList ||
        value instanceof PyTuple ||
        typeof value === "string" ||
        (type.name === "Iterable" &&
          (value instanceof PyGenerator || value instanceof PyDict || value instanceof PySet))
      );
    case "Mapping":
    case "Dict":
      return value instanceof PyDict;
    case "Tuple":
      return value instanceof PyTuple;
    case "List":
      return value instanceof PyList;
    case "Number":
    case "Real":
      return isNumeric(value);
    case "Integral":
      return typeof value === "number" || typeof value === "boolean";
  }
  return false;
}

function isCallable(value: Value): boolean {
  if (value instanceof PyFunction || value instanceof PyNative || value instanceof PyBound || value instanceof PyClass)
    return true;
  if (value instanceof PyPartial || isModule(value)) return true;
  return value instanceof PyObject && findMember(value.type, "__call__") !== undefined;
}

/** dir(object): the names of an instance and its class. Other objects have more names than are known here. */
function namesOf(ev: Evaluator, object: Value): Value {
  const type = object instanceof PyClass ? object : object instanceof PyObject ? object.type : undefined;
  if (!type)
    return object instanceof Unknown ? object : new Unknown(`dir() of ${typeName(object)} is not evaluated`, ev.place);
  const names = new Set(type.mro.flatMap((base) => [...base.members.keys()]));
  if (object instanceof PyObject) {
    for (const name of object.attributes.keys()) names.add(name);
    const { module } = object;
    if (module) names.add("training");
    // Names that start with a digit, as those of a Sequential's modules, cannot be attributes.
    for (const held of [module?.parameters, module?.buffers, module?.modules])
      for (const name of held?.keys() ?? []) if (!/^\d/.test(name)) names.add(name);
  }
  return new PyList([...names].sort());
}

function nameOf(value: Value | undefined): string {
  const name = plain(value ?? null);
  if (typeof name === "string") return name;
  throw new PyError("TypeError", `attribute name must be string, not '${typeName(value ?? null)}'`);
}

function* enumerate(ev: Evaluator, iterable: Value, start: number): Generator<Value> {
  let i = start;
  for (const item of ev.iterate(iterable)) yield new PyTuple([i++, item]);
}

function nextOf(ev: Evaluator, method: Value, fallback: Value | undefined): Value {
  const restore = ev.mark();
  try {
    return ev.call(method, []);
  } catch (error) {
    if (fallback === undefined || !(error instanceof PyError) || error.type !== "StopIteration") throw error;
    restore();
    return fallback;
  }
}

function* zip(ev: Evaluator, iterables: readonly Value[], strict: boolean): Generator<Value> {
  const iterators = iterables.map((value) => ev.iterate(value)[Symbol.iterator]());
  while (iterators.length > 0) {
    const items: Value[] = [];
    for (const [i, iterator] of iterators.entries()) {
      const next = iterator.next();
      if (next.done) {
        if (strict && i > 0) throw new PyError("ValueError", `zip() argument ${i + 1} is shorter than argument ${i}`);
        return;
      }
      items.push(next.value);
    }
    yield new PyTuple(items);
  }
}

function* mapped(ev: Evaluator, fn: Value, iterables: readonly Value[]): Generator<Value> {
  for (const items of zip(ev, iterables, false)) yield ev.call(fn, (items as PyTuple).items);
}

function* filtered(ev: Evaluator, fn: Value, iterable: Value): Generator<Value> {
  for (const item of ev.iterate(iterable)) {
    const keep = truthyOf(ev, fn === null ? item : ev.call(fn, [item]));
    if (keep instanceof Unknown) {
      yield keep;
      return;
    }
    if (keep) yield item;
  }
}

function quantified(stop: boolean): NativeBody {
  return (args, ev) => {
    let unknown: Unknown | undefined;
    for (const item of ev.iterate(args.iterable!)) {
      ev.step();
      const truth = truthyOf(ev, item);
      if (truth === stop) return stop;
      if (truth instanceof Unknown) unknown ??= truth;
    }
    return unknown ?? !stop;
  };
}

const FUNCTIONS: readonly PyNative[] = [
  nativeOfUnknown("print", "*args, **kwargs", () => null),
  native("range", "*args", (args) => firstUnknown(tuple(args.args)) ?? range(args)),
  native("len", "obj", (args, ev) => ev.length(args.obj!)),
  native(
    "enumerate",
    "iterable, start=0",
    (args, ev) => new PyGenerator(enumerate(ev, args.iterable!, Number(args.start))),
  ),
  native("zip", "*args, strict=False", (args, ev) => {
    const iterables = tuple(args.args);
    return firstUnknown(iterables) ?? new PyGenerator(zip(ev, iterables, ev.truthy(args.strict!)));
  }),
  native("map", "fn, *args", (args, ev) => {
    const iterables = tuple(args.args);
    return firstUnknown(iterables) ?? new PyGenerator(mapped(ev, args.fn!, iterables));
  }),
  native("filter", "fn, iterable", (args, ev) => new PyGenerator(filtered(ev, args.fn!, args.iterable!))),
  native("reversed", "sequence", (args, ev) => {
    const items = [...ev.iterate(args.sequence!)];
    ev.allot(items.length, "a list");
    return new PyGenerator(items.reverse()[Symbol.iterator]());
  }),
  native("sorted", "iterable, *, key=None, reverse=False", (args, ev) => {
    const items = [...ev.iterate(args.iterable!)];
    ev.allot(items.length, "a list");
    return sortValues(ev, items, args.key!, ev.truthy(args.reverse!)) ?? new PyList(items);
  }),
  native("sum", "iterable, start=0", (args, ev) => {
    let total: Value = args.start!;
    for (const item of ev.iterate(args.iterable!)) {
      ev.step();
      total = binaryOperation(ev, "+", total, item);
    }
    return total;
  }),
  native("min", "*args, key=None, default=None", extreme("min")),
  native("max", "*args, key=None, default=None", extreme("max")),
  native("any", "iterable", quantified(true)),
  native("all", "iterable", quantified(false)),
  native("abs", "x", (args, ev) => {
    const x = args.x!;
    if (x instanceof PyTensor) return ev.call(tensorAttribute(x, "abs", ev) ?? null, []);
    if (x instanceof PyFloat) return new PyFloat(Math.abs(x.value));
    if (isNumeric(x)) return Math.abs(numberOf(x));
    const method = ev.special(x, "__abs__");
    if (method) return ev.call(method, []);
    throw new PyError("TypeError", `bad operand type for abs(): '${typeName(x)}'`);
  }),
  native("round", "number, ndigits=None", (args) => {
    const { number, ndigits } = args;
    if (!isNumeric(number!))
      throw new PyError("TypeError", `type ${typeName(number!)} doesn't define __round__ method`);
    if (ndigits === null) return int(roundHalfEven(numberOf(number), 0));
    const result = roundHalfEven(numberOf(number), Number(ndigits));
    return number instanceof PyFloat ? new PyFloat(result) : int(result);
  }),
  native("pow", "base, exp, mod=None", (args, ev) => {
    const power = binaryOperation(ev, "**", args.base!, args.exp!);
    return args.mod === null ? power : binaryOperation(ev, "%", power, args.mod!);
  }),
  native("divmod", "a, b", (args) => {
    if (!isNumeric(args.a!) || !isNumeric(args.b!))
      throw new PyError("TypeError", "unsupported operand type(s) for divmod()");
    return new PyTuple([arithmetic("//", args.a, args.b), arithmetic("%", args.a, args.b)]);
  }),
  nativeOfUnknown("isinstance", "obj, classinfo", (args, ev) => isInstance(ev, args.obj!, args.classinfo!)),
  native("issubclass", "cls, classinfo", (args) => {
    const options = args.classinfo instanceof PyTuple ? args.classinfo.items : [args.classinfo!];
    return args.cls instanceof PyClass && options.some((o) => (args.cls as PyClass).mro.includes(o as PyClass));
  }),
  native("getattr", "obj, name, *default", (args, ev) => {
    const fallback = tuple(args.default)[0];
    if (fallback === undefined) return ev.getAttribute(args.obj!, nameOf(args.name));
    const value = ev.tryAttribute(args.obj!, nameOf(args.name));
    return value === undefined ? fallback : value;
  }),
  nativeOfUnknown("setattr", "obj, name, value", (args, ev) => {
    if (args.name instanceof Unknown && args.obj instanceof PyObject) setUnlisted(ev, args.obj, args.name);
    else if (args.name instanceof Unknown) ev.problem(`setattr: the name is unknown: ${args.name.reason}`);
    else ev.setAttribute(args.obj!, nameOf(args.name), args.value!);
    return null;
  }),
  native("hasattr", "obj, name", (args, ev) => ev.tryAttribute(args.obj!, nameOf(args.name)) !== undefined),
  native("delattr", "obj, name", (args, ev) => {
    ev.deleteAttribute(args.obj!, nameOf(args.name));
    return null;
  }),
  native("callable", "obj", (args) => isCallable(args.obj!)),
  native("repr", "obj", (args, ev) => repr(ev, args.obj!)),
  native("format", "value, format_spec=''", (args, ev) => applyFormat(ev, args.value!, String(args.format_spec))),
  native("id", "obj", (args, ev) => (typeof args.obj === "object" && args.obj ? ev.session.idOf(args.obj) : 0)),
  native("hash", "obj", () => new Unknown("hash() values differ from run to run")),
  native("chr", "i", (args) => {
    const point = Number(args.i);
    if (Number.isInteger(point) && point >= 0 && point <= 0x10ffff) return String.fromCodePoint(point);
    throw new PyError("ValueError", "chr() arg not in range(0x110000)");
  }),
  native("ord", "c", (args) => String(args.c).codePointAt(0) ?? 0),
  native("iter", "obj", (args, ev) => {
    const { obj } = args;
    if (obj instanceof PyGenerator && !(obj instanceof PyRange)) return obj;
    const own = ev.special(obj!, "__iter__");
    return own ? ev.call(own, []) : new PyGenerator(ev.iterate(obj!));
  }),
  native("next", "iterator, *default", (args, ev) => {
    const method = ev.special(args.iterator!, "__next__");
    if (method) return nextOf(ev, method, tuple(args.default)[0]);
    if (!(args.iterator instanceof PyGenerator) || args.iterator instanceof PyRange) {
      throw new PyError("TypeError", `'${typeName(args.iterator!)}' object is not an iterator`);
    }
    const next = args.iterator.next();
    if (!next.done) return next.value;
    const fallback = tuple(args.default)[0];
    if (fallback === undefined) throw stopIteration(next.value);
    return fallback;
  }),
  nativeOfUnknown("vars", "obj", (args, ev) => ev.getAttribute(args.obj!, "__dict__")),
  nativeOfUnknown("dir", "*args", (args, ev) => {
    const [object] = tuple(args.args);
    return object === undefined
      ? new Unknown("dir() without an object is not evaluated", ev.place)
      : namesOf(ev, object);
  }),
  nativeOfUnknown("staticmethod", "fn", (args) => new PyWrapped("static", args.fn!)),
  nativeOfUnknown("classmethod", "fn", (args) => new PyWrapped("class", args.fn!)),
  nativeOfUnknown(
    "property",
    "fget=None, fset=None, fdel=None, doc=None",
    (args) => new PyProperty(args.fget!, args.fset!, false),
  ),
  OPEN,
  ...["input", "eval", "exec", "compile", "__import__", "bytes", "bytearray", "memoryview", "complex"].map((name) =>
    nativeOfUnknown(name, "*args, **kwargs", (_args, ev) => new Unknown(`${name}() is not evaluated`, ev.place)),
  ),
];

/** The scope around every module. */
const PLAIN: Readonly<Record<string, PlainFunction>> = {
  abs: ([x, ...more]) =>
    more.length > 0 || !isNumeric(x!)
      ? undefined
      : x instanceof PyFloat
        ? new PyFloat(Math.abs(x.value))
        : Math.abs(numberOf(x)),
  len: ([x, ...more]) => (more.length === 0 ? plainSize(x!) : undefined),
  range: (args) => (args.every((arg) => typeof arg === "number") ? range({ args: new PyTuple(args) }) : undefined),
  min: (args) => extremeOf(args, (a, b) => a <= b),
  max: (args) => extremeOf(args, (a, b) => a >= b),
};
/** A class's own `__len__` is not asked here. */
function plainSize(value: Value): number | undefined {
  const isCounted = (value instanceof PyDict && value.constructor === PyDict) || value instanceof PySet;
  return isCounted && value.subclass === undefined ? value.entries.size : plainLength(value);
}

function extremeOf(args: readonly Value[], first: (a: number, b: number) => boolean): Value | undefined {
  const isPlain = args.length > 1 && args.every((arg) => isNumeric(arg) && !Number.isNaN(numberOf(arg)));
  return isPlain ? args.reduce((a, b) => (first(numberOf(a as number), numberOf(b as number)) ? a : b)) : undefined;
}
for (const fn of FUNCTIONS) if (PLAIN[fn.name]) plainly(fn, PLAIN[fn.name]!);

export function builtinScope(): Scope {
  const scope = new Scope("module", undefined, "");
  for (const fn of FUNCTIONS) scope.names.set(fn.name, fn);
  for (const [name, type] of BUILTIN_TYPES) scope.names.set(name, type);
  for (const [name, type] of EXCEPTIONS) scope.names.set(name, type);
  scope.names.set("NotImplemented", NOT_IMPLEMENTED);
  scope.names.set("Ellipsis", new PyEllipsis());
  scope.names.set("__debug__", true);
  const special = (name: string): PyNative =>
    nativeOfUnknown(name, "", (_args, ev) => new Unknown(`${name}() is not evaluated here`, ev.place));
  for (const name of ["locals", "globals", "super"]) scope.names.set(name, special(name));
  return scope;
}
