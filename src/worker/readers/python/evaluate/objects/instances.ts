import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { classOf, PyDefaultDict, PyProperty } from "../../values/types";
import {
  type PyClass,
  PyDict,
  PyError,
  PyFloat,
  PyList,
  PyObject,
  PySet,
  PyTuple,
  type Value,
} from "../../values/values";

/** Instances before their `__init__`, also of classes of the source that derive from Python's builtin types. */

const NO_KWARGS: ReadonlyMap<string, Value> = new Map();

/** `object.__new__(type)`; of a subclass of tuple, str, int or float with the value that `args` give it. */
export function newInstance(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value> = NO_KWARGS,
): Value {
  const make = builtinBase(type)?.builtin?.construct;
  if (!make) {
    const instance = type.mro.find((c) => c.builtin?.instance)?.builtin?.instance;
    return instance ? instance(type, ev.place) : new PyObject(type, ev.place);
  }
  if (type.builtin) return make(args, kwargs, ev);
  const empty = make([], NO_KWARGS, ev);
  const subclass = { type, attributes: new Map<string, Value>() };
  if (empty instanceof PyDict || empty instanceof PyList || empty instanceof PySet) {
    empty.subclass = subclass;
    return empty;
  }
  const value = make(args, kwargs, ev);
  if (value instanceof PyTuple) {
    const copy = new PyTuple(value.items, value.fields);
    copy.subclass = subclass;
    return copy;
  }
  if (typeof value === "string" || typeof value === "number" || value instanceof PyFloat) {
    const object = new PyObject(type, ev.place);
    object.payload = value;
    return object;
  }
  return value;
}

function builtinBase(type: PyClass): PyClass | undefined {
  return type.mro.find((c) => c.builtin?.construct);
}

/** `__init__` of dict, list and set, when a subclass leaves it or hands on to it; of anything else it takes nothing. */
export function fill(ev: Evaluator, value: Value, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): void {
  const type = classOf(value);
  const make = type && builtinBase(type)?.builtin?.construct;
  if (!make) return;
  ev.alike.writes(value);
  if (value instanceof PyDict) {
    const given = make(args, kwargs, ev);
    if (!(given instanceof PyDict)) return;
    for (const [key, entry] of given.entries) value.entries.set(key, entry);
    if (value instanceof PyDefaultDict && given instanceof PyDefaultDict) value.factory = given.factory;
  } else if (value instanceof PyList) {
    const given = make(args, kwargs, ev);
    if (given instanceof PyList) value.items.splice(0, value.items.length, ...given.items);
  } else if (value instanceof PySet) {
    const given = make(args, kwargs, ev);
    if (given instanceof PySet) for (const [key, item] of given.entries) value.entries.set(key, item);
  }
}

/** A property or an object with `__set__`: it goes before what the instance holds. */
export function isDataDescriptor(member: Value): boolean {
  if (member instanceof PyProperty) return true;
  return member instanceof PyObject && findMember(member.type, "__set__") !== undefined;
}

/** What `isinstance` would say of a value made by `__new__`: only then does `__init__` run. */
export function isInstanceOf(value: Value, type: PyClass): boolean {
  return classOf(value)?.mro.includes(type) ?? false;
}

/** `object()` takes no arguments, nor does a class that has neither `__new__` nor `__init__`. */
export function takesNothing(type: PyClass): PyError {
  return new PyError("TypeError", `${type.name}() takes no arguments`);
}
