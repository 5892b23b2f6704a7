import type { Evaluator } from "../../values/evaluator";
import { floatText, isNumeric, numberOf, roundHalfEven } from "../../values/numbers";
import { classOf, NOT_IMPLEMENTED, PyRange, plain, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyBound,
  PyClass,
  PyDict,
  PyDType,
  PyEllipsis,
  PyError,
  PyFloat,
  PyFunction,
  PyList,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";

type Text = string | Unknown;

/** Python's str(). */
export function str(ev: Evaluator, value: Value): Text {
  if (typeof value === "string") return value;
  const method = ev.special(value, "__str__");
  if (method) {
    const result = ev.call(method, []);
    return typeof result === "string" || result instanceof Unknown ? result : repr(ev, result);
  }
  if (plain(value) !== value && !ev.special(value, "__repr__")) return str(ev, plain(value));
  if (value instanceof PyObject && value.attributes.get("args") instanceof PyTuple && !ev.special(value, "__repr__")) {
    const { items } = value.attributes.get("args") as PyTuple;
    return items.length === 1 ? str(ev, items[0]!) : items.length === 0 ? "" : repr(ev, new PyTuple(items));
  }
  return repr(ev, value);
}

/** Python's repr(). */
export function repr(ev: Evaluator, given: Value, depth = 0): Text {
  const shown = given instanceof PyObject || classOf(given) === undefined ? undefined : ev.special(given, "__repr__");
  const own = shown ?? (plain(given) === given ? undefined : ev.special(given, "__repr__"));
  if (own) {
    const result = ev.call(own, []);
    if (typeof result === "string" || result instanceof Unknown) return result;
  }
  const value = plain(given);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quoted(value);
  if (value instanceof PyFloat) return floatText(value.value);
  if (value instanceof Unknown) return value;
  ev.step();
  if (depth > 20) return "...";
  if (value instanceof PyList) return joined(ev, value.items, "[", "]", depth);
  if (value instanceof PyTuple && value.fields) return named(ev, value, value.fields, depth);
  if (value instanceof PyTuple) return joined(ev, value.items, "(", value.items.length === 1 ? ",)" : ")", depth);
  if (value instanceof PySet) {
    return value.entries.size === 0 ? "set()" : joined(ev, [...value.entries.values()], "{", "}", depth);
  }
  if (value instanceof PyDict) {
    const parts: string[] = [];
    for (const entry of value.entries.values()) {
      const [key, item] = [repr(ev, entry.key, depth + 1), repr(ev, entry.value, depth + 1)];
      if (key instanceof Unknown) return key;
      if (item instanceof Unknown) return item;
      parts.push(`${key}: ${item}`);
    }
    return `{${parts.join(", ")}}`;
  }
  if (value instanceof PyDType) return `torch.${value.dtype}`;
  if (value instanceof PyTensor) return new Unknown("a tensor's numbers are not computed while the file is read");
  if (value instanceof PyClass) return value.builtin ? `<class '${value.name}'>` : `<class '__main__.${value.name}'>`;
  if (value === NOT_IMPLEMENTED) return "NotImplemented";
  if (value instanceof PyEllipsis) return "Ellipsis";
  if (value instanceof PyRange) {
    const step = value.step === 1 ? "" : `, ${value.step}`;
    return `range(${value.first}, ${value.stop}${step})`;
  }
  const method = ev.special(value, "__repr__");
  if (method) {
    const result = ev.call(method, []);
    if (typeof result === "string" || result instanceof Unknown) return result;
  }
  if (value instanceof PyFunction || value instanceof PyNative) return `<function ${value.name}>`;
  if (value instanceof PyBound) return `<bound method ${value.callee.name}>`;
  return `<${typeName(value)} object>`;
}

function named(ev: Evaluator, value: PyTuple, fields: readonly string[], depth: number): Text {
  const parts: string[] = [];
  for (const [i, item] of value.items.entries()) {
    const text = repr(ev, item, depth + 1);
    if (text instanceof Unknown) return text;
    parts.push(`${fields[i]}=${text}`);
  }
  return `${value.subclass?.type.name ?? ""}(${parts.join(", ")})`;
}

function joined(ev: Evaluator, items: readonly Value[], open: string, close: string, depth: number): Text {
  const parts: string[] = [];
  for (const item of items) {
    const text = repr(ev, item, depth + 1);
    if (text instanceof Unknown) return text;
    parts.push(text);
  }
  return `${open}${parts.join(", ")}${close}`;
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r");
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

/** Python's format(value, spec). */
export function applyFormat(ev: Evaluator, given: Value, spec: string): Text {
  const value = ev.special(given, "__str__") ? given : plain(given);
  if (value instanceof Unknown) return value;
  const own = ev.special(value, "__format__");
  if (own) {
    const result = ev.call(own, [spec]);
    if (typeof result === "string" || result instanceof Unknown) return result;
  }
  if (spec === "") return str(ev, value);
  const match = SPEC.exec(spec);
  if (!match) throw new PyError("ValueError", `Invalid format specifier '${spec}'`);
  const [, fill, align, sign, , zero, width, comma, precision, type] = match;
  let body: Text;
  let numeric = false;
  if (isNumeric(value) && type !== "s") {
    numeric = true;
    body = number(value instanceof PyFloat, numberOf(value), type, precision, comma);
    if ((sign === "+" || sign === " ") && !body.startsWith("-")) body = sign + body;
  } else {
    body = str(ev, value);
    if (body instanceof Unknown) return body;
    if (precision !== undefined) body = body.slice(0, Number(precision));
  }
  const missing = Number(width ?? 0) - [...body].length;
  if (missing <= 0) return body;
  ev.allot(missing, "a string");
  const padding = (fill ?? (zero ? "0" : " ")).repeat(missing);
  const where = align ?? (zero && numeric ? "=" : numeric ? ">" : "<");
  if (where === "<") return body + padding;
  if (where === "^") {
    const half = missing >> 1;
    return padding.slice(0, half) + body + padding.slice(half);
  }
  if (where === "=" && /^[-+ ]/.test(body)) return body[0] + padding + body.slice(1);
  return padding + body;
}

function number(
  float: boolean,
  n: number,
  type: string | undefined,
  precision: string | undefined,
  comma: string | undefined,
): string {
  const digits = Math.min(100, Number(precision ?? 6));
  let text: string;
  switch (type) {
    case "f":
    case "F":
      text = Number.isFinite(n) ? n.toFixed(digits) : floatText(n);
      break;
    case "e":
    case "E":
      text = n.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
      if (type === "E") text = text.toUpperCase();
      break;
    case "%":
      text = `${(n * 100).toFixed(digits)}%`;
      break;
    case "x":
      text = n.toString(16);
      break;
    case "X":
      text = n.toString(16).toUpperCase();
      break;
    case "b":
      text = n.toString(2);
      break;
    case "o":
      text = n.toString(8);
      break;
    case "g":
    case "G":
      text = String(Number(n.toPrecision(Math.max(1, digits))));
      break;
    default:
      text = float
        ? precision === undefined
          ? floatText(n)
          : String(Number(n.toPrecision(Math.max(1, digits))))
        : String(n);
  }
  if (!comma) return text;
  const [, minus, whole, rest] = /^(-?)(\d+)(.*)$/.exec(text) ?? [text, "", text, ""];
  return `${minus}${whole!.replace(/\B(?=(\d{3})+$)/g, comma)}${rest}`;
}

/** `"%d of %s" % values`. */
export function percentFormat(ev: Evaluator, format: string, operand: Value): Text {
  const values = operand instanceof PyTuple ? [...operand.items] : [operand];
  let unknown: Unknown | undefined;
  const text = format.replace(
    /%(?:\((\w+)\))?([-+0 #]*)(\d+)?(?:\.(\d+))?([diouxXeEfFgGcrs%])/g,
    (_whole, key, flags, width, precision, type) => {
      if (type === "%") return "%";
      let value: Value | undefined;
      if (key !== undefined) value = operand instanceof PyDict ? operand.entries.get(`s${key}`)?.value : undefined;
      else value = values.shift();
      if (value === undefined) throw new PyError("TypeError", "not enough arguments for format string");
      const shown = type === "r" ? repr(ev, value) : value;
      const whole = "diu".includes(type) && shown instanceof PyFloat ? Math.trunc(shown.value) : shown;
      const kind = "sr".includes(type) ? "s" : "diu".includes(type) ? "d" : type;
      const align = flags.includes("-") ? "<" : kind === "s" ? ">" : "";
      const subject = kind === "s" ? str(ev, shown) : whole;
      const spec = `${align}${flags.includes("+") ? "+" : ""}${flags.includes("0") && !align ? "0" : ""}${width ?? ""}${precision ? `.${precision}` : ""}${kind}`;
      const result = applyFormat(ev, subject, spec);
      if (result instanceof Unknown) {
        unknown ??= result;
        return "";
      }
      return result;
    },
  );
  return unknown ?? text;
}

export function rounded(value: PyFloat, digits: number): PyFloat {
  return new PyFloat(roundHalfEven(value.value, digits));
}
