import type { Evaluator } from "../../values/evaluator";
import { type NativeBody, native } from "../../values/native";
import { typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { type PyDict, PyError, PyList, type PyNative, PyTuple, type Value } from "../../values/values";
import { applyFormat, repr, str } from "./text";

type Args = Readonly<Record<string, Value>>;

const self = (args: Args): string => args.self as string;

function text(args: Args, name: string): string {
  const value = args[name];
  if (typeof value === "string") return value;
  throw new PyError("TypeError", `expected str, got ${typeName(value ?? null)}`);
}

function options(value: Value): string[] {
  return (value instanceof PyTuple ? value.items : [value]).map((v) => {
    if (typeof v === "string") return v;
    throw new PyError("TypeError", `a str or a tuple of str is needed, not ${typeName(v)}`);
  });
}

function strip(value: string, characters: Value, left: boolean, right: boolean): string {
  const drop = typeof characters === "string" ? (c: string) => characters.includes(c) : (c: string) => /\s/.test(c);
  let [from, to] = [0, value.length];
  while (left && from < to && drop(value[from]!)) from++;
  while (right && to > from && drop(value[to - 1]!)) to--;
  return value.slice(from, to);
}

function split(value: string, separator: Value, limit: number, fromRight: boolean): string[] {
  if (separator === "") throw new PyError("ValueError", "empty separator");
  const parts = separator === null ? value.split(/\s+/).filter((p) => p !== "") : value.split(separator as string);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  const glue = separator === null ? " " : (separator as string);
  return fromRight
    ? [parts.slice(0, parts.length - limit).join(glue), ...parts.slice(parts.length - limit)]
    : [...parts.slice(0, limit), parts.slice(limit).join(glue)];
}

/** str.format: positional and named fields, attributes and items of them, format specifications. */
function format(ev: Evaluator, template: string, args: readonly Value[], kwargs: PyDict): string | Unknown {
  let next = 0;
  let unknown: Unknown | undefined;
  const result = template.replace(
    /\{\{|\}\}|\{([^{}:!]*)(?:!([rs]))?(?::((?:[^{}]|\{[^{}]*\})*))?\}/g,
    (whole, field?: string, conversion?: string, spec?: string) => {
      if (whole === "{{") return "{";
      if (whole === "}}") return "}";
      const [, head = "", path = ""] = /^([^.[]*)(.*)$/.exec(field ?? "")!;
      let value: Value | undefined;
      if (head === "") value = args[next++];
      else if (/^\d+$/.test(head)) value = args[Number(head)];
      else value = kwargs.entries.get(`s${head}`)?.value;
      if (value === undefined) {
        if (head === "" || /^\d+$/.test(head))
          throw new PyError("IndexError", "Replacement index out of range for positional args tuple");
        throw new PyError("KeyError", `'${head}'`);
      }
      for (const [, name] of path.matchAll(/\.(\w+)/g)) value = ev.getAttribute(value, name!);
      const shown: Value = conversion === "r" ? repr(ev, value) : conversion === "s" ? str(ev, value) : value;
      const inner = spec?.includes("{") ? format(ev, spec, args.slice(next), kwargs) : (spec ?? "");
      const out = inner instanceof Unknown ? inner : applyFormat(ev, shown, inner);
      if (out instanceof Unknown) {
        unknown ??= out;
        return "";
      }
      return out;
    },
  );
  return unknown ?? result;
}

function capitalized(value: string): string {
  return value.slice(0, 1).toUpperCase() + value.slice(1).toLowerCase();
}

const entries: [name: string, signature: string, body: NativeBody][] = [
  ["lower", "", (args) => self(args).toLowerCase()],
  ["upper", "", (args) => self(args).toUpperCase()],
  ["casefold", "", (args) => self(args).toLowerCase()],
  ["capitalize", "", (args) => capitalized(self(args))],
  ["title", "", (args) => self(args).replace(/[a-zA-Z]+/g, capitalized)],
  ["strip", "chars=None", (args) => strip(self(args), args.chars!, true, true)],
  ["lstrip", "chars=None", (args) => strip(self(args), args.chars!, true, false)],
  ["rstrip", "chars=None", (args) => strip(self(args), args.chars!, false, true)],
  ["split", "sep=None, maxsplit=-1", (args) => new PyList(split(self(args), args.sep!, Number(args.maxsplit), false))],
  ["rsplit", "sep=None, maxsplit=-1", (args) => new PyList(split(self(args), args.sep!, Number(args.maxsplit), true))],
  ["splitlines", "", (args) => new PyList(self(args).split("\n"))],
  [
    "partition",
    "sep",
    (args) => {
      const at = self(args).indexOf(text(args, "sep"));
      if (at < 0) return new PyTuple([self(args), "", ""]);
      return new PyTuple([self(args).slice(0, at), text(args, "sep"), self(args).slice(at + text(args, "sep").length)]);
    },
  ],
  [
    "rpartition",
    "sep",
    (args) => {
      const at = self(args).lastIndexOf(text(args, "sep"));
      if (at < 0) return new PyTuple(["", "", self(args)]);
      return new PyTuple([self(args).slice(0, at), text(args, "sep"), self(args).slice(at + text(args, "sep").length)]);
    },
  ],
  [
    "join",
    "iterable",
    (args, ev) => {
      const parts: string[] = [];
      let length = 0;
      for (const item of ev.iterate(args.iterable!)) {
        if (item instanceof Unknown) return item;
        if (typeof item !== "string") {
          throw new PyError(
            "TypeError",
            `sequence item ${parts.length}: expected str instance, ${typeName(item)} found`,
          );
        }
        parts.push(item);
        length += item.length + self(args).length;
        if (parts.length % 256 === 0) ev.allot(length, "a string");
      }
      ev.allot(length, "a string");
      return parts.join(self(args));
    },
  ],
  [
    "replace",
    "old, new, count=-1",
    (args, ev) => {
      const [old, by] = [text(args, "old"), text(args, "new")];
      const parts = self(args).split(old);
      const count = Number(args.count) < 0 ? parts.length : Number(args.count);
      ev.allot(self(args).length + parts.length * by.length, "a string");
      return parts.reduce((all, part, i) => (i === 0 ? part : all + (i <= count ? by : old) + part), "");
    },
  ],
  ["startswith", "prefix", (args) => options(args.prefix!).some((p) => self(args).startsWith(p))],
  ["endswith", "suffix", (args) => options(args.suffix!).some((s) => self(args).endsWith(s))],
  [
    "removeprefix",
    "prefix",
    (args) =>
      self(args).startsWith(text(args, "prefix")) ? self(args).slice(text(args, "prefix").length) : self(args),
  ],
  [
    "removesuffix",
    "suffix",
    (args) =>
      text(args, "suffix") !== "" && self(args).endsWith(text(args, "suffix"))
        ? self(args).slice(0, -text(args, "suffix").length)
        : self(args),
  ],
  ["find", "sub", (args) => self(args).indexOf(text(args, "sub"))],
  ["rfind", "sub", (args) => self(args).lastIndexOf(text(args, "sub"))],
  [
    "index",
    "sub",
    (args) => {
      const at = self(args).indexOf(text(args, "sub"));
      if (at < 0) throw new PyError("ValueError", "substring not found");
      return at;
    },
  ],
  ["count", "sub", (args) => self(args).split(text(args, "sub")).length - 1],
  [
    "format",
    "*args, **kwargs",
    (args, ev) => format(ev, self(args), (args.args as PyTuple).items, args.kwargs as PyDict),
  ],
  ["isdigit", "", (args) => /^\d+$/.test(self(args))],
  ["isnumeric", "", (args) => /^\d+$/.test(self(args))],
  ["isalpha", "", (args) => /^\p{L}+$/u.test(self(args))],
  ["isalnum", "", (args) => /^[\p{L}\d]+$/u.test(self(args))],
  ["isidentifier", "", (args) => /^[\p{L}_][\p{L}\d_]*$/u.test(self(args))],
  ["isupper", "", (args) => self(args) !== self(args).toLowerCase() && self(args) === self(args).toUpperCase()],
  ["islower", "", (args) => self(args) !== self(args).toUpperCase() && self(args) === self(args).toLowerCase()],
  [
    "zfill",
    "width",
    (args, ev) => {
      ev.allot(Number(args.width), "a string");
      const minus = self(args).startsWith("-") ? "-" : "";
      return (
        minus +
        self(args)
          .slice(minus.length)
          .padStart(Number(args.width) - minus.length, "0")
      );
    },
  ],
  [
    "ljust",
    "width, fillchar=' '",
    (args, ev) => {
      ev.allot(Number(args.width), "a string");
      return self(args).padEnd(Number(args.width), text(args, "fillchar"));
    },
  ],
  [
    "rjust",
    "width, fillchar=' '",
    (args, ev) => {
      ev.allot(Number(args.width), "a string");
      return self(args).padStart(Number(args.width), text(args, "fillchar"));
    },
  ],
  [
    "center",
    "width, fillchar=' '",
    (args, ev) => applyFormat(ev, self(args), `${text(args, "fillchar")}^${Number(args.width)}`),
  ],
  ["encode", "*args, **kwargs", () => new Unknown("bytes are not supported")],
];

export const STRING_METHODS: Map<string, PyNative> = new Map(
  entries.map(([name, signature, body]) => [name, native(name, signature ? `self, ${signature}` : "self", body)]),
);
