import { COUNTER, DEFAULT_DICT, ORDERED_DICT } from "./builtinTypes";
import { ENUM, NAMED_TUPLE } from "./classes";
import { dataclassFields, FIELD, makeDataclass } from "./dataclasses";
import { dictOf, dictSet, setOf } from "./equality";
import type { Evaluator } from "./evaluator";
import { type NativeBody, native, nativeOfUnknown } from "./native";
import { int, isNumeric, numberOf } from "./numbers";
import { binaryOperation } from "./operators";
import { builtinClass, OBJECT, PyPartial, PyProperty, typeName } from "./types";
import {
  PyClass,
  PyDict,
  PyError,
  PyFloat,
  PyFunction,
  PyGenerator,
  PyList,
  PyNamespace,
  type PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  Unknown,
  type Value,
} from "./values";

/** The parts of Python's standard library that model files use. Anything else is unknown, by its import. */

function namespace(name: string, members: Iterable<readonly [string, Value]>): PyNamespace {
  return new PyNamespace(name, new Map(members));
}
const named = (natives: readonly PyNative[]): [string, Value][] => natives.map((n) => [n.name, n]);

function real(value: Value | undefined): number {
  if (value !== undefined && isNumeric(value)) return numberOf(value);
  throw new PyError("TypeError", `must be real number, not ${typeName(value ?? null)}`);
}

// math

const UNARY: Record<string, (x: number) => number> = {
  exp: Math.exp,
  expm1: Math.expm1,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  fabs: Math.abs,
  radians: (x) => (x * Math.PI) / 180,
  degrees: (x) => (x * 180) / Math.PI,
  sqrt: Math.sqrt,
};

function domain(value: number): PyFloat {
  if (Number.isNaN(value)) throw new PyError("ValueError", "math domain error");
  return new PyFloat(value);
}

const MATH = namespace("math", [
  ...Object.entries(UNARY).map(([name, fn]): [string, Value] => [
    name,
    native(name, "x", (args) => {
      const x = real(args.x);
      if (name.startsWith("log") && x <= (name === "log1p" ? -1 : 0))
        throw new PyError("ValueError", "math domain error");
      return Number.isNaN(x) ? new PyFloat(x) : domain(fn(x));
    }),
  ]),
  ...named([
    native("log", "x, base=None", (args) => {
      const x = real(args.x);
      if (x <= 0) throw new PyError("ValueError", "math domain error");
      return domain(args.base === null ? Math.log(x) : Math.log(x) / Math.log(real(args.base)));
    }),
    native("pow", "x, y", (args) => domain(real(args.x) ** real(args.y))),
    native("atan2", "y, x", (args) => new PyFloat(Math.atan2(real(args.y), real(args.x)))),
    native("hypot", "x, y", (args) => new PyFloat(Math.hypot(real(args.x), real(args.y)))),
    native("floor", "x", (args) => int(Math.floor(real(args.x)))),
    native("ceil", "x", (args) => int(Math.ceil(real(args.x)))),
    native("trunc", "x", (args) => int(Math.trunc(real(args.x)))),
    native("isqrt", "n", (args) => int(Math.floor(Math.sqrt(real(args.n))))),
    native("isnan", "x", (args) => Number.isNaN(real(args.x))),
    native("isinf", "x", (args) => Math.abs(real(args.x)) === Number.POSITIVE_INFINITY),
    native("isfinite", "x", (args) => Number.isFinite(real(args.x))),
    native("isclose", "a, b, *, rel_tol=1e-9, abs_tol=0.0", (args) => {
      const [a, b] = [real(args.a), real(args.b)];
      return (
        a === b ||
        Math.abs(a - b) <= Math.max(real(args.rel_tol) * Math.max(Math.abs(a), Math.abs(b)), real(args.abs_tol))
      );
    }),
    native("copysign", "x, y", (args) => new PyFloat(Math.abs(real(args.x)) * (real(args.y) < 0 ? -1 : 1))),
    native("fmod", "x, y", (args) => domain(real(args.x) % real(args.y))),
    native("gcd", "*args", (args) => (args.args as PyTuple).items.reduce<number>((a, b) => gcd(a, real(b)), 0)),
    native("lcm", "*args", (args) =>
      int(
        (args.args as PyTuple).items.reduce<number>(
          (a, b) => (real(b) === 0 ? 0 : Math.abs(a * real(b)) / gcd(a, real(b))),
          1,
        ),
      ),
    ),
    native("factorial", "n", (args) => {
      let result = 1;
      for (let i = 2; i <= Math.min(real(args.n), 30); i++) result *= i;
      return int(result);
    }),
    native("comb", "n, k", (args) => {
      let result = 1;
      for (let i = 1; i <= Math.min(real(args.k), 1000); i++) result = (result * (real(args.n) - i + 1)) / i;
      return int(Math.round(result));
    }),
    native("prod", "iterable, *, start=1", (args, ev) => {
      let product: Value = args.start!;
      for (const item of ev.iterate(args.iterable!)) {
        ev.step();
        product = binaryOperation(ev, "*", product, item);
      }
      return product;
    }),
  ]),
  ["pi", new PyFloat(Math.PI)],
  ["e", new PyFloat(Math.E)],
  ["tau", new PyFloat(2 * Math.PI)],
  ["inf", new PyFloat(Number.POSITIVE_INFINITY)],
  ["nan", new PyFloat(Number.NaN)],
]);

