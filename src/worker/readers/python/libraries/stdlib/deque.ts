import { native } from "../../values/native";
import { builtinClass, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyError, PyList, type Value } from "../../values/values";

/** `collections.deque`: a list that also grows and shrinks at its left. */
export const DEQUE = builtinClass("deque", [OBJECT], ([iterable, maxlen = null], kwargs, runtime): Value => {
  const given = iterable ?? kwargs.get("iterable");
  if ((kwargs.get("maxlen") ?? maxlen) !== null) return new Unknown("a deque of bounded length is not followed");
  const deque = new PyList(given === undefined ? [] : [...runtime.iterate(given)]);
  deque.subclass = { type: DEQUE, attributes: new Map() };
  return deque;
});

const itemsOf = (self: Value | undefined): Value[] => (self as PyList).items;

for (const method of [
  native("appendleft", "self, x, /", ({ self, x }) => {
    itemsOf(self).unshift(x!);
    return null;
  }),
  native("extendleft", "self, iterable, /", ({ self, iterable }, ev) => {
    itemsOf(self).unshift(...[...ev.iterate(iterable!)].reverse());
    return null;
  }),
  native("popleft", "self", ({ self }) => {
    const first = itemsOf(self).shift();
    if (first === undefined) throw new PyError("IndexError", "pop from an empty deque");
    return first;
  }),
  native("rotate", "self, n=1, /", ({ self, n }) => {
    const items = itemsOf(self);
    if (typeof n !== "number" || items.length === 0) return null;
    const turns = ((n % items.length) + items.length) % items.length;
    items.unshift(...items.splice(items.length - turns, turns));
    return null;
  }),
]) {
  DEQUE.members.set(method.name, method);
}
