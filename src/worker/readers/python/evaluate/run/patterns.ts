import type { Pattern } from "../../syntax/ast";
import { dictOf, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { Unknown } from "../../values/unknown";
import { PyClass, PyDict, PyError, PyList, PyTuple, type Value } from "../../values/values";
import { compareValues } from "../objects/comparisons";
import { truthyOf } from "../objects/iteration";
import type { Scope } from "../scope";
import { evaluate } from "./expressions";

/** Types whose class pattern takes one positional pattern for the value itself. */
const SELF_MATCHING = new Set(["bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"]);

/** Whether a value matches a `case` pattern; names it captures are assigned as Python does, on the way. */
export function matches(ev: Evaluator, scope: Scope, pattern: Pattern, value: Value): boolean | Unknown {
  ev.step();
  switch (pattern.kind) {
    case "wildcard":
      return true;
    case "capture":
      scope.assign(pattern.name, value);
      return true;
    case "value": {
      const wanted = evaluate(ev, scope, pattern.value);
      // None, True and False are compared by identity.
      if (wanted === null || typeof wanted === "boolean") return wanted === value;
      return truthyOf(ev, compareValues(ev, "==", value, wanted));
    }
    case "or":
      for (const option of pattern.options) {
        const matched = matches(ev, scope, option, value);
        if (matched !== false) return matched;
      }
      return false;
    case "sequence":
      return value instanceof PyList || value instanceof PyTuple ? sequence(ev, scope, pattern.items, value) : false;
    case "mapping":
      return value instanceof PyDict ? mapping(ev, scope, pattern, value) : false;
    case "class":
      return instance(ev, scope, pattern, value);
    case "as": {
      const matched = matches(ev, scope, pattern.pattern, value);
      if (matched === true) scope.assign(pattern.name, value);
      return matched;
    }
    case "star":
    case "unsupported":
      return new Unknown(`a ${pattern.kind === "star" ? "starred pattern" : pattern.what} in match is not supported`);
  }
}

function every(ev: Evaluator, scope: Scope, pairs: Iterable<readonly [Pattern, Value | undefined]>): boolean | Unknown {
  for (const [pattern, value] of pairs) {
    if (value === undefined) return false;
    const matched = matches(ev, scope, pattern, value);
    if (matched !== true) return matched;
  }
  return true;
}

function sequence(ev: Evaluator, scope: Scope, items: readonly Pattern[], value: PyList | PyTuple): boolean | Unknown {
  const given = value.items;
  const star = items.findIndex((item) => item.kind === "star");
  if (star < 0) {
    if (given.length !== items.length) return false;
    return every(
      ev,
      scope,
      items.map((item, i) => [item, given[i]]),
    );
  }
  const after = items.length - star - 1;
  if (given.length < star + after) return false;
  const head = items.slice(0, star).map((item, i): [Pattern, Value | undefined] => [item, given[i]]);
  const tail = items
    .slice(star + 1)
    .map((item, i): [Pattern, Value | undefined] => [item, given[given.length - after + i]]);
  const matched = every(ev, scope, [...head, ...tail]);
  const { name } = items[star] as Extract<Pattern, { kind: "star" }>;
  if (matched === true && name) scope.assign(name, new PyList(given.slice(star, given.length - after)));
  return matched;
}

function mapping(
  ev: Evaluator,
  scope: Scope,
  pattern: Extract<Pattern, { kind: "mapping" }>,
  value: PyDict,
): boolean | Unknown {
  const taken = new Set<string>();
  for (const { key, pattern: inner } of pattern.entries) {
    const hash = keyOf(evaluate(ev, scope, key));
    const entry = value.entries.get(hash);
    if (!entry) return false;
    taken.add(hash);
    const matched = matches(ev, scope, inner, entry.value);
    if (matched !== true) return matched;
  }
  if (pattern.rest) {
    const rest = [...value.entries].filter(([hash]) => !taken.has(hash)).map(([, e]) => [e.key, e.value] as const);
    scope.assign(pattern.rest, dictOf(rest));
  }
  return true;
}

function instance(
  ev: Evaluator,
  scope: Scope,
  pattern: Extract<Pattern, { kind: "class" }>,
  value: Value,
): boolean | Unknown {
  const type = evaluate(ev, scope, pattern.type);
  if (type instanceof Unknown) return type;
  if (!(type instanceof PyClass)) throw new PyError("TypeError", "called match pattern must be a class");
  const own = ev.typeOf(value);
  if (own instanceof Unknown) return own;
  if (!(own instanceof PyClass && own.mro.includes(type))) return false;
  const { positional, named } = pattern;
  const pairs: [Pattern, Value | undefined][] = [];
  if (positional.length === 1 && SELF_MATCHING.has(type.name) && type.builtin) pairs.push([positional[0]!, value]);
  else if (positional.length > 0) {
    const names = ev.tryAttribute(type, "__match_args__");
    const known = names instanceof PyTuple ? names.items : [];
    if (known.length < positional.length) {
      throw new PyError(
        "TypeError",
        `${type.name}() accepts ${known.length} positional sub-patterns (${positional.length} given)`,
      );
    }
    for (const [i, item] of positional.entries()) pairs.push([item, ev.tryAttribute(value, String(known[i]))]);
  }
  for (const { name, pattern: inner } of named) pairs.push([inner, ev.tryAttribute(value, name)]);
  return every(ev, scope, pairs);
}
