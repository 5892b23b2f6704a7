import { readNumber } from "../syntax/literals";
import { dictOf } from "../values/equality";
import { type BoundParam, PyError, PyFloat, PyNative, PyTuple, type Value } from "../values/values";

/** A native whose parameters are made at run time, as a dataclass's `__init__` is. */
export class PyNativeWithParams extends PyNative {
  constructor(
    name: string,
    override readonly params: readonly BoundParam[],
    body: PyNative["body"],
  ) {
    super(name, "", body);
  }
}

/** Python's rules for binding arguments to parameters, with its messages. `set` receives each parameter once. */
export function bind(
  name: string,
  params: readonly BoundParam[],
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value> | undefined,
  set: (name: string, value: Value) => void,
): void {
  let position = 0;
  let taken = 0;
  let collectsNames: string | undefined;
  let missing: string[] | undefined;
  let missingKeywords: string[] | undefined;
  let star = false;
  for (const param of params) {
    switch (param.kind) {
      case "star":
        set(param.name, new PyTuple(args.slice(position)));
        position = args.length;
        star = true;
        continue;
      case "doubleStar":
        collectsNames = param.name;
        continue;
    }
    const fromKeyword = param.kind !== "positionalOnly" ? kwargs?.get(param.name) : undefined;
    if (fromKeyword !== undefined) taken++;
    if (param.kind !== "keywordOnly" && position < args.length) {
      if (fromKeyword !== undefined)
        throw new PyError("TypeError", `${name}() got multiple values for argument '${param.name}'`);
      set(param.name, args[position++]!);
    } else if (fromKeyword !== undefined) {
      set(param.name, fromKeyword);
    } else if (param.default !== undefined) {
      set(param.name, param.default);
    } else if (param.kind === "keywordOnly") {
      missingKeywords ??= [];
      missingKeywords.push(param.name);
    } else {
      missing ??= [];
      missing.push(param.name);
    }
  }
  if (kwargs && (taken < kwargs.size || collectsNames)) {
    const named = new Set(params.filter((p) => p.kind === "normal" || p.kind === "keywordOnly").map((p) => p.name));
    const rest = [...kwargs].filter(([key]) => !named.has(key));
    if (collectsNames) set(collectsNames, dictOf(rest));
    else if (rest.length > 0)
      throw new PyError("TypeError", `${name}() got an unexpected keyword argument '${rest[0]![0]}'`);
  } else if (collectsNames) set(collectsNames, dictOf([]));
  if (!star && position < args.length) throw tooMany(name, params, args.length);
  if (missing) throw new PyError("TypeError", `${name}() missing ${listed(missing, "positional")}`);
  if (missingKeywords) throw new PyError("TypeError", `${name}() missing ${listed(missingKeywords, "keyword-only")}`);
}

function listed(names: readonly string[], kind: string): string {
  const quoted = names.map((n) => `'${n}'`);
  const text = quoted.length < 3 ? quoted.join(" and ") : `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}`;
  return `${names.length} required ${kind} argument${names.length > 1 ? "s" : ""}: ${text}`;
}

function tooMany(name: string, params: readonly BoundParam[], given: number): PyError {
  const positional = params.filter((p) => p.kind === "normal" || p.kind === "positionalOnly");
  const required = positional.filter((p) => p.default === undefined).length;
  const takes = required < positional.length ? `from ${required} to ${positional.length}` : `${required}`;
  const plural = positional.length === 1 ? "" : "s";
  return new PyError(
    "TypeError",
    `${name}() takes ${takes} positional argument${plural} but ${given} ${given === 1 ? "was" : "were"} given`,
  );
}

export function paramsOf(native: PyNative): readonly BoundParam[] {
  native.params ??= parseSignature(native.signature);
  return native.params;
}

/** Reads a signature as PyNative documents it: "input, dim=None, *, keepdim=False". */
export function parseSignature(signature: string): BoundParam[] {
  const params: BoundParam[] = [];
  let kind: BoundParam["kind"] = "normal";
  for (const part of splitTop(signature)) {
    if (part === "*") kind = "keywordOnly";
    else if (part === "/")
      params.forEach((p, i) => {
        params[i] = { ...p, kind: "positionalOnly" };
      });
    else if (part.startsWith("**")) params.push({ name: part.slice(2), kind: "doubleStar" });
    else if (part.startsWith("*")) {
      params.push({ name: part.slice(1), kind: "star" });
      kind = "keywordOnly";
    } else {
      const equals = part.indexOf("=");
      if (equals < 0) params.push({ name: part, kind });
      else params.push({ name: part.slice(0, equals).trim(), kind, default: literal(part.slice(equals + 1).trim()) });
    }
  }
  return params;
}

function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = "";
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === quote) quote = "";
    } else if (c === "'" || c === '"') quote = c;
    else if (c === "(" || c === "[") depth++;
    else if (c === ")" || c === "]") depth--;
    else if ((c === "," && depth === 0) || c === undefined) {
      const part = text.slice(from, i).trim();
      if (part) parts.push(part);
      from = i + 1;
    }
  }
  return parts;
}

function literal(text: string): Value {
  switch (text) {
    case "None":
      return null;
    case "True":
      return true;
    case "False":
      return false;
    case "inf":
      return new PyFloat(Number.POSITIVE_INFINITY);
    case "-inf":
      return new PyFloat(Number.NEGATIVE_INFINITY);
  }
  if (/^['"]/.test(text)) return text.slice(1, -1);
  if (text.startsWith("(")) return new PyTuple(splitTop(text.slice(1, -1)).map(literal));
  const negative = text.startsWith("-");
  const number = readNumber(negative ? text.slice(1) : text);
  if (number instanceof PyFloat) return negative ? new PyFloat(-number.value) : number;
  if (typeof number !== "number" || Number.isNaN(number))
    throw new Error(`${text} is not a literal of a native's signature`);
  return negative ? -number : number;
}
