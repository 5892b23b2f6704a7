import { isNumeric, numberOf } from "./numbers";
import { plain, typeName } from "./types";
import { EvaluationError, Unknown } from "./unknown";
import { PyBound, PyDict, PyDType, PyError, PyList, PyObject, PySet, PyTuple, type Value } from "./values";

/** Code cannot tell a layer's stand-in from the layer. */
export function itself<V>(value: V): V | PyObject {
  return (value instanceof PyObject && value.standsFor?.layer) || value;
}

/** Whether two values are one object. */
export function isSame(left: Value, right: Value): boolean {
  return itself(left) === itself(right);
}

/** A string equal for values that are equal as dictionary keys: 1, 1.0 and True are one key. */
export function keyOf(given: Value): string {
  const value = plain(given);
  if (typeof value === "string") return `s${value}`;
  if (value === null) return "None";
  if (isNumeric(value)) return `n${numberOf(value) + 0}`;
  if (value instanceof PyTuple) {
    value.key ??= keyOfTuple(value.items);
    return value.key;
  }
  if (value instanceof PyList || value instanceof PyDict || value instanceof PySet) {
    throw new PyError("TypeError", `unhashable type: '${typeName(value)}'`);
  }
  if (value instanceof PyDType) return `d${value.dtype}`;
  if (value instanceof PyBound) return `b${keyOf(value.self)}.${value.callee.identity}`;
  return `o${itself(value).identity}`;
}

/** Characters of a tuple's key: one whose items hold the same tuple twice, level by level, doubles with each level. */
const MAX_KEY = 100_000;

function keyOfTuple(items: readonly Value[]): string {
  let keys = "(";
  for (const item of items) {
    const key = keyOf(item);
    if (keys.length + key.length > MAX_KEY) throw new EvaluationError("a tuple this large is not supported as a key");
    keys += `${key.length}:${key},`;
  }
  return keys;
}

/** Pairs of items that one comparison looks at; of lists that hold the same list twice it would look at each again. */
const MAX_COMPARED = 1_000_000;

/** Python's `==` for values without methods of their own; undefined when something in them is unknown. */
export function equal(left: Value, right: Value, counter = { compared: 0 }): boolean | Unknown {
  if (++counter.compared > MAX_COMPARED) {
    const most = MAX_COMPARED.toLocaleString("en-US");
    throw new EvaluationError(`values with more than ${most} items are not compared`);
  }
  if (left === right) return true;
  const [a, b] = [plain(left), plain(right)];
  if (a === b) return true;
  if (a instanceof Unknown) return a;
  if (b instanceof Unknown) return b;
  if (isNumeric(a) && isNumeric(b)) return numberOf(a) === numberOf(b);
  if ((a instanceof PyList && b instanceof PyList) || (a instanceof PyTuple && b instanceof PyTuple)) {
    if (a.items.length !== b.items.length) return false;
    for (let i = 0; i < a.items.length; i++) {
      const same = equal(a.items[i]!, b.items[i]!, counter);
      if (same !== true) return same;
    }
    return true;
  }
  if (a instanceof PyDict && b instanceof PyDict) {
    if (a.entries.size !== b.entries.size) return false;
    for (const [key, entry] of a.entries) {
      const other = b.entries.get(key);
      const same = other ? equal(entry.value, other.value, counter) : false;
      if (same !== true) return same;
    }
    return true;
  }
  if (a instanceof PySet && b instanceof PySet) {
    return a.entries.size === b.entries.size && [...a.entries.keys()].every((key) => b.entries.has(key));
  }
  if (a instanceof PyDType && b instanceof PyDType) return a.dtype === b.dtype;
  if (a instanceof PyBound && b instanceof PyBound) return a.self === b.self && a.callee === b.callee;
  return false;
}

/** -1, 0 or 1; throws Python's TypeError for values without an order. */
export function compare(op: string, left: Value, right: Value): number | Unknown {
  const [a, b] = [plain(left), plain(right)];
  if (a instanceof Unknown) return a;
  if (b instanceof Unknown) return b;
  if (isNumeric(a) && isNumeric(b)) {
    const [x, y] = [numberOf(a), numberOf(b)];
    return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  }
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  if ((a instanceof PyList && b instanceof PyList) || (a instanceof PyTuple && b instanceof PyTuple)) {
    for (let i = 0; i < Math.min(a.items.length, b.items.length); i++) {
      const same = equal(a.items[i]!, b.items[i]!);
      if (same instanceof Unknown) return same;
      if (!same) return compare(op, a.items[i]!, b.items[i]!);
    }
    return Math.sign(a.items.length - b.items.length);
  }
  throw new PyError("TypeError", `'${op}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

export function dictGet(dict: PyDict, key: Value): Value | undefined {
  return dict.entries.get(keyOf(key))?.value;
}

export function dictSet(dict: PyDict, key: Value, value: Value): void {
  const hash = keyOf(key);
  const entry = dict.entries.get(hash);
  if (entry) entry.value = value;
  else dict.entries.set(hash, { key, value });
}

export function dictOf(pairs: Iterable<readonly [Value, Value]>): PyDict {
  const dict = new PyDict();
  for (const [key, value] of pairs) dictSet(dict, key, value);
  return dict;
}

export function setOf(items: Iterable<Value>): PySet {
  const set = new PySet();
  for (const item of items) {
    const key = keyOf(item);
    if (!set.entries.has(key)) set.entries.set(key, item);
  }
  return set;
}
