import { EXCEPTIONS } from "../../evaluate/exceptions";
import {
  dataclassFields,
  FIELD,
  fieldObject,
  KW_ONLY,
  MISSING,
  makeDataclass,
} from "../../evaluate/objects/dataclasses";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { native, nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT } from "../../values/types";
import { PyClass, PyDict, PyError, PyList, PyObject, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "./namespace";

/** The module dataclasses. */

function options(kwargs: Value | undefined): Map<string, Value> {
  const entries = kwargs instanceof PyDict ? [...kwargs.entries.values()] : [];
  return new Map(entries.map((e) => [String(e.key), e.value]));
}

function converted(ev: Evaluator, value: Value, asTuple: boolean): Value {
  const fields = value instanceof PyClass ? undefined : dataclassFields(value);
  if (fields) {
    const items = fields
      .filter((f) => !f.initOnly)
      .map((f): [string, Value] => [f.name, converted(ev, ev.getAttribute(value, f.name), asTuple)]);
    return asTuple ? new PyTuple(items.map(([, item]) => item)) : dictOf(items);
  }
  ev.step();
  if (value instanceof PyList) return new PyList(value.items.map((item) => converted(ev, item, asTuple)));
  if (value instanceof PyTuple)
    return new PyTuple(
      value.items.map((item) => converted(ev, item, asTuple)),
      value.fields,
    );
  if (value instanceof PyDict) {
    return dictOf([...value.entries.values()].map((e) => [e.key, converted(ev, e.value, asTuple)]));
  }
  return value;
}

function fieldsOf(value: Value) {
  const fields = dataclassFields(value);
  if (!fields) throw new PyError("TypeError", "must be called with a dataclass type or instance");
  return fields;
}

export const DATACLASSES = namespace("dataclasses", [
  ["MISSING", MISSING],
  ["KW_ONLY", KW_ONLY],
  ["Field", FIELD],
  ["InitVar", builtinClass("InitVar", [OBJECT])],
  ["FrozenInstanceError", EXCEPTIONS.get("FrozenInstanceError")!],
  ...named([
    nativeOfUnknown("dataclass", "cls=None, /, **kwargs", (args, ev) => {
      const given = options(args.kwargs);
      if (args.cls instanceof PyClass) return makeDataclass(ev, args.cls, given);
      return nativeOfUnknown("dataclass", "cls", (inner) =>
        inner.cls instanceof PyClass ? makeDataclass(ev, inner.cls, given) : inner.cls!,
      );
    }),
    nativeOfUnknown("field", "**kwargs", (args) => {
      const field = new PyObject(FIELD, undefined);
      for (const [key, value] of options(args.kwargs)) if (value !== MISSING) field.attributes.set(key, value);
      return field;
    }),
    native("asdict", "obj, *, dict_factory=None", (args, ev) => {
      fieldsOf(args.obj!);
      return converted(ev, args.obj!, false);
    }),
    native("astuple", "obj", (args, ev) => converted(ev, args.obj!, true)),
    native("is_dataclass", "obj", (args) => dataclassFields(args.obj!) !== undefined),
    native(
      "fields",
      "class_or_instance",
      (args) =>
        new PyTuple(
          fieldsOf(args.class_or_instance!)
            .filter((f) => !f.initOnly)
            .map(fieldObject),
        ),
    ),
    nativeOfUnknown("replace", "obj, /, **changes", (args, ev) => {
      const fields = fieldsOf(args.obj!);
      const values = new Map<string, Value>();
      for (const { name, init, initOnly } of fields) {
        if (init && !initOnly) values.set(name, ev.getAttribute(args.obj!, name));
      }
      for (const [key, value] of options(args.changes)) values.set(key, value);
      return ev.call(ev.typeOf(args.obj!), [], values);
    }),
  ]),
]);
