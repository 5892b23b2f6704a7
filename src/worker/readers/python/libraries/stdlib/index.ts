import {
  COUNTER,
  DEFAULT_DICT,
  FUNCTION,
  INT,
  MODULE_TYPE,
  NONE_TYPE,
  ORDERED_DICT,
  STR,
  TYPE,
} from "../../evaluate/objects/builtinTypes";
import { AUTO, ENUM, FLAG, showsValue } from "../../evaluate/objects/enums";
import { NAMED_TUPLE } from "../../evaluate/run/classes";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { native, nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT, PARTIAL, PyProperty } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyClass,
  type PyDict,
  PyError,
  PyFunction,
  PyNamespace,
  type PyNative,
  type PyObject,
  type PyTuple,
  type Value,
} from "../../values/values";
import { ARGPARSE } from "./argparse";
import { CONTEXTLIB } from "./contextlib";
import { COPY } from "./copy";
import { DATACLASSES } from "./dataclasses";
import { DEQUE } from "./deque";
import { IMPORTLIB } from "./importlib";
import { INSPECT } from "./inspect";
import { ITERTOOLS } from "./itertools";
import { MAPPING, MUTABLE_MAPPING } from "./mappings";
import { MATH } from "./math";
import { UNITTEST } from "./mock";
import { named, namespace } from "./namespace";
import { OPERATOR } from "./operator";
import { TOTAL_ORDERING } from "./ordering";
import { OS, OS_PATH } from "./os";
import { PATHLIB } from "./pathlib";
import { RE } from "./re";

export { deepCopy } from "./copy";

/** The parts of Python's standard library that model files use. Anything else is unknown, by its import. */

// typing, abc

/** `typing.List`, `Protocol`, ...: a class that indexing gives back and that nothing is an instance of. */
class TypingMembers extends Map<string, Value> {
  /** Apart from the others: which of them have been asked for is nobody's business who lists the names. */
  private readonly made = new Map<string, Value>();

  override get(name: string): Value | undefined {
    const known = super.get(name) ?? this.made.get(name);
    if (known !== undefined || !/^[A-Z]/.test(name)) return known;
    const type = builtinClass(name, [OBJECT]);
    this.made.set(name, type);
    return type;
  }
}

const identity = (name: string, signature: string, result: string): PyNative =>
  nativeOfUnknown(name, signature, (args) => args[result] ?? null);

function typingNamespace(name: string): PyNamespace {
  const members = new TypingMembers([
    ["TYPE_CHECKING", false],
    ["NamedTuple", NAMED_TUPLE],
    ["Mapping", MAPPING],
    ["MutableMapping", MUTABLE_MAPPING],
    ["TypeVar", nativeOfUnknown("TypeVar", "name, *args, **kwargs", () => OBJECT)],
    ["ParamSpec", nativeOfUnknown("ParamSpec", "name, *args, **kwargs", () => OBJECT)],
    ["NewType", identity("NewType", "name, tp", "tp")],
    ["cast", identity("cast", "typ, val", "val")],
    ["overload", identity("overload", "fn", "fn")],
    ["final", identity("final", "fn", "fn")],
    ["override", identity("override", "fn", "fn")],
    ["runtime_checkable", identity("runtime_checkable", "cls", "cls")],
    ["no_type_check", identity("no_type_check", "fn", "fn")],
  ] as [string, Value][]);
  return new PyNamespace(name, members);
}

const ABC = namespace("abc", [
  ["ABC", builtinClass("ABC", [OBJECT])],
  ["ABCMeta", TYPE],
  ["abstractmethod", identity("abstractmethod", "fn", "fn")],
  ["abstractproperty", nativeOfUnknown("abstractproperty", "fn", (args) => new PyProperty(args.fn!, null, false))],
]);

// collections, functools, itertools, copy

const COLLECTIONS = namespace("collections", [
  ["OrderedDict", ORDERED_DICT],
  ["defaultdict", DEFAULT_DICT],
  ["Counter", COUNTER],
  ["deque", DEQUE],
  [
    "namedtuple",
    native("namedtuple", "typename, field_names, *, defaults=None", (args, ev) => {
      const names =
        typeof args.field_names === "string"
          ? args.field_names.split(/[\s,]+/).filter((n) => n !== "")
          : [...ev.iterate(args.field_names!)].map(String);
      const type = new PyClass(String(args.typename), [NAMED_TUPLE], new Map(), ev.place, undefined);
      type.mro = [type, ...NAMED_TUPLE.mro];
      type.members.set("__annotations__", dictOf(names.map((n) => [n, null])));
      const defaults = args.defaults === null ? [] : [...ev.iterate(args.defaults!)];
      defaults.forEach((value, i) => {
        type.members.set(names[names.length - defaults.length + i]!, value);
      });
      return type;
    }),
  ],
]);

