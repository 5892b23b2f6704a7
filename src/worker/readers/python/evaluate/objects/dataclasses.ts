import { dictOf, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { evaluatorOf } from "../../values/native";
import { builtinClass, classOf, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  type BoundParam,
  type DataField,
  PyClass,
  PyDict,
  PyError,
  PyNative,
  PyObject,
  PyTuple,
  type Value,
} from "../../values/values";
import { PyNativeWithParams } from "../binding";
import { compareValues } from "./comparisons";
import { repr } from "./text";

/** dataclasses.field(...): what it was given. */
export const FIELD = builtinClass("Field", [OBJECT]);
/** What a field without a default has for one. */
export const MISSING = new PyObject(builtinClass("_MISSING_TYPE", [OBJECT]), undefined);
export const KW_ONLY = builtinClass("KW_ONLY", [OBJECT]);

/** Fields of a data class or an instance of one, in Python's order; undefined for anything else. */
export function dataclassFields(value: Value): readonly DataField[] | undefined {
  const type = value instanceof PyClass ? value : classOf(value);
  const made = type?.mro.find((t) => t.dataFields);
  return made?.dataFields;
}

function collectFields(type: PyClass, keywordOnly: boolean): DataField[] {
  const fields = new Map<string, DataField>();
  for (const base of [...type.mro.slice(1)].reverse()) {
    for (const field of base.dataFields ?? []) fields.set(field.name, field);
  }
  const annotations = type.members.get("__annotations__");
  if (!(annotations instanceof PyDict)) return [...fields.values()];
  let named = keywordOnly;
  for (const { key, value: annotation } of annotations.entries.values()) {
    const text = typeof annotation === "string" ? annotation : "";
    if (typeof key !== "string" || /^["']?(\w+\.)?ClassVar\b/.test(text)) continue;
    if (/^["']?(\w+\.)?KW_ONLY\b/.test(text)) {
      named = true;
      continue;
    }
    const value = type.members.get(key);
    const given = value instanceof PyObject && value.type === FIELD ? value.attributes : undefined;
    fields.set(key, {
      name: key,
      annotation,
      default: given ? given.get("default") : value,
      factory: given?.get("default_factory"),
      init: given?.get("init") !== false,
      repr: given?.get("repr") !== false,
      compare: given?.get("compare") !== false,
      keywordOnly: given?.has("kw_only") ? given.get("kw_only") === true : named,
      initOnly: /^["']?(\w+\.)?InitVar\b/.test(text),
      metadata: given?.get("metadata") ?? dictOf([]),
    });
  }
  return [...fields.values()];
}

/** What `@dataclass(...)` does: writes `__init__`, `__repr__`, `__eq__` and, if asked, the order and the freeze. */
export function makeDataclass(ev: Evaluator, type: PyClass, options: ReadonlyMap<string, Value> = new Map()): PyClass {
  const all = collectFields(type, options.get("kw_only") === true);
  type.dataFields = all;
  const stored = all.filter((f) => !f.initOnly);
  const add = (name: string, value: Value) => {
    if (!type.members.has(name)) type.members.set(name, value);
  };
  if (options.get("init") !== false) add("__init__", initializer(type, all));
  for (const field of all) {
    const value = type.members.get(field.name);
    if (value instanceof PyObject && value.type === FIELD) {
      if (field.default !== undefined) type.members.set(field.name, field.default);
      else type.members.delete(field.name);
    }
  }
  if (options.get("repr") !== false) add("__repr__", representation(ev, stored));
  const compared = stored.filter((f) => f.compare);
  const values = (object: Value) => new PyTuple(compared.map((f) => ev.getAttribute(object, f.name)));
  if (options.get("eq") !== false) {
    add("__eq__", comparison(ev, "__eq__", "==", values));
    add("__match_args__", new PyTuple(all.filter((f) => f.init && !f.keywordOnly).map((f) => f.name)));
  }
  if (options.get("order") === true) {
    for (const [name, op] of [
      ["__lt__", "<"],
      ["__le__", "<="],
      ["__gt__", ">"],
      ["__ge__", ">="],
    ] as const) {
      add(name, comparison(ev, name, op, values));
    }
  }
  if (options.get("frozen") === true) {
    type.members.set("__setattr__", frozen("__setattr__", "assign to"));
    type.members.set("__delattr__", frozen("__delattr__", "delete"));
    add("__hash__", new PyNative("__hash__", "self", ({ self }) => keyOf(values(self!))));
  }
  type.members.set("__dataclass_fields__", dictOf(all.map((f) => [f.name, fieldObject(f)])));
  return type;
}

/** A field as `fields()` gives it. */
export function fieldObject(field: DataField): PyObject {
  const object = new PyObject(FIELD, undefined);
  const { name, annotation, init, repr: shown, compare, keywordOnly, metadata } = field;
  const attributes: [string, Value][] = [
    ["name", name],
    ["type", annotation],
    ["default", field.default ?? (field.default === null ? null : MISSING)],
    ["default_factory", field.factory ?? MISSING],
    ["init", init],
    ["repr", shown],
    ["compare", compare],
    ["kw_only", keywordOnly],
    ["metadata", metadata],
  ];
  for (const [key, value] of attributes) object.attributes.set(key, value);
  return object;
}

function initializer(type: PyClass, fields: readonly DataField[]): PyNative {
  const taken = fields.filter((f) => f.init);
  const positional = taken.filter((f) => !f.keywordOnly);
  const optional = positional.findIndex((f) => f.default !== undefined || f.factory !== undefined);
  const wrong = positional.find((f, i) => i > optional && f.default === undefined && f.factory === undefined);
  if (optional >= 0 && wrong) {
    throw new PyError("TypeError", `non-default argument '${wrong.name}' follows default argument`);
  }
  // A factory runs at each call; the marker says that the argument was left out.
  const param = (f: DataField): BoundParam => ({
    name: f.name,
    kind: f.keywordOnly ? "keywordOnly" : "normal",
    default: f.factory !== undefined ? MISSING : f.default,
  });
  const params: BoundParam[] = [
    { name: "self", kind: "normal" },
    ...positional.map(param),
    ...taken.filter((f) => f.keywordOnly).map(param),
  ];
  return new PyNativeWithParams(`${type.name}.__init__`, params, (args, runtime) => {
    const ev = evaluatorOf(runtime);
    const self = args.self!;
    const initOnly: Value[] = [];
    for (const field of fields) {
      let value = args[field.name];
      if (value === undefined || value === MISSING) {
        value = field.factory !== undefined ? ev.call(field.factory, []) : field.default;
      }
      if (field.initOnly) initOnly.push(value ?? null);
      // As Python writes it for frozen classes too: past a `__setattr__` that refuses.
      else if (value !== undefined) {
        if (isFrozen(self)) (self as PyObject).attributes.set(field.name, value);
        else ev.setAttribute(self, field.name, value);
      }
    }
    const after = ev.special(self, "__post_init__");
    if (after !== undefined) ev.call(after, initOnly);
    return null;
  });
}

function isFrozen(self: Value): boolean {
  if (!(self instanceof PyObject)) return false;
  const setter = findMember(self.type, "__setattr__");
  return setter instanceof PyNative && setter.name === "__setattr__";
}

function frozen(name: string, what: string): PyNative {
  return new PyNative(name, "self, name, value=None", ({ name: field }) => {
    throw new PyError("FrozenInstanceError", `cannot ${what} field '${String(field)}'`);
  });
}

function representation(ev: Evaluator, fields: readonly DataField[]): PyNative {
  return new PyNative("__repr__", "self", ({ self }) => {
    const parts: string[] = [];
    for (const field of fields) {
      if (!field.repr) continue;
      const text = repr(ev, ev.getAttribute(self!, field.name));
      if (text instanceof Unknown) return text;
      parts.push(`${field.name}=${text}`);
    }
    return `${classOf(self!)?.name}(${parts.join(", ")})`;
  });
}

function comparison(ev: Evaluator, name: string, op: string, values: (object: Value) => Value): PyNative {
  return new PyNative(name, "self, other", ({ self, other }) => {
    if (classOf(self!) !== classOf(other!)) {
      if (op === "==") return self === other;
      throw new PyError(
        "TypeError",
        `'${op}' not supported between instances of '${classOf(self!)?.name}' and another class`,
      );
    }
    return compareValues(ev, op, values(self!), values(other!));
  });
}
