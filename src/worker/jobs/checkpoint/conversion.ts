import { runInNewContext } from "node:vm";
import { UserError } from "../../formats/errors";
import type { StoredTensor } from "../../formats/tensor";
import type { KeyConversion, KeyConversions } from "../../readers/keyConversion";
import { PatternError, pythonRegExp } from "../../text/pythonRegExp";
import { rearranged } from "./rearrangements";

/**
 * A checkpoint's tensors under the names of the model that they are for, as transformers 5 loads them
 * (`convert_and_load_state_dict_in_model` of its `core_model_loading.py`), and the way back.
 */

/** Several tensors of a checkpoint that make several of a model. */
export interface Rearranged {
  readonly keys: readonly string[];
  readonly paths: readonly string[];
  /** The checkpoint's tensors of `keys`, made of values of `paths`. */
  back(values: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor>;
}

/** Where in a checkpoint a model's tensor is: under a key, or a part of several. */
export type Origin = string | Rearranged;

export interface Converted {
  /** By path. */
  readonly values: ReadonlyMap<string, StoredTensor>;
  readonly origins: ReadonlyMap<string, Origin>;
  /** Keys that became no tensor of the model. */
  readonly unused: readonly string[];
}

/** Renaming the hundred thousand keys of the largest models takes about a second. */
const MATCH_MS = 20_000;

interface Compiled {
  readonly conversion: KeyConversion;
  readonly expression: RegExp;
  /** Number of each source's own first group. */
  readonly groups: readonly number[];
  /** Of a guarded renaming: its first source has been seen. */
  active: boolean;
}

/** `shapes`: of the model's state dict, by path. Throws a UserError where the tensors do not fit the conversions. */
export function convertCheckpoint(
  conversions: KeyConversions,
  tensors: ReadonlyMap<string, StoredTensor>,
  shapes: ReadonlyMap<string, readonly number[]>,
  limitMs = MATCH_MS,
): Converted {
  const named = withinTime(limitMs, () => renameAll(conversions, [...tensors.keys()], shapes));
  const values = new Map<string, StoredTensor>();
  const origins = new Map<string, Origin>();
  const unused: string[] = [];
  const gathered = new Map<string, Gathered>();
  for (const { key, path, between, conversion, source } of named) {
    if (!shapes.has(path)) unused.push(key);
    else if (!conversion) {
      if (values.has(path)) continue;
      values.set(path, tensors.get(key)!);
      origins.set(path, key);
    } else {
      const group = gathered.get(path) ?? { conversion, sources: new Map(), between: new Map() };
      gathered.set(path, group);
      group.sources.set(source!, [...(group.sources.get(source!) ?? []), key]);
      group.between.set(between, key);
    }
  }
  for (const [path, group] of gathered) {
    const sources = new Map(
      [...group.sources].map(([source, keys]) => [source, keys.map((key) => tensors.get(key)!)] as const),
    );
    const made = rearranged(group.conversion, sources, path, shapes.get(path));
    const origin = rearrangedOrigin(conversions, group, [...made.keys()], tensors);
    for (const [name, tensor] of made) {
      if (!shapes.has(name)) continue;
      values.set(name, tensor);
      origins.set(name, origin);
    }
  }
  return { values, origins, unused };
}

interface Gathered {
  readonly conversion: KeyConversion;
  /** Keys of the checkpoint by the source that they match, in their order. */
  readonly sources: Map<string, readonly string[]>;
  /** Keys of the checkpoint by the name that the conversion saw. */
  readonly between: Map<string, string>;
}

function rearrangedOrigin(
  { base }: KeyConversions,
  { conversion, between }: Gathered,
  paths: readonly string[],
  tensors: ReadonlyMap<string, StoredTensor>,
): Rearranged {
  const keys = [...between.values()];
  return {
    keys,
    paths,
    back: (values) => {
      const reverse = compile(conversion.reverse!);
      const sources = new Map<string, StoredTensor[]>();
      let first: string | undefined;
      for (const path of paths) {
        const { name, source } = renamed(path, reverse, base);
        first ??= name;
        if (source !== undefined) sources.set(source, [...(sources.get(source) ?? []), values.get(path)!]);
      }
      const expected = tensors.get(keys[0]!)?.shape;
      const made = rearranged(conversion.reverse!, sources, first!, expected);
      const result = new Map<string, StoredTensor>();
      for (const [name, key] of between) {
        const tensor = made.get(name);
        if (tensor === undefined) throw new UserError(`${key} cannot be converted back from the model's own tensors`);
        result.set(key, tensor);
      }
      return result;
    },
  };
}

interface Named {
  readonly key: string;
  /** Its name in the model, or that of the first tensor that it becomes a part of. */
  readonly path: string;
  /** Its name after all renamings and before the conversion. */
  readonly between: string;
  readonly conversion?: KeyConversion;
  readonly source?: string;
}

function renameAll(
  { base, load }: KeyConversions,
  keys: readonly string[],
  shapes: ReadonlyMap<string, unknown>,
): Named[] {
  const compiled = load.map(compile);
  const renamings = compiled.filter(({ conversion }) => conversion.kind !== "rearrange");
  const rearrangements = compiled.filter(({ conversion }) => conversion.kind === "rearrange");
  return inNaturalOrder(keys).map((key): Named => {
    let between = key;
    for (const each of renamings) between = renamed(between, each, base).name;
    let found: { readonly conversion: KeyConversion; readonly source: string } | undefined;
    let path = between;
    for (const each of rearrangements) {
      const { name, source } = renamed(between, each, base);
      if (source === undefined) continue;
      path = name;
      found = { conversion: each.conversion, source };
      break;
    }
    path = withBase(path, base, shapes);
    // A checkpoint that has the model's own names is loaded as it is.
    if (!shapes.has(path) && shapes.has(key)) {
      const own = withBase(key, base, shapes);
      return { key, path: own, between: own };
    }
    return { key, path, between, ...found };
  });
}

/** A model without a head takes the checkpoint of one with a head, and the other way round. */
function withBase(name: string, base: string, shapes: ReadonlyMap<string, unknown>): string {
  if (base === "") return name;
  const prefix = `${base}.`;
  if (name.startsWith(prefix) && shapes.has(name.slice(prefix.length))) return name.slice(prefix.length);
  return shapes.has(prefix + name) ? prefix + name : name;
}

function renamed(name: string, compiled: Compiled, base: string): { readonly name: string; readonly source?: string } {
  const { conversion, expression, groups } = compiled;
  const { scope, kind, sources, targets } = conversion;
  let prefix = "";
  if (scope !== undefined) {
    const [outer, inner] = [base === "" ? "" : `${base}.`, scope === "" ? "" : `${scope}.`];
    if (name.startsWith(outer + inner)) prefix = outer + inner;
    else if (name.startsWith(inner)) prefix = inner;
    else return { name };
  }
  const rest = name.slice(prefix.length);
  const match = expression.exec(rest);
  if (!match) return { name };
  const which = sources.findIndex((_, i) => match.groups?.[`g${i}`] !== undefined);
  if (kind === "guarded") {
    if (which === 0) compiled.active = true;
    else if (!compiled.active) return { name };
  }
  const target = targets[kind === "paired" || kind === "guarded" ? which : 0] ?? "";
  const replacement = target.replace(/\\(\d)/g, (_, n: string) => match[groups[which]! + Number(n)] ?? "");
  return { name: prefix + rest.replace(match[0], () => replacement), source: sources[which]! };
}

/** @throws UserError for a pattern that cannot be matched here. */
function compile(conversion: KeyConversion): Compiled {
  const { pattern, sources } = conversion;
  const groups = sources.map((_, i) => groupsBefore(pattern, pattern.indexOf(`(?P<g${i}>`)) + 1);
  try {
    const { source, flags, extraGroups } = pythonRegExp(pattern);
    if (extraGroups) throw new PatternError("groups that JavaScript counts differently", false);
    return { conversion, expression: new RegExp(source, flags), groups, active: false };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new UserError(
      `transformers renames keys by "${pattern.slice(0, 200)}", which cannot be matched here because of ${error.message}`,
    );
  }
}

/** How many groups of a pattern begin before a place. */
function groupsBefore(pattern: string, end: number): number {
  let count = 0;
  for (let i = 0; i < end; i++) {
    if (pattern[i] === "\\") i++;
    else if (pattern[i] === "(" && (pattern[i + 1] !== "?" || pattern.startsWith("(?P<", i))) count++;
  }
  return count;
}

/** Numbers among the parts of keys by size, before words, as transformers goes through them. */
function inNaturalOrder(keys: readonly string[]): string[] {
  const parts = new Map(keys.map((key) => [key, key.split(".").map(sortable)]));
  return [...keys].sort((a, b) => compareParts(parts.get(a)!, parts.get(b)!));
}

type Part = readonly [kind: number, text: string, number: number];

function sortable(part: string): Part {
  if (/^\d+$/.test(part)) return [0, "", Number(part)];
  const digits = /\d*$/.exec(part)![0];
  return [1, part.slice(0, part.length - digits.length), digits === "" ? -1 : Number(digits)];
}

function compareParts(a: readonly Part[], b: readonly Part[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!];
    const order = x[0] - y[0] || (x[1] < y[1] ? -1 : x[1] > y[1] ? 1 : 0) || x[2] - y[2];
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The patterns are of an installed package, and could be made to try for years. */
function withinTime<T>(limitMs: number, work: () => T): T {
  try {
    return runInNewContext("work()", { work }, { timeout: limitMs }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new UserError(
      `renaming the checkpoint's keys by the installed transformers' patterns takes longer than ${limitMs / 1000} s; its source may be damaged`,
    );
  }
}
