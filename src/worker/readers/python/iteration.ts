import { equal, keyOf } from "./equality";
import type { Evaluator } from "./evaluator";
import { isNumeric, numberOf } from "./numbers";
import { tensorIterate, tensorLength, tensorTruthy } from "./torch";
import { PyRange, typeName } from "./types";
import {
  EvaluationError,
  PyClass,
  PyDict,
  PyError,
  PyGenerator,
  PyList,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  Unknown,
  type Value,
} from "./values";

export function iterate(ev: Evaluator, value: Value): Iterable<Value> {
  if (value instanceof PyList || value instanceof PyTuple) return value.items;
  if (value instanceof PyGenerator) return value.items;
  if (typeof value === "string") return value;
  if (value instanceof PyDict) return [...value.entries.values()].map((entry) => entry.key);
  if (value instanceof PySet) return [...value.entries.values()];
  if (value instanceof Unknown)
    throw new EvaluationError(`what is iterated over is unknown: ${value.reason}`, ev.place);
  if (value instanceof PyTensor) return tensorIterate(value, ev);
  if (value instanceof PyClass && value.members.get("__members__") instanceof PyList) {
    return (value.members.get("__members__") as PyList).items;
  }
  const iter = ev.special(value, "__iter__");
  if (iter) {
    const iterator = ev.call(iter, []);
    if (iterator !== value) return iterate(ev, iterator);
    return byNext(ev, value);
  }
  if (ev.special(value, "__next__")) return byNext(ev, value);
  const getItem = ev.special(value, "__getitem__");
  if (getItem) return byIndex(ev, getItem);
  throw new PyError("TypeError", `'${typeName(value)}' object is not iterable`);
}

function* byNext(ev: Evaluator, value: Value): Generator<Value> {
  const next = ev.special(value, "__next__");
  if (!next) throw new PyError("TypeError", `'${typeName(value)}' object is not an iterator`);
  for (;;) {
    let item: Value;
    const restore = ev.mark();
    try {
      item = ev.call(next, []);
    } catch (error) {
      if (error instanceof PyError && error.type === "StopIteration") {
        restore();
        return;
      }
      throw error;
    }
    yield item;
  }
}

function* byIndex(ev: Evaluator, getItem: Value): Generator<Value> {
  for (let i = 0; ; i++) {
    let item: Value;
    const restore = ev.mark();
    try {
      item = ev.call(getItem, [i]);
    } catch (error) {
      if (error instanceof PyError && error.type === "IndexError") {
        restore();
        return;
      }
      throw error;
    }
    yield item;
  }
}

export function truthyOf(ev: Evaluator, value: Value): boolean | Unknown {
  if (typeof value === "boolean") return value;
  if (value === null) return false;
  if (value instanceof Unknown) return value;
  if (isNumeric(value)) return numberOf(value) !== 0;
  if (typeof value === "string") return value !== "";
  if (value instanceof PyList || value instanceof PyTuple) return value.items.length > 0;
  if (value instanceof PyDict || value instanceof PySet) return value.entries.size > 0;
  if (value instanceof PyRange) return value.length > 0;
  if (value instanceof PyTensor) return tensorTruthy(value, ev);
  if (value instanceof PyObject) {
    const method = ev.special(value, "__bool__") ?? ev.special(value, "__len__");
    if (method) return truthyOf(ev, ev.call(method, []));
  }
  return true;
}

export function lengthOf(ev: Evaluator, value: Value): Value {
  if (value instanceof Unknown) return value;
  if (value instanceof PyList || value instanceof PyTuple) return value.items.length;
  if (value instanceof PyDict || value instanceof PySet) return value.entries.size;
  if (typeof value === "string") return [...value].length;
  if (value instanceof PyRange) return value.length;
  if (value instanceof PyTensor) return tensorLength(value, ev);
  if (value instanceof PyClass && value.members.get("__members__") instanceof PyList) {
    return (value.members.get("__members__") as PyList).items.length;
  }
  const method = ev.special(value, "__len__");
  if (method) return ev.call(method, []);
  throw new PyError("TypeError", `object of type '${typeName(value)}' has no len()`);
}

export function contains(ev: Evaluator, container: Value, item: Value): boolean | Unknown {
  if (container instanceof Unknown) return container;
  if (container instanceof PyDict || container instanceof PySet) {
    return item instanceof Unknown ? item : container.entries.has(keyOf(item));
  }
  if (typeof container === "string") {
    if (item instanceof Unknown) return item;
    if (typeof item === "string") return container.includes(item);
    throw new PyError("TypeError", `'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  const method = ev.special(container, "__contains__");
  if (method) return truthyOf(ev, ev.call(method, [item]));
  if (container instanceof PyRange && typeof item === "number") {
    const offset = (item - container.first) / container.step;
    return Number.isInteger(offset) && offset >= 0 && offset < container.length;
  }
  let unknown: Unknown | undefined;
  for (const candidate of iterate(ev, container)) {
    ev.step();
    const same = equal(candidate, item);
    if (same === true) return true;
    if (same instanceof Unknown) unknown ??= same;
  }
  return unknown ?? false;
}
