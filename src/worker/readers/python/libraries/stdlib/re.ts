import type { Flags } from "../../../../text/pythonRegExp";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { type NativeBody, native } from "../../values/native";
import { patternOf, textFor } from "../../values/regularExpressions";
import { builtinClass, OBJECT, typeName } from "../../values/types";
import { PyError, PyGenerator, PyList, PyObject, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "./namespace";

/** The module re, as far as names of layers and descriptions of blocks are taken apart with it. */

const FLAGS = { IGNORECASE: 2, MULTILINE: 8, DOTALL: 16, VERBOSE: 64, ASCII: 256 } as const;

const PATTERN = builtinClass("Pattern", [OBJECT]);
const MATCH = builtinClass("Match", [OBJECT]);

class PyPattern extends PyObject {
  constructor(
    readonly expression: RegExp,
    readonly text: string,
  ) {
    super(PATTERN, undefined);
    this.attributes.set("pattern", text);
  }
}

class PyMatch extends PyObject {
  constructor(readonly found: RegExpExecArray) {
    super(MATCH, undefined);
    this.attributes.set("string", found.input);
  }
}

function string(value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new PyError("TypeError", `expected string or bytes-like object, got '${typeName(value ?? null)}'`);
}

function compiled(pattern: Value | undefined, flags: Value | undefined): PyPattern {
  if (pattern instanceof PyPattern) return pattern;
  const bits = typeof flags === "number" ? flags : 0;
  const options: Flags = {
    ignoreCase: (bits & FLAGS.IGNORECASE) !== 0,
    multiline: (bits & FLAGS.MULTILINE) !== 0,
    dotAll: (bits & FLAGS.DOTALL) !== 0,
    verbose: (bits & FLAGS.VERBOSE) !== 0,
    ascii: (bits & FLAGS.ASCII) !== 0,
  };
  return new PyPattern(patternOf(string(pattern), options), string(pattern));
}

function all({ expression }: PyPattern, text: string): RegExpExecArray[] {
  return [...textFor(text).matchAll(expression)] as RegExpExecArray[];
}

/** The first match, of those that begin where they must and end where they must. */
function first(pattern: PyPattern, given: Value | undefined, where: "search" | "match" | "fullmatch"): Value {
  const text = textFor(string(given));
  const source = where === "search" ? pattern.expression.source : `(?:${pattern.expression.source})`;
  const ended = where === "fullmatch" ? `${source}$` : source;
  const flags = where === "search" ? pattern.expression.flags : `${pattern.expression.flags.replace("g", "")}y`;
  const found = new RegExp(ended, flags).exec(text);
  return found ? new PyMatch(found) : null;
}

function split(pattern: PyPattern, text: string, most: number): Value {
  const parts: Value[] = [];
  let from = 0;
  for (const [i, found] of all(pattern, text).entries()) {
    if (most > 0 && i >= most) break;
    parts.push(text.slice(from, found.index), ...found.slice(1).map((group) => group ?? null));
    from = found.index + found[0].length;
  }
  return new PyList([...parts, text.slice(from)]);
}

function replaced(ev: Evaluator, pattern: PyPattern, by: Value, text: string, count: number): string {
  let result = "";
  let from = 0;
  for (const [i, found] of all(pattern, text).entries()) {
    if (count > 0 && i >= count) break;
    const inserted = typeof by === "string" ? expanded(by, found) : string(ev.call(by, [new PyMatch(found)]));
    result += text.slice(from, found.index) + inserted;
    from = found.index + found[0].length;
  }
  return result + text.slice(from);
}

/** `\1`, `\g<name>` in what is put in. */
function expanded(template: string, found: RegExpExecArray): string {
  return template.replace(/\\(?:g<(\w+)>|(\d))/g, (_, name: string | undefined, digit: string | undefined) => {
    const key = name ?? digit!;
    return (/^\d+$/.test(key) ? found[Number(key)] : found.groups?.[key]) ?? "";
  });
}

/** Of `findall`: the match, its group, or its groups. */
function listed(found: RegExpExecArray): Value {
  const groups = found.slice(1).map((group) => group ?? "");
  return groups.length === 0 ? found[0] : groups.length === 1 ? groups[0]! : new PyTuple(groups);
}

/** Each is `re.name(pattern, ...)` and `pattern.name(...)`. */
const FUNCTIONS: readonly (readonly [name: string, parameters: string, body: NativeBody])[] = [
  ...(["search", "match", "fullmatch"] as const).map((name): [string, string, NativeBody] => [
    name,
    "string",
    (args) => first(compiled(args.pattern, args.flags), args.string, name),
  ]),
  [
    "split",
    "string, maxsplit=0",
    (args) => split(compiled(args.pattern, args.flags), string(args.string), Number(args.maxsplit)),
  ],
  ["findall", "string", (args) => new PyList(all(compiled(args.pattern, args.flags), string(args.string)).map(listed))],
  [
    "finditer",
    "string",
    (args) =>
      new PyGenerator(all(compiled(args.pattern, args.flags), string(args.string)).map((found) => new PyMatch(found))),
  ],
  [
    "sub",
    "repl, string, count=0",
    (args, ev) => replaced(ev, compiled(args.pattern, args.flags), args.repl!, string(args.string), Number(args.count)),
  ],
];
for (const [name, parameters, body] of FUNCTIONS) {
  PATTERN.members.set(name, native(name, `pattern, ${parameters}`, body));
}

function groupOf(match: PyMatch, key: Value): Value {
  const { found } = match;
  const known = typeof key === "number" ? key < found.length : Object.hasOwn(found.groups ?? {}, String(key));
  if (!known) throw new PyError("IndexError", "no such group");
  return (typeof key === "number" ? found[key] : found.groups?.[String(key)]) ?? null;
}

function spanOf(match: PyMatch, key: Value | undefined): readonly [number, number] {
  const { indices } = match.found;
  return (typeof key === "number" ? indices?.[key] : indices?.groups?.[String(key)]) ?? [-1, -1];
}

for (const method of [
  native("group", "self, *groups", ({ self, groups }) => {
    const keys = (groups as PyTuple).items;
    if (keys.length <= 1) return groupOf(self as PyMatch, keys[0] ?? 0);
    return new PyTuple(keys.map((key) => groupOf(self as PyMatch, key)));
  }),
  native("groups", "self, default=None", (args) => {
    return new PyTuple((args.self as PyMatch).found.slice(1).map((group) => group ?? args.default!));
  }),
  native("groupdict", "self, default=None", (args) =>
    dictOf(Object.entries((args.self as PyMatch).found.groups ?? {}).map(([k, v]) => [k, v ?? args.default!])),
  ),
  native("start", "self, group=0", ({ self, group }) => spanOf(self as PyMatch, group)[0]),
  native("end", "self, group=0", ({ self, group }) => spanOf(self as PyMatch, group)[1]),
  native("span", "self, group=0", ({ self, group }) => new PyTuple(spanOf(self as PyMatch, group))),
  native("__getitem__", "self, key", ({ self, key }) => groupOf(self as PyMatch, key!)),
]) {
  MATCH.members.set(method.name, method);
}

export const RE = namespace("re", [
  ...named(FUNCTIONS.map(([name, parameters, body]) => native(name, `pattern, ${parameters}, flags=0`, body))),
  ...named([
    native("compile", "pattern, flags=0", ({ pattern, flags }) => compiled(pattern, flags)),
    native("escape", "pattern", ({ pattern }) => string(pattern).replace(/[-\\^$*+?.()|[\]{}#&~\s]/g, "\\$&")),
  ]),
  ...Object.entries(FLAGS),
  ["I", FLAGS.IGNORECASE],
  ["M", FLAGS.MULTILINE],
  ["S", FLAGS.DOTALL],
  ["X", FLAGS.VERBOSE],
  ["A", FLAGS.ASCII],
  ["Pattern", PATTERN],
  ["Match", MATCH],
]);
