import { tensorIterate, tensorLength, tensorTruthy } from "../../libraries/torch";
import { equal, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { isNumeric, numberOf } from "../../values/numbers";
import { classOf, PyRange, plain, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import {
  PyClass,
  PyDict,
  PyError,
  PyGenerator,
  PyList,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";

/** Counts a step for each item, since built-in functions can consume a million at once. */
export function iterate(ev: Evaluator, given: Value): Iterable<Value> {
  const value = plain(given);
  ev.alike.reads(value);
  const own = isSubclassed(value) ? ev.special(value, "__iter__") : undefined;
  if (own) return iterate(ev, ev.call(own, []));
  if (value instanceof PyList || value instanceof PyTuple) {
    ev.step(value.items.length >> 4);
    return value.items;
  }
  if (value instanceof PyGenerator) return counted(ev, value.items);
  if (typeof value === "string") {
    ev.step(value.length >> 4);
    return value;
  }
  if (value instanceof PyDict || value instanceof PySet) ev.step(value.entries.size >> 4);
  if (value instanceof PyDict) return [...value.entries.values()].map((entry) => entry.key);
  if (value instanceof PySet) return [...value.entries.values()];
  if (value instanceof Unknown) throw new EvaluationError(`the iterable is unknown: ${value.reason}`, ev.place);
  if (value instanceof PyTensor) return tensorIterate(value, ev);
  if (value instanceof PyClass && value.enumMembers) return new Set(value.enumMembers.values());
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

/** The number of items is not known in advance. */
function* counted(ev: Evaluator, items: Iterable<Value>): Generator<Value> {
  for (const item of items) {
    ev.step();
    yield item;
  }
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

function isSubclassed(value: Value): boolean {
  return !(value instanceof PyObject) && !(value instanceof PyClass) && classOf(value) !== undefined;
}

export function truthyOf(ev: Evaluator, given: Value): boolean | Unknown {
  const value = plain(given);
  if (typeof value === "boolean") return value;
  ev.alike.reads(value);
  if (isSubclassed(value)) {
    const method = ev.special(value, "__bool__") ?? ev.special(value, "__len__");
    if (method) return truthyOf(ev, ev.call(method, []));
  }
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

export function lengthOf(ev: Evaluator, given: Value): Value {
  const value = plain(given);
  if (value instanceof Unknown) return value;
  ev.alike.reads(value);
  const own = isSubclassed(value) ? ev.special(value, "__len__") : undefined;
  if (own) return ev.call(own, []);
  if (value instanceof PyList || value instanceof PyTuple) return value.items.length;
  if (value instanceof PyDict || value instanceof PySet) return value.entries.size;
  if (typeof value === "string") return [...value].length;
  if (value instanceof PyRange) return value.length;
  if (value instanceof PyTensor) return tensorLength(value, ev);
  if (value instanceof PyClass && value.enumMembers) return new Set(value.enumMembers.values()).size;
  const method = ev.special(value, "__len__");
  if (method) return ev.call(method, []);
  throw new PyError("TypeError", `object of type '${typeName(value)}' has no len()`);
}

export function contains(ev: Evaluator, whole: Value, part: Value): boolean | Unknown {
  const [container, item] = [plain(whole), plain(part)];
  ev.alike.readsItems(container);
  if (container instanceof Unknown) return container;
  const own = isSubclassed(container) ? ev.special(container, "__contains__") : undefined;
  if (own) return truthyOf(ev, ev.call(own, [item]));
  if (container instanceof PyClass && container.enumMembers) {
    return [...container.enumMembers.values()].some((m) => m === part || equal(m, part) === true);
  }
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
