import { Unknown } from "../values/unknown";
import type { PyFloat, Value } from "../values/values";

/**
 * What a configuration file holds, as read: never changed, so that it is kept from one reading to the next. A reading
 * makes Python's values of it, which code may change.
 */

export type Scalar = null | boolean | number | string | PyFloat | Unknown;
export type Data = Scalar | DataList | DataDict;

export class DataList {
  constructor(readonly items: readonly Data[]) {}
}

export interface DataEntry {
  readonly key: Scalar;
  readonly value: Data;
}

export class DataDict {
  constructor(
    /** By Python's equality of keys: see `keyOf`. */
    readonly entries: ReadonlyMap<string, DataEntry>,
    /** Where it begins. */
    readonly file: string,
    readonly line: number,
  ) {}

  /** The value of a key that is text. */
  get(name: string): Data | undefined {
    return this.entries.get(`s${name}`)?.value;
  }

  /** With other entries, at the same place. */
  with(entries: ReadonlyMap<string, DataEntry>): DataDict {
    return new DataDict(entries, this.file, this.line);
  }
}

/** Whose types a YAML file's plain scalars have: OmegaConf reads floats as YAML 1.2 does, and no dates. */
export type Dialect = "pyyaml" | "omegaconf";

/** Why a file gives no data; completes "FILE is not used: ...". */
export class Refused {
  constructor(readonly why: string) {}
}

/** Each dictionary in the data, outer ones first, with its path. What an alias repeats comes once. */
export function* dictsIn(data: Data, path = "", seen = new Set<Data>()): Generator<{ dict: DataDict; path: string }> {
  if (!(data instanceof DataDict || data instanceof DataList) || seen.has(data)) return;
  seen.add(data);
  const below = (name: string): string => (path === "" ? name : `${path}.${name}`);
  if (data instanceof DataDict) {
    yield { dict: data, path };
    for (const { key, value } of data.entries.values()) yield* dictsIn(value, below(String(key)), seen);
  } else for (const [i, item] of data.items.entries()) yield* dictsIn(item, below(String(i)), seen);
}

/** Whether both hold the same; of different sizes of the walk, what is deeper than this counts as different. */
const MAX_COMPARED = 10_000;

export function sameData(a: Data, b: Data, counter = { left: MAX_COMPARED }): boolean {
  if (a === b) return true;
  if (counter.left-- <= 0) return false;
  if (a instanceof DataList && b instanceof DataList)
    return a.items.length === b.items.length && a.items.every((item, i) => sameData(item, b.items[i]!, counter));
  if (a instanceof DataDict && b instanceof DataDict) {
    if (a.entries.size !== b.entries.size) return false;
    return [...a.entries].every(([key, entry]) => {
      const other = b.entries.get(key);
      return other !== undefined && sameData(entry.value, other.value, counter);
    });
  }
  if (a instanceof Unknown || b instanceof Unknown || a === null || b === null) return false;
  return typeof a === "object" && typeof b === "object" && "value" in a && "value" in b && a.value === b.value;
}

export const isScalar = (data: Data): data is Scalar & Value => !(data instanceof DataList || data instanceof DataDict);
