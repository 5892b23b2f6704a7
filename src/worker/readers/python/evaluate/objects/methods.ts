import { compare, dictGet, dictOf, dictSet, equal, keyOf, setOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { storedUnderUnknown } from "../../values/liveDict";
import { type NativeBody, native, nativeOfUnknown } from "../../values/native";
import { PyRange, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyClass,
  PyDict,
  PyError,
  type PyFloat,
  PyGenerator,
  PyList,
  type PyNative,
  PySet,
  PyTuple,
  type Value,
} from "../../values/values";
import { GENERATOR_METHODS } from "../run/generators";
import { compareValues } from "./comparisons";
import { onSets } from "./operators";
import { STRING_METHODS } from "./stringMethods";
import { repr } from "./text";

/** Methods of Python's own containers and numbers. */

type Table = Map<string, PyNative>;

function table(...entries: [name: string, signature: string, body: NativeBody, takesUnknown?: boolean][]): Table {
  return new Map(
    entries.map(([name, signature, body, takesUnknown]) => {
      const full = signature ? `self, ${signature}` : "self";
      return [name, (takesUnknown ? nativeOfUnknown : native)(name, full, body)];
    }),
  );
}

const items = (args: Readonly<Record<string, Value>>): Value[] => (args.self as PyList).items;
const dict = (args: Readonly<Record<string, Value>>): PyDict => args.self as PyDict;
function entriesOf(args: Readonly<Record<string, Value>>, ev: Evaluator) {
  const { entries } = dict(args);
  ev.step(entries.size >> 4);
  return [...entries.values()];
}
const set = (args: Readonly<Record<string, Value>>): PySet => args.self as PySet;

function whole(value: Value | undefined): number {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  throw new PyError("TypeError", `'${typeName(value ?? null)}' object cannot be interpreted as an integer`);
}

function find(ev: Evaluator, list: readonly Value[], value: Value): number | Unknown {
  ev.step(list.length >> 4);
  for (let i = 0; i < list.length; i++) {
    const same = equal(list[i]!, value);
    if (same instanceof Unknown) return same;
    if (same) return i;
  }
  return -1;
}

function countIn(ev: Evaluator, list: readonly Value[], value: Value): number {
  ev.step(list.length >> 4);
  return list.filter((item) => equal(item, value) === true).length;
}

function orderOf(ev: Evaluator, a: Value, b: Value): number {
  if (ev.special(a, "__lt__") || ev.special(b, "__gt__")) {
    if (ev.truthy(compareValues(ev, "<", a, b))) return -1;
    return ev.truthy(compareValues(ev, "<", b, a)) ? 1 : 0;
  }
  const order = compare("<", a, b);
  return order instanceof Unknown ? 0 : order;
}

/** Sorts in place, stably; unknown elements or keys make the whole order unknown. */
export function sortValues(ev: Evaluator, values: Value[], key: Value, reverse: boolean): Unknown | undefined {
  const keyed = values.map((value) => ({ value, key: key === null ? value : ev.call(key, [value]) }));
  const unknown = keyed.find((k) => k.key instanceof Unknown);
  if (unknown) return unknown.key as Unknown;
  ev.step(values.length);
  keyed.sort((a, b) => {
    const order = orderOf(ev, a.key, b.key);
    return reverse ? -order : order;
  });
  for (let i = 0; i < keyed.length; i++) values[i] = keyed[i]!.value;
  return undefined;
}

const LIST: Table = table(
  [
    "append",
    "object",
    (args, ev) => {
      items(args).push(args.object!);
      if (items(args).length % 1024 === 0) ev.allot(items(args).length, "a list");
      return null;
    },
    true,
  ],
  [
    "extend",
    "iterable",
    (args, ev) => {
      if (args.iterable instanceof Unknown) {
        items(args).push(args.iterable);
        return null;
      }
      for (const item of args.iterable === args.self ? [...items(args)] : ev.iterate(args.iterable!)) {
        ev.step();
        items(args).push(item);
        if (items(args).length % 1024 === 0) ev.allot(items(args).length, "a list");
      }
      return null;
    },
    true,
  ],
  [
    "insert",
    "index, object",
    (args, ev) => {
      ev.step(items(args).length >> 6);
      items(args).splice(whole(args.index), 0, args.object!);
      return null;
    },
    true,
  ],
  [
    "pop",
    "index=-1",
    (args) => {
      const list = items(args);
      if (list.length === 0) throw new PyError("IndexError", "pop from empty list");
      const at = whole(args.index) < 0 ? whole(args.index) + list.length : whole(args.index);
      if (at < 0 || at >= list.length) throw new PyError("IndexError", "pop index out of range");
      return list.splice(at, 1)[0]!;
    },
  ],
  [
    "remove",
    "value",
    (args, ev) => {
      const at = find(ev, items(args), args.value!);
      if (at instanceof Unknown) return at;
      if (at < 0) throw new PyError("ValueError", "list.remove(x): x not in list");
      items(args).splice(at, 1);
      return null;
    },
  ],
  [
    "clear",
    "",
    (args) => {
      items(args).length = 0;
      return null;
    },
  ],
  [
    "index",
    "value",
    (args, ev) => {
      const at = find(ev, items(args), args.value!);
      if (at === -1) throw new PyError("ValueError", `${String(repr(ev, args.value!))} is not in list`);
      return at;
    },
  ],
  ["count", "value", (args, ev) => countIn(ev, items(args), args.value!)],
  [
    "reverse",
    "",
    (args, ev) => {
      ev.step(items(args).length >> 6);
      items(args).reverse();
      return null;
    },
  ],
  [
    "sort",
    "*, key=None, reverse=False",
    (args, ev) => sortValues(ev, items(args), args.key!, ev.truthy(args.reverse!)) ?? null,
  ],
  ["copy", "", (args, ev) => new PyList([...ev.iterate(args.self!)])],
);

const TUPLE: Table = table(
  [
    "index",
    "value",
    (args, ev) => {
      const at = find(ev, (args.self as PyTuple).items, args.value!);
      if (at === -1) throw new PyError("ValueError", "tuple.index(x): x not in tuple");
      return at;
    },
  ],
  ["count", "value", (args, ev) => countIn(ev, (args.self as PyTuple).items, args.value!)],
  // A tensor's shape is a tuple here.
  [
    "numel",
    "",
    (args) => {
      const { items } = args.self as PyTuple;
      const unknown = items.find((item) => item instanceof Unknown);
      return unknown ?? items.reduce<number>((n, item) => n * Number(item), 1);
    },
  ],
  [
    "_asdict",
    "",
    (args) => {
      const { items: values, fields } = args.self as PyTuple;
      return dictOf(values.map((value, i) => [fields?.[i] ?? i, value]));
    },
  ],
  [
    "_replace",
    "**kwargs",
    (args) => {
      const { items: values, fields } = args.self as PyTuple;
      const changes = args.kwargs as PyDict;
      return new PyTuple(
        values.map((value, i) => dictGet(changes, fields?.[i] ?? i) ?? value),
        fields,
      );
    },
  ],
);

export function updateDict(ev: Evaluator, target: PyDict, source: Value): void {
  if (source instanceof PyDict) {
    ev.step(source.entries.size);
    for (const { key, value } of source.entries.values()) dictSet(target, key, value);
    return;
  }
  for (const pair of ev.iterate(source)) {
    const [key, value] = [...ev.iterate(pair)];
    if (key === undefined || value === undefined) {
      throw new PyError("ValueError", "dictionary update sequence element does not have length 2");
    }
    dictSet(target, key, value);
  }
}

const missingKey = (ev: Evaluator, key: Value): PyError => new PyError("KeyError", String(repr(ev, key)));

const DICT: Table = table(
  [
    "__getitem__",
    "key",
    (args, ev) => {
      const found = dictGet(dict(args), args.key!);
      if (found !== undefined) return found;
      const missing = ev.special(args.self!, "__missing__");
      if (missing) return ev.call(missing, [args.key!]);
      throw missingKey(ev, args.key!);
    },
  ],
  [
    "__setitem__",
    "key, value",
    (args, ev) => {
      if (args.key instanceof Unknown) ev.problem(`a key of a dict is unknown: ${args.key.reason}`);
      else dictSet(dict(args), args.key!, args.value!);
      return null;
    },
    true,
  ],
  [
    "__delitem__",
    "key",
    (args, ev) => {
      if (!dict(args).entries.delete(keyOf(args.key!))) throw missingKey(ev, args.key!);
      return null;
    },
  ],
  ["__contains__", "key", (args) => dict(args).entries.has(keyOf(args.key!))],
  ["__len__", "", (args) => dict(args).entries.size],
  [
    "get",
    "key, default=None",
    (args) => (args.key instanceof Unknown ? args.key : (dictGet(dict(args), args.key!) ?? args.default!)),
    true,
  ],
  ["keys", "", (args, ev) => new PyList(entriesOf(args, ev).map((e) => e.key))],
  ["values", "", (args, ev) => new PyList(entriesOf(args, ev).map((e) => e.value))],
  ["items", "", (args, ev) => new PyList(entriesOf(args, ev).map((e) => new PyTuple([e.key, e.value])))],
  [
    "update",
    "other=(), /, **kwargs",
    (args, ev) => {
      if (args.other instanceof Unknown) {
        if (storedUnderUnknown(dict(args), args.other)) return null;
        ev.problem(`an update of a dict is unknown: ${args.other.reason}`);
        return null;
      }
      updateDict(ev, dict(args), args.other!);
      updateDict(ev, dict(args), args.kwargs!);
      return null;
    },
    true,
  ],
  [
    "pop",
    "key, *default",
    (args, ev) => {
      const hash = keyOf(args.key!);
      const entry = dict(args).entries.get(hash);
      dict(args).entries.delete(hash);
      if (entry) return entry.value;
      const fallback = (args.default as PyTuple).items[0];
      if (fallback === undefined) throw new PyError("KeyError", String(repr(ev, args.key!)));
      return fallback;
    },
  ],
  [
    "popitem",
    "",
    (args) => {
      const last = [...dict(args).entries].at(-1);
      if (!last) throw new PyError("KeyError", "'popitem(): dictionary is empty'");
      dict(args).entries.delete(last[0]);
      return new PyTuple([last[1].key, last[1].value]);
    },
  ],
  [
    "setdefault",
    "key, default=None",
    (args) => {
      const found = dictGet(dict(args), args.key!);
      if (found === undefined) dictSet(dict(args), args.key!, args.default!);
      return found ?? args.default!;
    },
  ],
  ["copy", "", (args, ev) => dictOf(entriesOf(args, ev).map((e) => [e.key, e.value]))],
  [
    "clear",
    "",
    (args) => {
      dict(args).entries.clear();
      return null;
    },
  ],
  [
    "fromkeys",
    "iterable, value=None",
    (args, ev) => {
      const made = dictOf([...ev.iterate(args.iterable!)].map((key) => [key, args.value!]));
      const type = args.self!;
      return type instanceof PyClass && type.name !== "dict" ? ev.call(type, [made]) : made;
    },
  ],
  [
    "move_to_end",
    "key, last=True",
    (args, ev) => {
      const hash = keyOf(args.key!);
      const entry = dict(args).entries.get(hash);
      if (!entry) throw new PyError("KeyError", String(repr(ev, args.key!)));
      const rest = [...dict(args).entries].filter(([key]) => key !== hash);
      dict(args).entries.clear();
      const order = ev.truthy(args.last!) ? [...rest, [hash, entry] as const] : [[hash, entry] as const, ...rest];
      for (const [key, value] of order) dict(args).entries.set(key, value);
      return null;
    },
  ],
);

const setOperation =
  (op: string): NativeBody =>
  (args, ev) => {
    let result = set(args);
    for (const other of (args.others as PyTuple).items) result = onSets(op, result, setOf(ev.iterate(other)))!;
    return result;
  };

const setUpdate =
  (op: string): NativeBody =>
  (args, ev) => {
    const result = setOperation(op)(args, ev);
    if (!(result instanceof PySet)) return result;
    const { entries } = set(args);
    // The result may be the set itself.
    const items = [...result.entries];
    entries.clear();
    for (const [key, value] of items) entries.set(key, value);
    return null;
  };

const SET: Table = table(
  [
    "add",
    "value",
    (args) => {
      set(args).entries.set(keyOf(args.value!), args.value!);
      return null;
    },
  ],
  [
    "discard",
    "value",
    (args) => {
      set(args).entries.delete(keyOf(args.value!));
      return null;
    },
  ],
  [
    "remove",
    "value",
    (args, ev) => {
      if (!set(args).entries.delete(keyOf(args.value!))) throw new PyError("KeyError", String(repr(ev, args.value!)));
      return null;
    },
  ],
  [
    "update",
    "*others",
    (args, ev) => {
      for (const other of (args.others as PyTuple).items) {
        for (const item of ev.iterate(other)) set(args).entries.set(keyOf(item), item);
      }
      return null;
    },
  ],
  ["difference_update", "*others", setUpdate("-")],
  ["intersection_update", "*others", setUpdate("&")],
  ["symmetric_difference_update", "*others", setUpdate("^")],
  ["union", "*others", setOperation("|")],
  ["intersection", "*others", setOperation("&")],
  ["difference", "*others", setOperation("-")],
  ["symmetric_difference", "*others", setOperation("^")],
  [
    "issubset",
    "other",
    (args, ev) => {
      const other = setOf(ev.iterate(args.other!));
      return [...set(args).entries.keys()].every((key) => other.entries.has(key));
    },
  ],
  [
    "issuperset",
    "other",
    (args, ev) => [...ev.iterate(args.other!)].every((item) => set(args).entries.has(keyOf(item))),
  ],
  ["copy", "", (args) => setOf(set(args).entries.values())],
  [
    "pop",
    "",
    (args) => {
      const first = [...set(args).entries][0];
      if (!first) throw new PyError("KeyError", "'pop from an empty set'");
      set(args).entries.delete(first[0]);
      return first[1];
    },
  ],
);

const INT: Table = table(
  [
    "bit_length",
    "",
    (args) => {
      const n = Math.abs(Number(args.self));
      return n === 0 ? 0 : BigInt(n).toString(2).length;
    },
  ],
  ["is_integer", "", () => true],
);
const FLOAT: Table = table(["is_integer", "", (args) => Number.isInteger((args.self as PyFloat).value)]);

export const BUILTIN_METHODS: ReadonlyMap<string, Table> = new Map([
  ["list", LIST],
  ["tuple", TUPLE],
  ["dict", DICT],
  ["set", SET],
  ["str", STRING_METHODS],
  ["int", INT],
  ["float", FLOAT],
]);

/** A method of a builtin value. */
export function methodOf(value: Value, name: string): PyNative | undefined {
  if (value instanceof PyDict) return DICT.get(name);
  if (value instanceof PyList) return LIST.get(name);
  if (value instanceof PyTuple) return TUPLE.get(name);
  if (value instanceof PyGenerator && !(value instanceof PyRange)) return GENERATOR_METHODS.get(name);
  return BUILTIN_METHODS.get(typeof value === "boolean" ? "int" : typeName(value))?.get(name);
}