/** What functools.wraps sets: the wrapper goes by the name of what it wraps, and says what that is. */
function likeWrapped(ev: Evaluator, wrapper: Value, wrapped: Value): Value {
  if (!(wrapper instanceof PyFunction) || wrapped instanceof Unknown) return wrapper;
  wrapper.attributes ??= new Map();
  for (const name of ["__name__", "__qualname__", "__doc__"]) {
    const value = ev.tryAttribute(wrapped, name);
    if (value !== undefined) wrapper.attributes.set(name, value);
  }
  wrapper.attributes.set("__wrapped__", wrapped);
  return wrapper;
}

const FUNCTOOLS = namespace("functools", [
  ["partial", PARTIAL],
  [
    "reduce",
    native("reduce", "fn, iterable, *initial", (args, ev) => {
      let total: Value | undefined = (args.initial as PyTuple).items[0];
      for (const item of ev.iterate(args.iterable!))
        total = total === undefined ? item : ev.call(args.fn!, [total, item]);
      if (total === undefined) throw new PyError("TypeError", "reduce() of empty iterable with no initial value");
      return total;
    }),
  ],
  [
    "wraps",
    nativeOfUnknown("wraps", "wrapped, **kwargs", ({ wrapped }, ev) =>
      nativeOfUnknown("wraps", "fn", ({ fn }) => likeWrapped(ev, fn!, wrapped!)),
    ),
  ],
  [
    "update_wrapper",
    nativeOfUnknown("update_wrapper", "wrapper, wrapped, **kwargs", ({ wrapper, wrapped }, ev) =>
      likeWrapped(ev, wrapper!, wrapped!),
    ),
  ],
  [
    "lru_cache",
    nativeOfUnknown("lru_cache", "maxsize=None, typed=False", (args) =>
      args.maxsize instanceof PyFunction ? args.maxsize : identity("lru_cache", "fn", "fn"),
    ),
  ],
  ["total_ordering", TOTAL_ORDERING],
  ["cache", identity("cache", "fn", "fn")],
  ["cached_property", nativeOfUnknown("cached_property", "fn", (args) => new PyProperty(args.fn!, null, true))],
]);

const INT_ENUM = mixed("IntEnum", INT, ENUM);
const STR_ENUM = mixed("StrEnum", STR, ENUM);
const INT_FLAG = mixed("IntFlag", INT, FLAG);
for (const type of [INT_ENUM, STR_ENUM]) type.members.set("__str__", showsValue);

function mixed(name: string, base: PyClass, ENUM: PyClass): PyClass {
  const type = builtinClass(name, [base, ENUM]);
  type.mro = [type, base, ...ENUM.mro];
  return type;
}

const ENUM_MODULE = namespace("enum", [
  ["Enum", ENUM],
  ["IntEnum", INT_ENUM],
  ["StrEnum", STR_ENUM],
  ["Flag", FLAG],
  ["IntFlag", INT_FLAG],
  ["EnumMeta", TYPE],
  ["EnumType", TYPE],
  ["auto", nativeOfUnknown("auto", "", () => AUTO)],
  ["unique", identity("unique", "cls", "cls")],
  ["property", nativeOfUnknown("property", "fn", (args) => new PyProperty(args.fn!, null, false))],
]);

export const simpleNamespace = builtinClass("SimpleNamespace", [OBJECT]);
simpleNamespace.members.set(
  "__init__",
  nativeOfUnknown("__init__", "self, **kwargs", (args) => {
    for (const { key, value } of (args.kwargs as PyDict).entries.values()) {
      (args.self as PyObject).attributes.set(String(key), value);
    }
    return null;
  }),
);
/** `types.FunctionType` and its like are what `type()` gives of a function, a lambda, a method. */
const TYPES = namespace("types", [
  ["SimpleNamespace", simpleNamespace],
  ...["FunctionType", "LambdaType", "MethodType", "BuiltinFunctionType"].map((name) => [name, FUNCTION] as const),
  ["ModuleType", MODULE_TYPE],
  ["NoneType", NONE_TYPE],
]);

const WARNINGS = namespace(
  "warnings",
  named(["warn", "filterwarnings", "simplefilter"].map((n) => nativeOfUnknown(n, "*args, **kwargs", () => null))),
);

const NUMBERS = namespace(
  "numbers",
  ["Number", "Real", "Integral"].map((n) => [n, builtinClass(n, [OBJECT])]),
);

export const STANDARD_LIBRARY: ReadonlyMap<string, PyNamespace> = new Map(
  [
    ARGPARSE,
    MATH,
    ABC,
    DATACLASSES,
    COLLECTIONS,
    FUNCTOOLS,
    IMPORTLIB,
    INSPECT,
    ITERTOOLS,
    COPY,
    ENUM_MODULE,
    TYPES,
    WARNINGS,
    NUMBERS,
    OPERATOR,
    RE,
    CONTEXTLIB,
    OS,
    OS_PATH,
    ...UNITTEST,
    PATHLIB,
    typingNamespace("typing"),
    typingNamespace("typing_extensions"),
    typingNamespace("collections.abc"),
  ].map((n) => [n.name, n]),
);