function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}

// typing, abc

/** `typing.List`, `Protocol`, ...: a class that indexing gives back and that nothing is an instance of. */
class TypingMembers extends Map<string, Value> {
  override get(name: string): Value | undefined {
    const known = super.get(name);
    if (known !== undefined || !/^[A-Z]/.test(name)) return known;
    const type = builtinClass(name, [OBJECT]);
    this.set(name, type);
    return type;
  }
}

const identity = (name: string, signature: string, result: string): PyNative =>
  nativeOfUnknown(name, signature, (args) => args[result] ?? null);

function typingNamespace(name: string): PyNamespace {
  const members = new TypingMembers([
    ["TYPE_CHECKING", false],
    ["NamedTuple", NAMED_TUPLE],
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
  ["ABCMeta", builtinClass("ABCMeta", [OBJECT])],
  ["abstractmethod", identity("abstractmethod", "fn", "fn")],
  ["abstractproperty", nativeOfUnknown("abstractproperty", "fn", (args) => new PyProperty(args.fn!, null, false))],
]);

// dataclasses

const DATACLASSES = namespace("dataclasses", [
  [
    "dataclass",
    nativeOfUnknown("dataclass", "cls=None, **kwargs", (args, ev) => {
      if (args.cls instanceof PyClass) return makeDataclass(ev, args.cls);
      return nativeOfUnknown("dataclass", "cls", (inner) =>
        inner.cls instanceof PyClass ? makeDataclass(ev, inner.cls) : inner.cls!,
      );
    }),
  ],
  [
    "field",
    nativeOfUnknown("field", "**kwargs", (args) => {
      const field = new PyObject(FIELD, undefined);
      for (const { key, value } of (args.kwargs as PyDict).entries.values()) field.attributes.set(String(key), value);
      return field;
    }),
  ],
  ["asdict", native("asdict", "obj", (args, ev) => asdict(ev, args.obj!))],
  [
    "fields",
    native("fields", "class_or_instance", (args, ev) => {
      const names = ev.getAttribute(args.class_or_instance!, "__dataclass_fields__") as PyTuple;
      return new PyTuple(
        names.items.map((name) => {
          const field = new PyObject(FIELD, undefined);
          field.attributes.set("name", name);
          return field;
        }),
      );
    }),
  ],
  [
    "replace",
    native("replace", "obj, **changes", (args, ev) => {
      const object = args.obj as PyObject;
      const names = dataclassFields(ev, object.type).filter((f) => f.init);
      const values = new Map(names.map((f) => [f.name, ev.getAttribute(object, f.name)]));
      for (const { key, value } of (args.changes as PyDict).entries.values()) values.set(String(key), value);
      return ev.call(object.type, [], values);
    }),
  ],
]);

function asdict(ev: Evaluator, value: Value): Value {
  if (value instanceof PyObject && ev.tryAttribute(value, "__dataclass_fields__") instanceof PyTuple) {
    const names = (ev.getAttribute(value, "__dataclass_fields__") as PyTuple).items;
    return dictOf(names.map((name) => [name, asdict(ev, ev.getAttribute(value, String(name)))]));
  }
  if (value instanceof PyList) return new PyList(value.items.map((item) => asdict(ev, item)));
  return value;
}

// collections, functools, itertools, copy

const COLLECTIONS = namespace("collections", [
  ["OrderedDict", ORDERED_DICT],
  ["defaultdict", DEFAULT_DICT],
  ["Counter", COUNTER],
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

const FUNCTOOLS = namespace("functools", [
  [
    "partial",
    nativeOfUnknown("partial", "fn, /, *args, **kwargs", (args) => {
      if (args.fn instanceof Unknown) return args.fn;
      const kwargs = [...(args.kwargs as PyDict).entries.values()].map((e): [string, Value] => [
        String(e.key),
        e.value,
      ]);
      return new PyPartial(args.fn!, (args.args as PyTuple).items, new Map(kwargs));
    }),
  ],
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
  ["wraps", nativeOfUnknown("wraps", "wrapped, **kwargs", () => identity("wraps", "fn", "fn"))],
  [
    "lru_cache",
    nativeOfUnknown("lru_cache", "maxsize=None, typed=False", (args) =>
      args.maxsize instanceof PyFunction ? args.maxsize : identity("lru_cache", "fn", "fn"),
    ),
  ],
  ["cache", identity("cache", "fn", "fn")],
  ["cached_property", nativeOfUnknown("cached_property", "fn", (args) => new PyProperty(args.fn!, null, true))],
]);

const lazy =
  (make: (args: Readonly<Record<string, Value>>, ev: Evaluator) => Generator<Value>): NativeBody =>
  (args, ev) =>
    new PyGenerator(make(args, ev));
const rest = (args: Readonly<Record<string, Value>>): readonly Value[] => (args.args as PyTuple).items;

const ITERTOOLS = namespace("itertools", [
  ...named([
    native(
      "chain",
      "*args",
      lazy(function* (args, ev) {
        for (const iterable of rest(args)) yield* ev.iterate(iterable);
      }),
    ),
    native(
      "count",
      "start=0, step=1",
      lazy(function* (args, ev) {
        for (let value: Value = args.start!; ; value = binaryOperation(ev, "+", value, args.step!)) {
          ev.step();
          yield value;
        }
      }),
    ),
    native(
      "cycle",
      "iterable",
      lazy(function* (args, ev) {
        const items = [...ev.iterate(args.iterable!)];
        while (items.length > 0) {
          ev.step();
          yield* items;
        }
      }),
    ),
    native(
      "repeat",
      "object, times=None",
      lazy(function* (args, ev) {
        for (let i = 0; args.times === null || i < Number(args.times); i++) {
          ev.step();
          yield args.object!;
        }
      }),
    ),
    native(
      "islice",
      "iterable, *args",
      lazy(function* (args, ev) {
        const [a = null, b, c] = rest(args);
        const [start, stop, step] = b === undefined ? [0, a, 1] : [Number(a ?? 0), b, Number(c ?? 1)];
        let i = 0;
        for (const item of ev.iterate(args.iterable!)) {
          if (stop !== null && i >= Number(stop)) return;
          if (i >= start && (i - start) % step === 0) yield item;
          i++;
          if (stop !== null && i >= Number(stop)) return;
        }
      }),
    ),
    native(
      "product",
      "*args, repeat=1",
      lazy(function* (args, ev) {
        const once = rest(args).map((iterable) => [...ev.iterate(iterable)]);
        const pools = Array.from({ length: Number(args.repeat) }, () => once).flat();
        yield* products(ev, pools, []);
      }),
    ),
    native(
      "pairwise",
      "iterable",
      lazy(function* (args, ev) {
        let before: Value | undefined;
        for (const item of ev.iterate(args.iterable!)) {
          if (before !== undefined) yield new PyTuple([before, item]);
          before = item;
        }
      }),
    ),
    native(
      "accumulate",
      "iterable, func=None",
      lazy(function* (args, ev) {
        let total: Value | undefined;
        for (const item of ev.iterate(args.iterable!)) {
          if (total === undefined) total = item;
          else total = args.func === null ? binaryOperation(ev, "+", total, item) : ev.call(args.func!, [total, item]);
          yield total;
        }
      }),
    ),
    native(
      "zip_longest",
      "*args, fillvalue=None",
      lazy(function* (args, ev) {
        const lists = rest(args).map((iterable) => [...ev.iterate(iterable)]);
        const longest = Math.max(0, ...lists.map((l) => l.length));
        for (let i = 0; i < longest; i++) yield new PyTuple(lists.map((l) => l[i] ?? args.fillvalue!));
      }),
    ),
  ]),
]);

function* products(ev: Evaluator, pools: readonly Value[][], chosen: readonly Value[]): Generator<Value> {
  if (chosen.length === pools.length) {
    ev.step();
    yield new PyTuple(chosen);
    return;
  }
  for (const item of pools[chosen.length]!) yield* products(ev, pools, [...chosen, item]);
}

/** A copy with every list, dict, object, parameter and module in it copied once. */
export function deepCopy(ev: Evaluator, value: Value, done = new Map<Value, Value>()): Value {
  const before = done.get(value);
  if (before !== undefined) return before;
  ev.step();
  if (value instanceof PyList) {
    const copy = new PyList([]);
    done.set(value, copy);
    for (const item of value.items) copy.items.push(deepCopy(ev, item, done));
    return copy;
  }
  if (value instanceof PyTuple)
    return new PyTuple(
      value.items.map((item) => deepCopy(ev, item, done)),
      value.fields,
    );
  if (value instanceof PyDict) {
    const copy = new PyDict();
    done.set(value, copy);
    for (const entry of value.entries.values()) dictSet(copy, entry.key, deepCopy(ev, entry.value, done));
    return copy;
  }
  if (value instanceof PySet) return setOf(value.entries.values());
  if (value instanceof PyTensor) {
    const copy = new PyTensor(value.node, value.shape, value.dtype, value.unknown);
    copy.requiresGrad = value.requiresGrad;
    // A copied parameter starts with the values of the first: it is the same draw of random numbers.
    if (value.stored) copy.stored = { ...value.stored };
    done.set(value, copy);
    return copy;
  }
  if (value instanceof PyPartial || value instanceof PyProperty || !(value instanceof PyObject)) return value;
  const copy = new PyObject(value.type, value.place);
  done.set(value, copy);
  for (const [name, item] of value.attributes) copy.attributes.set(name, deepCopy(ev, item, done));
  const { module } = value;
  if (module) {
    const tensor = (t: PyTensor | null): PyTensor | null => t && (deepCopy(ev, t, done) as PyTensor);
    copy.module = {
      parameters: new Map([...module.parameters].map(([name, t]) => [name, tensor(t)])),
      buffers: new Map(
        [...module.buffers].map(([name, b]) => [name, { tensor: tensor(b.tensor), persistent: b.persistent }]),
      ),
      modules: new Map([...module.modules].map(([name, m]) => [name, m && (deepCopy(ev, m, done) as PyObject)])),
      training: module.training,
      options: { ...module.options },
    };
  }
  return copy;
}

const COPY = namespace(
  "copy",
  named([
    native("deepcopy", "x, memo=None", (args, ev) => deepCopy(ev, args.x!)),
    native("copy", "x", (args, ev) => {
      const { x } = args;
      if (x instanceof PyList) return new PyList([...x.items]);
      if (x instanceof PyDict) return dictOf([...x.entries.values()].map((e) => [e.key, e.value]));
      if (x instanceof PySet) return setOf(x.entries.values());
      if (!(x instanceof PyObject) || x.module) return deepCopy(ev, x!);
      const copy = new PyObject(x.type, x.place);
      for (const [name, value] of x.attributes) copy.attributes.set(name, value);
      return copy;
    }),
  ]),
);

const ENUM_MODULE = namespace("enum", [
  ["Enum", ENUM],
  ["IntEnum", builtinClass("IntEnum", [ENUM])],
  ["StrEnum", builtinClass("StrEnum", [ENUM])],
  ["auto", nativeOfUnknown("auto", "", () => nativeOfUnknown("auto", "", () => null))],
  ["unique", identity("unique", "cls", "cls")],
]);

const simpleNamespace = builtinClass("SimpleNamespace", [OBJECT]);
simpleNamespace.members.set(
  "__init__",
  nativeOfUnknown("__init__", "self, **kwargs", (args) => {
    for (const { key, value } of (args.kwargs as PyDict).entries.values()) {
      (args.self as PyObject).attributes.set(String(key), value);
    }
    return null;
  }),
);
const TYPES = namespace("types", [["SimpleNamespace", simpleNamespace]]);

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
    MATH,
    ABC,
    DATACLASSES,
    COLLECTIONS,
    FUNCTOOLS,
    ITERTOOLS,
    COPY,
    ENUM_MODULE,
    TYPES,
    WARNINGS,
    NUMBERS,
    typingNamespace("typing"),
    typingNamespace("typing_extensions"),
    typingNamespace("collections.abc"),
  ].map((n) => [n.name, n]),
);
