import { asRecord, type ConfigFile, configAt } from "../models/configuration/configFile";
import type { Param } from "../syntax/ast";
import type { Evaluator } from "../values/evaluator";
import { PyDict, PyList, type Value } from "../values/values";
import { DataDict, dictsIn, Refused } from "./data";
import { configOfData, containerOf } from "./dictConfig";
import { formatOf, readData, readText } from "./files";
import { argumentsOf } from "./hydraModule";

/** A configuration file that somebody chose for a file of models, and which of a constructor's parameters it gives. */

/** The chosen file, JSON or YAML; what is wrong with it when it cannot be used. */
export function chosenConfig(ev: Evaluator, file: string): ConfigFile | string | undefined {
  if (!/\.ya?ml$/i.test(file)) return configAt(file);
  const text = readText(ev, file);
  if (text instanceof Refused) return text.why === "it cannot be read" ? undefined : `${file} is not used: ${text.why}`;
  const dialect = text.includes("${") ? "omegaconf" : "pyyaml";
  const data = readData(ev, file, formatOf(file, dialect));
  if (data instanceof Refused) return `${file} is not used as the model's configuration: ${data.why}`;
  if (!(data instanceof DataDict))
    return `${file} is not used as the model's configuration: it does not hold a mapping`;
  const fields = plain(containerOf(ev, configOfData(ev, data), true)) as Record<string, unknown>;
  return { file, name: file.split(/[\\/]/).at(-1)!, fields };
}

/** Python's dicts as records; what a file's text becomes is no deeper than that is. */
function plain(value: Value): unknown {
  if (value instanceof PyList) return value.items.map(plain);
  if (!(value instanceof PyDict)) return value;
  return Object.fromEntries([...value.entries.values()].map(({ key, value: item }) => [String(key), plain(item)]));
}

/** By `_target_: ...NAME` in the chosen file: what it gives a class of the name. */
export function targetArguments(ev: Evaluator, { file }: ConfigFile, name: string): Map<string, Value> | undefined {
  const data = readData(ev, file, formatOf(file, "omegaconf"));
  if (data instanceof Refused) return undefined;
  for (const { dict } of dictsIn(data)) {
    const target = dict.get("_target_");
    if (typeof target !== "string" || target.split(".").at(-1) !== name) continue;
    const config = configOfData(ev, dict);
    return config instanceof PyDict ? argumentsOf(ev, config).kwargs : undefined;
  }
  return undefined;
}

export interface Given {
  /** Parameters that take the whole file, or the part of it. */
  readonly whole: ReadonlyMap<string, Fields>;
  /** Parameters that take a value of the file each, by their name. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Looked at of one file, whose entries may be the words of a language. */
const MAX_PARTS = 50;
const MAX_KEYS = 200;
const HOLDS_CONFIGURATION =
  /^(\w+_)?(config|cfg|configuration|conf|args|params|hparams|hps|options|opts|opt|settings|kwargs)$/;

type Fields = Record<string, unknown>;

/** The file's entries, and those of each part of it. */
export function partsOf(fields: Fields): readonly Fields[] {
  const below = Object.values(fields)
    .map(asRecord)
    .filter((part) => part !== undefined);
  return [fields, ...below.slice(0, MAX_PARTS)];
}

/** The part of which the code asks the name for most entries, of several the first. */
export function partRead(parts: readonly Fields[], name: string, text: string): Fields | undefined {
  const asked = (part: Fields) =>
    Object.keys(part)
      .slice(0, MAX_KEYS)
      .filter((key) => reads(text, name, key)).length;
  const counts = parts.map(asked);
  const most = Math.max(...counts);
  return most === 0 ? undefined : parts[counts.indexOf(most)];
}

/**
 * What the file gives the constructor's parameters: the one whose entries the code reads, `params.width` or
 * `params["width"]`, takes the file, and one called as an entry takes that. Undefined where a parameter that must be
 * given stays open.
 */
export function givenBy(params: readonly Param[], { fields }: ConfigFile, text: string): Given | undefined {
  const own = params.filter(({ kind }) => kind !== "star" && kind !== "doubleStar");
  const parts = partsOf(fields);
  const whole = new Map<string, Fields>();
  for (const { name, default: otherwise } of own) {
    const isOpen = otherwise === undefined || (otherwise.kind === "Constant" && otherwise.value === null);
    if (!isOpen) continue;
    const part = partRead(parts, name, text);
    if (part) whole.set(name, part);
  }
  const required = own.filter(({ default: otherwise }) => otherwise === undefined).map(({ name }) => name);
  const left = required.filter((name) => !whole.has(name));
  // What is handed on is read under another name.
  const [only] = left;
  if (whole.size === 0 && required.length === 1 && HOLDS_CONFIGURATION.test(only!) && !Object.hasOwn(fields, only!))
    return { whole: new Map([[only!, fields]]), values: new Map() };
  const named = parts.find((record) => left.every((name) => Object.hasOwn(record, name)));
  if (!named) return undefined;
  const values = own.flatMap(({ name }): [string, unknown][] =>
    !whole.has(name) && Object.hasOwn(named, name) ? [[name, named[name]]] : [],
  );
  return whole.size + values.length > 0 ? { whole, values: new Map(values) } : undefined;
}

function reads(text: string, name: string, key: string): boolean {
  if (!/^\w+$/.test(key)) return false;
  return new RegExp(`(?<![\\w.])(?:self\\.)?${name}(?:\\.${key}\\b|(?:\\.get\\(|\\[)["']${key}["'])`).test(text);
}
