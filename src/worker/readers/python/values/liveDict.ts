import { keyOf } from "./equality";
import type { Unknown } from "./unknown";
import { PyDict, type Value } from "./values";

type Names = Map<string, Value | null>;
type Entry = { key: Value; value: Value };
type Accepts = (value: Value) => boolean;

/**
 * A dict over names that live elsewhere, such as an object's `__dict__`: a view, not a copy, so that a look into the
 * dict of a large object costs as little as the look. What is set or deleted in it is so there, where `accepts` allows.
 */
export function liveDict(names: Names, accepts: Accepts = () => true, open?: Open): PyDict {
  return new PyDict(new LiveEntries(names, accepts, open));
}

/** Of names that may be more than are known. */
interface Open {
  /** Something is stored under a name that is not known. */
  readonly opened: (why: Unknown) => void;
  /** Why a missing name may exist after all. */
  readonly missing: (name: string) => Unknown | undefined;
}

/** To be told where something is stored in a dict under keys that are not known. True where the dict makes that known. */
export function storedUnderUnknown({ entries }: PyDict, why: Unknown): boolean {
  if (!(entries instanceof LiveEntries) || !entries.open) return false;
  entries.open.opened(why);
  return true;
}

class LiveEntries extends Map<string, Entry> {
  constructor(
    private readonly names: Names,
    private readonly accepts: Accepts,
    readonly open: Open | undefined,
  ) {
    super();
  }

  override get size(): number {
    return this.names.size;
  }

  override get(key: string): Entry | undefined {
    const name = nameOf(key);
    if (name === undefined) return undefined;
    if (this.names.has(name)) return live(this.names, name, this.accepts);
    const why = this.open?.missing(name);
    return why && { key: name, value: why };
  }

  override has(key: string): boolean {
    const name = nameOf(key);
    return name !== undefined && this.names.has(name);
  }

  override set(_: string, { key, value }: Entry): this {
    if (this.accepts(value)) this.names.set(String(key), value);
    return this;
  }

  override delete(key: string): boolean {
    const name = nameOf(key);
    return name !== undefined && this.names.delete(name);
  }

  override clear(): void {
    this.names.clear();
  }

  override *keys(): MapIterator<string> {
    for (const name of this.names.keys()) yield keyOf(name);
  }

  override *values(): MapIterator<Entry> {
    for (const name of this.names.keys()) yield live(this.names, name, this.accepts);
  }

  override *entries(): MapIterator<[string, Entry]> {
    for (const name of this.names.keys()) yield [keyOf(name), live(this.names, name, this.accepts)];
  }

  override [Symbol.iterator](): MapIterator<[string, Entry]> {
    return this.entries();
  }

  override forEach(body: (entry: Entry, key: string, map: Map<string, Entry>) => void): void {
    for (const [key, entry] of this.entries()) body(entry, key, this);
  }
}

/** An entry whose value is the name's, also where it is copied, `{ ...entry }`; after a deletion, its last. */
function live(names: Names, key: string, accepts: Accepts): Entry {
  const last = names.get(key) ?? null;
  return {
    key,
    get value() {
      return names.has(key) ? (names.get(key) ?? null) : last;
    },
    set value(value: Value) {
      if (accepts(value)) names.set(key, value);
    },
  };
}

/** The name that a dictionary's key stands for: every name is a string. */
function nameOf(key: string): string | undefined {
  return key.startsWith("s") ? key.slice(1) : undefined;
}
