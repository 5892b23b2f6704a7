import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { dictOf } from "../../values/equality";
import { Unknown } from "../../values/unknown";
import { PyFloat, PyList, type Value } from "../../values/values";

/** A config.json as read: a JSON object of a model's sizes. */
export interface ConfigFile {
  readonly file: string;
  readonly name: string;
  readonly fields: Record<string, unknown>;
}

/** The longest of Hugging Face's, with a thousand labels, has 70 kB. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 32;

/**
 * The chosen file, or config.json next to `modelFile`; undefined when there is none, and what is wrong with it when it
 * cannot be used.
 */
export function siblingConfig(
  modelFile: string,
  chosen?: string,
  read: typeof configAt = configAt,
): ConfigFile | string | undefined {
  const file = chosen ?? siblingPath(modelFile);
  const found = chosen === undefined ? configAt(file) : read(file);
  return found === undefined && chosen !== undefined ? `${file} cannot be read: there is no such file` : found;
}

/** The file; undefined when there is none, and what is wrong with it when it cannot be used. */
export function configAt(file: string): ConfigFile | string | undefined {
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES)
      return `${file} is ${(size / 1024 / 1024).toFixed(0)} MB long: too large to be a model's configuration, so it is not used`;
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? undefined : `${file} cannot be read: ${message}`;
  }
  const parsed = parseObject(text);
  return typeof parsed === "string"
    ? `${file} is not used as the model's configuration: ${parsed}`
    : { file, name: basename(file), fields: parsed };
}

/** The path of the configuration that is used by default. */
export function siblingPath(modelFile: string): string {
  return join(dirname(modelFile), "config.json");
}

export function asRecord(value: unknown): Record<string, unknown> | undefined {
  const isValue = value instanceof PyFloat || value instanceof Unknown;
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isValue
    ? (value as Record<string, unknown>)
    : undefined;
}

/** JSON as Python reads it: of a `ConfigFile`, whose depth is limited. */
export function pythonValue(json: unknown): Value {
  if (json instanceof PyFloat || json instanceof Unknown) return json;
  if (typeof json === "number" && !Number.isSafeInteger(json)) return new PyFloat(json);
  if (Array.isArray(json)) return new PyList(json.map(pythonValue));
  const record = asRecord(json);
  if (record) return dictOf(Object.entries(record).map(([key, value]): [string, Value] => [key, pythonValue(value)]));
  return json as Value;
}

function parseObject(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(TOKENS, markedFloat), (_, inner) => floatOf(inner) ?? inner);
  } catch (error) {
    return `it is not JSON (${(error as Error).message})`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "it does not hold a JSON object";
  if (isDeeper(value, MAX_DEPTH)) return `it is nested more than ${MAX_DEPTH} levels deep`;
  return value as Record<string, unknown>;
}

/** Strings and numbers: what looks like a number within a string is none. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const FLOAT = "\0float";

/** `1.0` is a float in Python, and no number of JavaScript can tell: it is marked. */
function markedFloat(token: string): string {
  const isWholeFloat = !token.startsWith('"') && /[.eE]/.test(token) && Number.isSafeInteger(Number(token));
  return isWholeFloat ? `{${JSON.stringify(FLOAT)}:${Number(token)}}` : token;
}

function floatOf(value: unknown): PyFloat | undefined {
  const marked = asRecord(value)?.[FLOAT];
  return typeof marked === "number" ? new PyFloat(marked) : undefined;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
