import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { native, nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyError, PyList, PyTuple, type Value } from "../../values/values";

/** `collections.abc.Mapping` and `MutableMapping`: what a class of the source gets that defines `__getitem__` and the like. */

export const MAPPING = builtinClass("Mapping", [OBJECT]);
export const MUTABLE_MAPPING = builtinClass("MutableMapping", [MAPPING]);

const item = (ev: Evaluator, self: Value, key: Value): Value => ev.call(ev.getAttribute(self, "__getitem__"), [key]);

/** The value of the key, or undefined where there is none: its `__getitem__` raises KeyError. */
function find(ev: Evaluator, self: Value, key: Value): Value | undefined {
  const restore = ev.mark();
  try {
    return item(ev, self, key);
  } catch (error) {
    if (!(error instanceof PyError) || error.type !== "KeyError") throw error;
    restore();
    return undefined;
  }
}

const pairs = (ev: Evaluator, self: Value): PyTuple[] =>
  [...ev.iterate(self)].map((key) => new PyTuple([key, item(ev, self, key)]));

for (const method of [
  // A default that is unknown is handed on where it is not needed.
  nativeOfUnknown("get", "self, key, default=None", ({ self, key, default: otherwise }, ev) =>
    key instanceof Unknown ? key : (find(ev, self!, key!) ?? otherwise!),
  ),
  native("__contains__", "self, key", ({ self, key }, ev) => find(ev, self!, key!) !== undefined),
  native("keys", "self", ({ self }, ev) => new PyList([...ev.iterate(self!)])),
  native("values", "self", ({ self }, ev) => new PyList(pairs(ev, self!).map(({ items }) => items[1]!))),
  native("items", "self", ({ self }, ev) => new PyList(pairs(ev, self!))),
]) {
  MAPPING.members.set(method.name, method);
}

const put = (ev: Evaluator, self: Value, key: Value, value: Value): Value =>
  ev.call(ev.getAttribute(self, "__setitem__"), [key, value]);

for (const method of [
  nativeOfUnknown("setdefault", "self, key, default=None", ({ self, key, default: otherwise }, ev) => {
    if (key instanceof Unknown) return key;
    const found = find(ev, self!, key!);
    if (found === undefined) put(ev, self!, key!, otherwise!);
    return found ?? otherwise!;
  }),
  nativeOfUnknown("update", "self, other=(), **kwargs", ({ self, other, kwargs }, ev) => {
    if (other instanceof Unknown) return other;
    for (const from of [other!, kwargs!]) {
      const given = ev.call(ev.getAttribute(dictFrom(ev, from), "items"), []);
      for (const pair of ev.iterate(given)) put(ev, self!, ...((pair as PyTuple).items as [Value, Value]));
    }
    return null;
  }),
]) {
  MUTABLE_MAPPING.members.set(method.name, method);
}

/** A mapping as it is, and a sequence of pairs as a dict. */
function dictFrom(ev: Evaluator, given: Value): Value {
  if (ev.tryAttribute(given, "items") !== undefined) return given;
  return dictOf(
    [...ev.iterate(given)].map((pair): [Value, Value] => {
      const [key, value] = [...ev.iterate(pair)];
      return [key!, value!];
    }),
  );
}
