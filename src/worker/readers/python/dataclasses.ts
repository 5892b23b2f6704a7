import { findMember } from "./attributes";
import { type BoundParam, PyNativeWithParams } from "./binding";
import { equal } from "./equality";
import type { Evaluator } from "./evaluator";
import { repr } from "./text";
import { builtinClass, OBJECT } from "./types";
import { type PyClass, PyDict, PyNative, PyObject, PyTuple, Unknown, type Value } from "./values";

/** dataclasses.field(...): what it was given. */
export const FIELD = builtinClass("Field", [OBJECT]);

export interface DataField {
  readonly name: string;
  readonly default?: Value;
  readonly factory?: Value;
  readonly init: boolean;
}

/** Annotated names of the class and its bases, in Python's order: bases first. */
export function dataclassFields(_ev: Evaluator, type: PyClass): DataField[] {
  const fields = new Map<string, DataField>();
  for (const base of [...type.mro].reverse()) {
    const annotations = base.members.get("__annotations__");
    if (!(annotations instanceof PyDict)) continue;
    for (const { key, value: annotation } of annotations.entries.values()) {
      if (typeof key !== "string" || (typeof annotation === "string" && /\bClassVar\b/.test(annotation))) continue;
      const value = base.members.get(key);
      if (value instanceof PyObject && value.type === FIELD) {
        fields.set(key, {
          name: key,
          default: value.attributes.get("default"),
          factory: value.attributes.get("default_factory"),
          init: value.attributes.get("init") !== false,
        });
      } else fields.set(key, { name: key, default: value, init: true });
    }
  }
  return [...fields.values()];
}

/** What `@dataclass` does: writes `__init__`, `__repr__` and `__eq__`. */
export function makeDataclass(ev: Evaluator, type: PyClass): PyClass {
  const fields = dataclassFields(ev, type);
  const params: BoundParam[] = [
    { name: "self", kind: "normal" },
    ...fields
      .filter((f) => f.init)
      // A factory runs at each call; the marker says that the argument was left out.
      .map(
        (f): BoundParam => ({ name: f.name, kind: "normal", default: f.factory !== undefined ? LEFT_OUT : f.default }),
      ),
  ];
  if (!type.members.has("__init__")) {
    type.members.set(
      "__init__",
      new PyNativeWithParams(`${type.name}.__init__`, params, (args, runtime) => {
        const self = args.self as PyObject;
        for (const field of fields) {
          const given = args[field.name];
          if (given !== undefined && given !== LEFT_OUT) ev.setAttribute(self, field.name, given);
          else if (field.factory !== undefined) ev.setAttribute(self, field.name, runtime.call(field.factory, []));
          else if (field.default !== undefined) ev.setAttribute(self, field.name, field.default);
        }
        const after = findMember(type, "__post_init__");
        if (after !== undefined) runtime.call(after, [self]);
        return null;
      }),
    );
  }
  for (const field of fields) {
    const value = type.members.get(field.name);
    if (value instanceof PyObject && value.type === FIELD) {
      if (field.default !== undefined) type.members.set(field.name, field.default);
      else type.members.delete(field.name);
    }
  }
  if (!type.members.has("__repr__")) {
    type.members.set(
      "__repr__",
      new PyNative("__repr__", "self", ({ self }) => {
        const parts: string[] = [];
        for (const field of fields) {
          const text = repr(ev, (self as PyObject).attributes.get(field.name) ?? null);
          if (text instanceof Unknown) return text;
          parts.push(`${field.name}=${text}`);
        }
        return `${type.name}(${parts.join(", ")})`;
      }),
    );
  }
  if (!type.members.has("__eq__")) {
    type.members.set(
      "__eq__",
      new PyNative("__eq__", "self, other", ({ self, other }) => {
        if (!(self instanceof PyObject && other instanceof PyObject) || self.type !== other.type) return false;
        const values = (object: PyObject) => new PyTuple(fields.map((f) => object.attributes.get(f.name) ?? null));
        return equal(values(self), values(other));
      }),
    );
  }
  type.members.set("__dataclass_fields__", new PyTuple(fields.map((f) => f.name)));
  return type;
}

const LEFT_OUT = new PyObject(FIELD, undefined);
