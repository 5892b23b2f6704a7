import { Unknown } from "../values/unknown";
import { PyFloat, type Value } from "../values/values";
import type { Expr, FormattedPart } from "./ast";
import type { PlacedText, Raw } from "./raw";

/** A Python number literal. Integers beyond 2^53 are not represented exactly, so they are unknown. */
export function readNumber(literal: string): Value {
  const text = literal.replaceAll("_", "").replaceAll(" ", "").toLowerCase();
  if (/^-?(0[xob])/.test(text))
    return integer(Number(text.replace("-", "")) * (text.startsWith("-") ? -1 : 1), literal);
  if (text.endsWith("j")) return new Unknown(`complex numbers such as ${literal} are not supported`);
  if (/[.e]/.test(text)) return new PyFloat(Number(text));
  return integer(Number(text), literal);
}

function integer(value: number, literal: string): Value {
  return Number.isSafeInteger(value) ? value : new Unknown(`the whole number ${literal} is beyond 2^53`);
}

/** A string, f-string, bytes or implicitly concatenated literal. */
export function lowerString(raw: Raw, text: PlacedText, lower: (raw: Raw) => Expr): Expr {
  const { start, end } = raw;
  const parts: (string | FormattedPart)[] = [];
  const literals = raw.type === "concatenated_string" ? raw.children.filter((c) => c.type === "string") : [raw];
  for (const literal of literals) {
    const prefix = text
      .slice(literal.start, literal.end)
      .match(/^[a-zA-Z]*/)![0]
      .toLowerCase();
    if (prefix.includes("b")) return { kind: "Unsupported", what: "bytes", start, end };
    for (const child of literal.children) {
      if (child.type === "string_content") {
        const content = text.slice(child.start, child.end);
        const braces = prefix.includes("f") ? content.replaceAll("{{", "{").replaceAll("}}", "}") : content;
        parts.push(prefix.includes("r") ? braces : decodeEscapes(braces));
      } else if (child.type === "interpolation") parts.push(...formatted(child, text, lower));
    }
  }
  if (parts.every((part) => typeof part === "string")) {
    return { kind: "Constant", value: parts.join(""), start, end };
  }
  return { kind: "FString", parts, start, end };
}

function formatted(raw: Raw, text: PlacedText, lower: (raw: Raw) => Expr): FormattedPart[] {
  const value = raw.children.find((c) => c.field === "expression");
  if (!value) return [];
  const conversion = raw.children.find((c) => c.type === "type_conversion");
  const specifier = raw.children.find((c) => c.type === "format_specifier");
  const debug = raw.children.some((c) => c.type === "=");
  const format: (string | FormattedPart)[] = [];
  if (specifier) {
    let from = specifier.start + 1;
    for (const child of specifier.children) {
      if (child.type !== "format_expression" && child.type !== "interpolation") continue;
      format.push(text.slice(from, child.start), ...formatted(child, text, lower));
      from = child.end;
    }
    format.push(text.slice(from, specifier.end));
  }
  return [
    {
      value: lower(value),
      selfText: debug ? `${text.slice(value.start, value.end)}=` : undefined,
      conversion: conversion && text.slice(conversion.start + 1, conversion.end),
      format,
    },
  ];
}

const ESCAPES: Record<string, string> = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "\n": "",
};

function decodeEscapes(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (whole, hex?: string, short?: string, long?: string, octal?: string, one?: string) => {
      const code = hex ?? short ?? long;
      if (code !== undefined) {
        const point = Number.parseInt(code, 16);
        return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
      }
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      return ESCAPES[one ?? ""] ?? whole;
    },
  );
}
