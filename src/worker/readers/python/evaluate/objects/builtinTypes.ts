import { parameterClass, tensorClass, tensorIsInstance, tensorScalar } from "../../libraries/torch";
import { dictOf, setOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { evaluatorOf } from "../../values/native";
import { int, isNumeric, numberOf } from "../../values/numbers";
import { builtinClass, classOf, OBJECT, PyDefaultDict, plain, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import {
  PyBound,
  PyClass,
  PyDict,
  PyError,
  PyFloat,
  PyFunction,
  PyList,
  PyNative,
  PyObject,
  PySet,
  PySlice,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../values/values";
import { plainly } from "../plain/plainFunctions";
import { truthyOf } from "./iteration";
import { BUILTIN_METHODS, updateDict } from "./methods";
import { repr, str } from "./text";

/** Python's builtin types: callable, and what isinstance() compares with. */

type Make = (ev: Evaluator, args: readonly Value[], kwargs: ReadonlyMap<string, Value>) => Value;

function type(name: string, make: Make, bases: readonly PyClass[] = [OBJECT]): PyClass {
  return builtinClass(name, bases, (args: readonly Value[], kwargs: ReadonlyMap<string, Value>, runtime: Runtime) => {
    const unknown = args.find((a) => a instanceof Unknown);
    return unknown ?? make(evaluatorOf(runtime), args, kwargs);
  });
}

function collected(ev: Evaluator, value: Value | undefined): Value[] {
  if (value === undefined) return [];
  const items: Value[] = [];
  for (const item of ev.iterate(value)) {
    ev.step();
    items.push(item);
    if (items.length % 1024 === 0) ev.allot(items.length, "a list");
  }
  return items;
}

export const SLICE = type("slice", (_ev, args) => {
  const [start, stop, step] = args.length === 1 ? [null, args[0]!, null] : args;
  return new PySlice(start ?? null, stop ?? null, step ?? null);
});

export const INT = type("int", (ev, [given = 0, base]) => {
  const value = plain(given);
  if (value instanceof PyTensor) return toInt(tensorScalar(value, ev));
  if (typeof value === "string") {
    const radix = typeof base === "number" ? base : 10;
    const text = value.trim().replaceAll("_", "");
    const n =
      radix === 10 && /^[-+]?\d+$/.test(text) ? Number(text) : radix === 10 ? Number.NaN : Number.parseInt(text, radix);
    if (Number.isNaN(n)) {
      throw new PyError("ValueError", `invalid literal for int() with base ${radix}: ${String(repr(ev, value))}`);
    }
    return int(n);
  }
  const method = ev.special(value, "__int__");
  return method ? ev.call(method, []) : toInt(value);
});

function toInt(value: Value): Value {
  if (value instanceof Unknown) return value;
  if (!isNumeric(value)) {
    throw new PyError(
      "TypeError",
      `int() argument must be a string, a bytes-like object or a real number, not '${typeName(value)}'`,
    );
  }
  const n = numberOf(value);
  if (Number.isNaN(n)) throw new PyError("ValueError", "cannot convert float NaN to integer");
  if (!Number.isFinite(n)) throw new PyError("OverflowError", "cannot convert float infinity to integer");
  return int(Math.trunc(n));
}

const FLOAT = type("float", (ev, [whole = 0]) => {
  const value = plain(whole);
  const given = value instanceof PyTensor ? tensorScalar(value, ev) : value;
  if (given instanceof Unknown) return given;
  if (typeof given === "string") {
    const text = given.trim().toLowerCase();
    const special = /^([-+]?)(inf|infinity|nan)$/.exec(text);
    if (special) return new PyFloat(special[2] === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity);
    const n = text === "" ? Number.NaN : Number(text.replaceAll("_", ""));
    if (Number.isNaN(n))
      throw new PyError("ValueError", `could not convert string to float: ${String(repr(ev, given))}`);
    return new PyFloat(n);
  }
  if (isNumeric(given)) return new PyFloat(numberOf(given));
  const method = ev.special(given, "__float__");
  if (method) return ev.call(method, []);
  throw new PyError("TypeError", `float() argument must be a string or a real number, not '${typeName(given)}'`);
});

plainly(INT, ([x, ...more]) => (more.length === 0 && isNumeric(x!) ? toInt(x) : undefined));
plainly(FLOAT, ([x, ...more]) => (more.length === 0 && isNumeric(x!) ? new PyFloat(numberOf(x)) : undefined));

const BOOL = type("bool", (ev, [value = false]) => truthyOf(ev, value), [INT]);
export const STR = type("str", (ev, [value = ""]) => str(ev, value));
const LIST = type("list", (ev, [value]) => new PyList(collected(ev, value)));
const TUPLE = type("tuple", (ev, [value]) =>
  value instanceof PyTuple && !value.fields && !value.subclass ? value : new PyTuple(collected(ev, value)),
);
const SET = type("set", (ev, [value]) => setOf(collected(ev, value)));
const FROZENSET = type("frozenset", (ev, [value]) => setOf(collected(ev, value)));
export const DICT = type("dict", (ev, [value], kwargs) => {
  const dict = new PyDict();
  if (value !== undefined) updateDict(ev, dict, value);
  updateDict(ev, dict, dictOf(kwargs));
  return dict;
});
export const ORDERED_DICT = type("OrderedDict", (ev, args, kwargs) => ev.call(DICT, args, kwargs), [DICT]);
export const DEFAULT_DICT = type(
  "defaultdict",
  (ev, [factory = null, ...rest], kwargs) => {
    const dict = new PyDefaultDict(factory);
    if (rest[0] !== undefined) updateDict(ev, dict, rest[0]);
    updateDict(ev, dict, dictOf(kwargs));
    return dict;
  },
  [DICT],
);
export const COUNTER = type("Counter", () => new Unknown("collections.Counter is not supported"), [DICT]);
export const NONE_TYPE = builtinClass("NoneType", [OBJECT]);
/** Functions and methods; called, it is types.MethodType(function, object). */
export const FUNCTION = builtinClass("function", [OBJECT], ([fn, self]) => {
  if (fn instanceof Unknown) return fn;
  if (self !== undefined && (fn instanceof PyFunction || fn instanceof PyNative)) return new PyBound(self, fn);
  throw new EvaluationError("a function made of a code object is not supported");
});
export const MODULE_TYPE = builtinClass("module", [OBJECT]);

export const TYPE: PyClass = type("type", (ev, args, kwargs): Value => {
  return args.length === 1 ? typeOf(args[0]!) : ev.allocate(TYPE, args, kwargs);
});

export const BUILTIN_TYPES: ReadonlyMap<string, PyClass> = new Map(
  [OBJECT, INT, FLOAT, BOOL, STR, LIST, TUPLE, SET, FROZENSET, DICT, SLICE, TYPE].map((t) => [t.name, t]),
);

/** type(value). */
export function typeOf(value: Value): Value {
  if (value instanceof Unknown) return value;
  if (value instanceof PyObject) return value.type;
  if (value instanceof PyTensor) return tensorIsInstance(value, parameterClass) ? parameterClass : tensorClass;
  if (value instanceof PyClass) return value.metaclass ?? TYPE;
  const own = classOf(value);
  if (own) return own;
  if (value === null) return NONE_TYPE;
  if (value instanceof PySet) return SET;
  const name = typeName(value);
  return (
    BUILTIN_TYPES.get(name) ?? (name === "defaultdict" ? DEFAULT_DICT : name === "module" ? MODULE_TYPE : FUNCTION)
  );
}

export function typeMethod(type: PyClass, name: string): Value | undefined {
  const method = type.mro.map((t) => BUILTIN_METHODS.get(t.name)?.get(name)).find((m) => m !== undefined);
  return method && CLASS_METHODS.has(name) ? new PyBound(type, method) : method;
}

const CLASS_METHODS = new Set(["fromkeys"]);
