import { isModule, tensorIndex, tensorSetIndex } from "../../libraries/torch";
import { firstUnknown } from "../../libraries/torch/registry/native";
import { dictSet, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { storedUnderUnknown } from "../../values/liveDict";
import { findMember } from "../../values/members";
import { PyDefaultDict, PyRange, PyWrapped, plain, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import {
  PyClass,
  PyDict,
  PyError,
  PyFunction,
  PyList,
  PyNamespace,
  PyObject,
  PySlice,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";
import { repr } from "./text";

/** `object[key]`. */
export function index(ev: Evaluator, whole: Value, given: Value): Value {
  const [object, key] = [plain(whole), plain(given)];
  if (object instanceof Unknown) return object;
  const own = object instanceof PyClass ? undefined : ev.special(object, "__getitem__");
  if (own) return ev.call(own, [key]);
  return indexBuiltin(ev, object, given);
}

/** Without a `__getitem__` of the class, as `super().__getitem__` asks of a dict's subclass. */
export function indexBuiltin(ev: Evaluator, object: Value, given: Value): Value {
  const key = plain(given);
  ev.alike.reads(object);
  if (object instanceof PyTensor) return tensorIndex(object, key, ev);
  if (key instanceof Unknown && !(object instanceof PyClass)) return key;
  if (object instanceof PyList) {
    if (key instanceof PySlice) return sliced(ev, object.items, key, (items) => new PyList(items));
    return object.items[position(key, object.items.length, "list")]!;
  }
  if (object instanceof PyTuple) {
    if (key instanceof PySlice) return sliced(ev, object.items, key, (items) => new PyTuple(items));
    return object.items[position(key, object.items.length, "tuple")]!;
  }
  if (object instanceof PyDict) {
    const entry = object.entries.get(keyOf(key));
    if (entry) return entry.value;
    if (object instanceof PyDefaultDict && object.factory !== null) {
      const value = ev.call(object.factory, []);
      ev.alike.writes(object);
      dictSet(object, key, value);
      return value;
    }
    const missing = ev.special(object, "__missing__");
    if (missing) return ev.call(missing, [key]);
    throw new PyError("KeyError", reprText(ev, key), undefined, undefined, object);
  }
  if (typeof object === "string") {
    const characters = [...object];
    if (key instanceof PySlice) return sliced(ev, characters, key, (items) => items.join(""));
    return characters[position(key, characters.length, "string")]!;
  }
  if (object instanceof PyRange) {
    if (key instanceof PySlice) {
      const bounds = sliceBounds(key, object.length);
      if (bounds instanceof Unknown) return bounds;
      const { start, stop, step } = bounds;
      return new PyRange(object.first + start * object.step, object.first + stop * object.step, object.step * step);
    }
    return object.first + position(key, object.length, "range object") * object.step;
  }
  // Generic[T], list[int], Enum["NAME"].
  if (object instanceof PyClass) {
    if (object.enumMembers && typeof key === "string") {
      const member = object.enumMembers.get(key);
      if (member) return member;
      throw new PyError("KeyError", reprText(ev, key));
    }
    const generic = object.builtin ? undefined : findMember(object, "__class_getitem__");
    if (generic instanceof PyFunction) return ev.call(generic, [object, given]);
    if (generic instanceof PyWrapped) return ev.call(generic.callee, [object, given]);
    return object;
  }
  if (object instanceof PyNamespace) return new Unknown(`${object.name}[...] is not known to the reader`, ev.place);
  throw new PyError("TypeError", `'${typeName(object)}' object is not subscriptable`);
}

function reprText(ev: Evaluator, key: Value): string {
  const text = repr(ev, key);
  return typeof text === "string" ? text : "an unknown key";
}

function position(key: Value, length: number, what: string): number {
  const at = typeof key === "boolean" ? Number(key) : key;
  if (typeof at !== "number") {
    throw new PyError("TypeError", `${what} indices must be integers or slices, not ${typeName(key)}`);
  }
  const i = at < 0 ? at + length : at;
  if (i < 0 || i >= length) throw new PyError("IndexError", `${what} index out of range`);
  return i;
}

/** Python's slice.indices(length). */
export function sliceBounds(slice: PySlice, length: number): { start: number; stop: number; step: number } | Unknown {
  const whole = (value: Value, fallback: number): number | Unknown => {
    if (value === null) return fallback;
    if (value instanceof Unknown) return value;
    if (typeof value === "number") return value;
    throw new PyError("TypeError", "slice indices must be integers or None or have an __index__ method");
  };
  const step = whole(slice.step, 1);
  if (step instanceof Unknown) return step;
  if (step === 0) throw new PyError("ValueError", "slice step cannot be zero");
  const clamp = (value: number): number => {
    const i = value < 0 ? value + length : value;
    return step > 0 ? Math.min(Math.max(i, 0), length) : Math.min(Math.max(i, -1), length - 1);
  };
  const start = slice.start === null ? (step > 0 ? 0 : length - 1) : whole(slice.start, 0);
  const stop = slice.stop === null ? (step > 0 ? length : -1) : whole(slice.stop, 0);
  if (start instanceof Unknown) return start;
  if (stop instanceof Unknown) return stop;
  return {
    start: slice.start === null ? start : clamp(start),
    stop: slice.stop === null ? stop : clamp(stop),
    step,
  };
}

function* sliceIndices({ start, stop, step }: { start: number; stop: number; step: number }): Generator<number> {
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) yield i;
}

function sliced<T>(ev: Evaluator, items: readonly T[], slice: PySlice, make: (items: T[]) => Value): Value {
  const bounds = sliceBounds(slice, items.length);
  if (bounds instanceof Unknown) return bounds;
  const { start, stop, step } = bounds;
  const out: T[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) out.push(items[i]!);
  ev.allot(out.length, "a slice");
  return make(out);
}

/** `object[key] = value`. */
export function setItem(ev: Evaluator, object: Value, given: Value, value: Value): void {
  if (object instanceof Unknown) return;
  const own = object instanceof PyObject ? undefined : ev.special(object, "__setitem__");
  if (own) ev.call(own, [given, value]);
  else setItemBuiltin(ev, object, given, value);
}

export function setItemBuiltin(ev: Evaluator, object: Value, given: Value, value: Value): void {
  const key = plain(given);
  ev.alike.writes(object);
  if (object instanceof PyTensor) {
    const unknown = firstUnknown([key, value]);
    if (unknown) throw new EvaluationError(`this assignment is not evaluated: ${unknown.reason}`, ev.place);
    tensorSetIndex(object, key, value, ev);
    return;
  }
  if (object instanceof PyDict) {
    if (!(key instanceof Unknown)) dictSet(object, key, value);
    else if (!storedUnderUnknown(object, key)) ev.problem(`an item is not stored: its key is unknown: ${key.reason}`);
    return;
  }
  if (object instanceof PyList) {
    if (key instanceof Unknown) {
      object.items.fill(key);
      return;
    }
    if (key instanceof PySlice) {
      const bounds = sliceBounds(key, object.items.length);
      if (bounds instanceof Unknown) return;
      if (bounds.step !== 1) {
        const at = [...sliceIndices(bounds)];
        const values = [...ev.iterate(value)];
        if (values.length !== at.length) {
          throw new PyError(
            "ValueError",
            `attempt to assign sequence of size ${values.length} to extended slice of size ${at.length}`,
          );
        }
        for (const [i, position] of at.entries()) object.items[position] = values[i]!;
        return;
      }
      object.items.splice(bounds.start, Math.max(0, bounds.stop - bounds.start), ...ev.iterate(value));
      ev.allot(object.items.length, "a list");
      return;
    }
    object.items[position(key, object.items.length, "list assignment")] = value;
    return;
  }
  const method = ev.special(object, "__setitem__");
  if (!method) throw new PyError("TypeError", `'${typeName(object)}' object does not support item assignment`);
  if (key instanceof Unknown && isModule(object)) return;
  ev.call(method, [key, value]);
}

/** `del object[key]`. */
export function deleteItem(ev: Evaluator, object: Value, given: Value): void {
  if (object instanceof Unknown || given instanceof Unknown) return;
  const own = object instanceof PyObject ? undefined : ev.special(object, "__delitem__");
  if (own) ev.call(own, [given]);
  else deleteItemBuiltin(ev, object, given);
}

export function deleteItemBuiltin(ev: Evaluator, object: Value, given: Value): void {
  const key = plain(given);
  ev.alike.writes(object);
  if (object instanceof PyDict) {
    if (!object.entries.delete(keyOf(key))) throw new PyError("KeyError", reprText(ev, key));
    return;
  }
  if (object instanceof PyList) {
    if (key instanceof PySlice) {
      const bounds = sliceBounds(key, object.items.length);
      if (bounds instanceof Unknown) return;
      const doomed = new Set<number>();
      for (let i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) doomed.add(i);
      const kept = object.items.filter((_, i) => !doomed.has(i));
      object.items.splice(0, object.items.length, ...kept);
      return;
    }
    object.items.splice(position(key, object.items.length, "list assignment"), 1);
    return;
  }
  const method = ev.special(object, "__delitem__");
  if (!method) throw new PyError("TypeError", `'${typeName(object)}' object doesn't support item deletion`);
  ev.call(method, [key]);
}
