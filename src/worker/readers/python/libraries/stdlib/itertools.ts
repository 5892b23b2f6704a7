import { binaryOperation } from "../../evaluate/objects/operators";
import type { Evaluator } from "../../values/evaluator";
import { type NativeBody, native } from "../../values/native";
import { PyGenerator, PyTuple, type Value } from "../../values/values";

import { named, namespace } from "./namespace";

/** The module itertools, lazily. */

const lazy =
  (make: (args: Readonly<Record<string, Value>>, ev: Evaluator) => Generator<Value>): NativeBody =>
  (args, ev) =>
    new PyGenerator(make(args, ev));
const rest = (args: Readonly<Record<string, Value>>): readonly Value[] => (args.args as PyTuple).items;

export const ITERTOOLS = namespace("itertools", [
  ...named([
    native(
      "chain",
      "*args",
      lazy(function* (args, ev) {
        for (const iterable of rest(args)) yield* ev.iterate(iterable);
      }),
    ),
    native(
      "count",
      "start=0, step=1",
      lazy(function* (args, ev) {
        for (let value: Value = args.start!; ; value = binaryOperation(ev, "+", value, args.step!)) {
          ev.step();
          yield value;
        }
      }),
    ),
    native(
      "cycle",
      "iterable",
      lazy(function* (args, ev) {
        const items = [...ev.iterate(args.iterable!)];
        while (items.length > 0) {
          ev.step();
          yield* items;
        }
      }),
    ),
    native(
      "repeat",
      "object, times=None",
      lazy(function* (args, ev) {
        for (let i = 0; args.times === null || i < Number(args.times); i++) {
          ev.step();
          yield args.object!;
        }
      }),
    ),
    native(
      "islice",
      "iterable, *args",
      lazy(function* (args, ev) {
        const [a = null, b, c] = rest(args);
        const [start, stop, step] = b === undefined ? [0, a, 1] : [Number(a ?? 0), b, Number(c ?? 1)];
        let i = 0;
        for (const item of ev.iterate(args.iterable!)) {
          if (stop !== null && i >= Number(stop)) return;
          if (i >= start && (i - start) % step === 0) yield item;
          i++;
          if (stop !== null && i >= Number(stop)) return;
        }
      }),
    ),
    native(
      "product",
      "*args, repeat=1",
      lazy(function* (args, ev) {
        const once = rest(args).map((iterable) => [...ev.iterate(iterable)]);
        const times = Number(args.repeat);
        ev.allot(times * Math.max(1, once.length), "a product");
        yield* products(ev, Array.from({ length: times }, () => once).flat());
      }),
    ),
    native(
      "pairwise",
      "iterable",
      lazy(function* (args, ev) {
        let before: Value | undefined;
        for (const item of ev.iterate(args.iterable!)) {
          if (before !== undefined) yield new PyTuple([before, item]);
          before = item;
        }
      }),
    ),
    native(
      "accumulate",
      "iterable, func=None",
      lazy(function* (args, ev) {
        let total: Value | undefined;
        for (const item of ev.iterate(args.iterable!)) {
          if (total === undefined) total = item;
          else total = args.func === null ? binaryOperation(ev, "+", total, item) : ev.call(args.func!, [total, item]);
          yield total;
        }
      }),
    ),
    native(
      "zip_longest",
      "*args, fillvalue=None",
      lazy(function* (args, ev) {
        const lists = rest(args).map((iterable) => [...ev.iterate(iterable)]);
        const longest = Math.max(0, ...lists.map((l) => l.length));
        for (let i = 0; i < longest; i++) yield new PyTuple(lists.map((l) => l[i] ?? args.fillvalue!));
      }),
    ),
  ]),
]);

/** The last pool's items turn over first. Not recursive: each of a thousand pools would be a generator within another. */
function* products(ev: Evaluator, pools: readonly (readonly Value[])[]): Generator<Value> {
  if (pools.some((pool) => pool.length === 0)) return;
  const places = pools.map(() => 0);
  for (let turned = 0; turned >= 0; ) {
    ev.step(1 + (pools.length >> 4));
    yield new PyTuple(pools.map((pool, i) => pool[places[i]!]!));
    for (turned = pools.length - 1; turned >= 0; turned--) {
      places[turned]!++;
      if (places[turned]! < pools[turned]!.length) break;
      places[turned] = 0;
    }
  }
}
