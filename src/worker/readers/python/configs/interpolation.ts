import { str } from "../evaluate/objects/text";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { PyDict, PyList, type Value } from "../values/values";
import { plainScalar } from "./scalars";

/** `${...}` in the text of a configuration: another entry's value, or what a function makes of arguments. */

const MAX_DEPTH = 24;
const MAX_TEXT = 100_000;

export function hasInterpolation(text: string): boolean {
  return text.includes("${");
}

/** A dictionary whose text may hold interpolations. */
export interface Nested extends Map<string, { key: Value; value: Value }> {
  readonly root: Nested;
  /** The dictionary that this one is in. */
  readonly parent: Nested | undefined;
  /** Of a root: interpolations that are being followed. */
  following: number;
}

/** The value of text of the dictionary whose entries are `at`. */
export function interpolated(ev: Evaluator, text: string, at: Nested): Value {
  const { root } = at;
  if (root.following >= MAX_DEPTH)
    return new Unknown(`the interpolations of "${short(text)}" are nested too deeply or refer to each other`, ev.place);
  root.following++;
  try {
    return evaluate(ev, text, at);
  } finally {
    root.following--;
  }
}

function evaluate(ev: Evaluator, text: string, at: Nested): Value {
  ev.step(1 + (text.length >> 4));
  let result = "";
  for (let i = 0; i < text.length; ) {
    const start = text.indexOf("${", i);
    if (start < 0) return result + text.slice(i);
    if (text[start - 1] === "\\") {
      result += `${text.slice(i, start - 1)}\${`;
      i = start + 2;
      continue;
    }
    const end = closing(text, start + 2);
    if (end < 0) return new Unknown(`"${short(text)}" lacks a closing brace`, ev.place);
    const value = expression(ev, text.slice(start + 2, end), at);
    if (start === 0 && end === text.length - 1) return value;
    const shown = str(ev, value);
    if (typeof shown !== "string") return shown;
    result += text.slice(i, start) + shown;
    if (result.length > MAX_TEXT) return new Unknown(`"${short(text)}" becomes too long`, ev.place);
    i = end + 1;
  }
  return result;
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

function closing(text: string, from: number): number {
  let open = 1;
  for (let i = from; i < text.length; i++) {
    if (text.startsWith("${", i)) open++;
    else if (text[i] === "}" && --open === 0) return i;
  }
  return -1;
}

/** What stands between the braces: `model.width`, `..width`, `oc.env:NAME,default`. */
function expression(ev: Evaluator, inner: string, at: Nested): Value {
  const [, name, rest] = /^\s*([A-Za-z_][\w.]*)\s*:([\s\S]*)$/.exec(inner) ?? [];
  if (name !== undefined) return call(ev, name, rest!, at);
  const path = hasInterpolation(inner) ? interpolated(ev, inner, at) : inner;
  if (typeof path !== "string") return path instanceof Unknown ? path : new Unknown(`\${${inner}} names no entry`);
  return select(ev, path.trim(), at) ?? new Unknown(`\${${inner}} is not in the configuration`, ev.place);
}

/** The entry of the path, from the root or, with dots before it, from the dictionary that the text is in. */
export function select(ev: Evaluator, path: string, at: Nested): Value | undefined {
  const dots = /^\.*/.exec(path)![0].length;
  let from: Nested | undefined = dots === 0 ? at.root : at;
  for (let up = 1; up < dots; up++) from = from?.parent;
  if (!from) return undefined;
  let value: Value = new PyDict(from);
  for (const part of path.slice(dots).split(/[.[\]]+/)) {
    if (part === "") continue;
    ev.step();
    if (value instanceof Unknown) return value;
    const found: Value | undefined =
      value instanceof PyDict
        ? (value.entries.get(`s${part}`)?.value ?? value.entries.get(`n${Number(part)}`)?.value)
        : value instanceof PyList
          ? value.items[Number(part)]
          : undefined;
    if (found === undefined) return undefined;
    value = found;
  }
  return value;
}

/** Arguments are separated by commas outside of braces, brackets and quotes. */
function split(text: string): string[] {
  const parts: string[] = [];
  let [from, open, quote] = [0, 0, ""];
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== "") {
      if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if ("{[(".includes(c)) open++;
    else if ("}])".includes(c)) open--;
    else if (c === "," && open === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts.map((part) => part.trim());
}

function argument(ev: Evaluator, text: string, at: Nested): Value {
  const quoted = /^(["'])([\s\S]*)\1$/.exec(text)?.[2];
  if (quoted !== undefined) return hasInterpolation(quoted) ? interpolated(ev, quoted, at) : quoted;
  if (hasInterpolation(text)) return interpolated(ev, text, at);
  if (/^\[.*\]$/.test(text)) {
    const inner = text.slice(1, -1).trim();
    return new PyList(inner === "" ? [] : split(inner).map((part) => argument(ev, part, at)));
  }
  // Only true, false and null are words of this grammar.
  return /^(yes|no|on|off|~|)$/i.test(text) ? text : plainScalar(text, "omegaconf");
}

function call(ev: Evaluator, name: string, rest: string, at: Nested): Value {
  const parts = rest.trim() === "" ? [] : split(rest);
  const own = ev.session.resolvers.get(name);
  if (own !== undefined)
    return ev.call(
      own,
      parts.map((part) => argument(ev, part, at)),
    );
  const args = () => parts.map((part) => argument(ev, part, at));
  switch (name) {
    case "oc.env": {
      // An environment in which nothing is set, as os.environ has it.
      const [variable, otherwise] = args();
      return (
        otherwise ??
        new Unknown(`the environment variable ${String(variable)} is not known while the file is read`, ev.place)
      );
    }
    case "oc.select": {
      const [path, otherwise = null] = args();
      return typeof path === "string" ? (select(ev, path, at) ?? otherwise) : otherwise;
    }
    case "oc.decode": {
      const [text] = args();
      return typeof text === "string" ? argument(ev, text, at) : (text ?? null);
    }
    case "hydra":
      return /^runtime\.cwd$/.test(rest.trim())
        ? "."
        : new Unknown(`\${hydra:${rest}} is known only when the program runs`, ev.place);
  }
  return new Unknown(`\${${name}:...} is not followed: the project registers no such function`, ev.place);
}
