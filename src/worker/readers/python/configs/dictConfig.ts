import { dictOf, keyOf } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { evaluatorOf, native, nativeOfUnknown } from "../values/native";
import { builtinClass, classOf, OBJECT } from "../values/types";
import { EvaluationError, Unknown } from "../values/unknown";
import { PyDict, PyError, PyList, type PyObject, PyTuple, type Runtime, type Value } from "../values/values";
import { type Data, DataDict, DataList } from "./data";
import { hasInterpolation, interpolated, type Nested } from "./interpolation";

/**
 * OmegaConf's dictionaries: entries are attributes, too, and `${model.width}` stands for another entry's value, found
 * when it is asked for. https://omegaconf.readthedocs.io
 */

/** Values of one configuration; an alias is a copy there. */
const MAX_VALUES = 100_000;

export interface RawEntry {
  readonly key: Value;
  /** As it was given: text may hold interpolations. */
  value: Value;
  /** The file that gives it. */
  readonly file: string | undefined;
}

type Entry = { key: Value; value: Value };

export class ConfigEntries extends Map<string, Entry> implements Nested {
  private readonly given = new Map<string, RawEntry>();
  following = 0;

  constructor(
    private readonly ev: Evaluator,
    /** Of the dictionary that this one is in. */
    public parent: ConfigEntries | undefined,
  ) {
    super();
  }

  get root(): ConfigEntries {
    return this.parent?.root ?? this;
  }

  override get size(): number {
    return this.given?.size ?? 0;
  }

  raw(): Iterable<readonly [string, RawEntry]> {
    return this.given;
  }

  rawAt(hash: string): RawEntry | undefined {
    return this.given.get(hash);
  }

  setRaw(hash: string, entry: RawEntry): void {
    this.given.set(hash, entry);
  }

  private entryOf(raw: RawEntry): Entry {
    if (raw.file !== undefined) this.ev.provenance.touch(raw.file);
    const entries = this;
    return {
      key: raw.key,
      get value() {
        return resolved(entries.ev, raw.value, entries, String(raw.key));
      },
      set value(value: Value) {
        raw.value = value;
      },
    };
  }

  override get(key: string): Entry | undefined {
    const raw = this.given.get(key);
    return raw && this.entryOf(raw);
  }

  override has(key: string): boolean {
    return this.given.has(key);
  }

  override set(hash: string, { key, value }: Entry): this {
    this.given.set(hash, { key, value: configOf(this.ev, value, this), file: undefined });
    return this;
  }

  override delete(key: string): boolean {
    return this.given.delete(key);
  }

  override clear(): void {
    this.given.clear();
  }

  override keys(): MapIterator<string> {
    return this.given.keys();
  }

  override *values(): MapIterator<Entry> {
    for (const raw of this.given.values()) yield this.entryOf(raw);
  }

  override *entries(): MapIterator<[string, Entry]> {
    for (const [hash, raw] of this.given) yield [hash, this.entryOf(raw)];
  }

  override [Symbol.iterator](): MapIterator<[string, Entry]> {
    return this.entries();
  }

  override forEach(body: (entry: Entry, key: string, map: Map<string, Entry>) => void): void {
    for (const [key, entry] of this.entries()) body(entry, key, this);
  }
}

function resolved(ev: Evaluator, value: Value, at: ConfigEntries, name: string): Value {
  if (typeof value === "string") {
    if (value === "???") return new Unknown(`${name} is missing in the configuration (???)`, ev.place);
    return hasInterpolation(value) ? interpolated(ev, value, at) : value;
  }
  if (!(value instanceof PyList) || !value.items.some((item) => typeof item === "string" && hasInterpolation(item)))
    return value;
  return listConfig(value.items.map((item) => resolved(ev, item, at, name)));
}

const construct = ([content = null]: readonly Value[], _: unknown, runtime: Runtime): Value =>
  content instanceof Unknown ? content : configOf(evaluatorOf(runtime), content ?? new PyDict());
export const DICT_CONFIG = builtinClass("DictConfig", [OBJECT], construct);
export const LIST_CONFIG = builtinClass("ListConfig", [OBJECT], construct);

export function newConfig(ev: Evaluator, parent: ConfigEntries | undefined): PyDict {
  const dict = new PyDict(new ConfigEntries(ev, parent));
  dict.subclass = { type: DICT_CONFIG, attributes: new Map() };
  return dict;
}

function listConfig(items: Value[]): PyList {
  const list = new PyList(items);
  list.subclass = { type: LIST_CONFIG, attributes: new Map() };
  return list;
}

export function entriesOf(value: Value | undefined): ConfigEntries | undefined {
  return value instanceof PyDict && value.entries instanceof ConfigEntries ? value.entries : undefined;
}

interface Counter {
  left: number;
}

const counter = (): Counter => ({ left: MAX_VALUES });

function count(ev: Evaluator, by: Counter): void {
  ev.step();
  if (by.left-- <= 0)
    throw new EvaluationError(
      `this configuration holds more than ${MAX_VALUES.toLocaleString("en-US")} values`,
      ev.place,
    );
}

/** A file's data as OmegaConf holds it. */
export function configOfData(ev: Evaluator, data: Data, parent?: ConfigEntries, left = counter()): Value {
  count(ev, left);
  if (data instanceof DataList) return listConfig(data.items.map((item) => configOfData(ev, item, parent, left)));
  if (!(data instanceof DataDict)) return data;
  const dict = newConfig(ev, parent);
  const entries = entriesOf(dict)!;
  for (const [hash, { key, value }] of data.entries)
    entries.setRaw(hash, { key, value: configOfData(ev, value, entries, left), file: data.file });
  return dict;
}

/** Dicts and lists that code makes, as OmegaConf.create takes them; other values as they are. */
export function configOf(ev: Evaluator, value: Value, parent?: ConfigEntries, left = counter()): Value {
  count(ev, left);
  if (value instanceof PyList || (value instanceof PyTuple && !value.fields))
    return listConfig(value.items.map((item) => configOf(ev, item, parent, left)));
  if (!(value instanceof PyDict)) return value;
  const own = entriesOf(value);
  const dict = newConfig(ev, parent);
  const entries = entriesOf(dict)!;
  const given: Iterable<RawEntry> = own
    ? [...own.raw()].map(([, entry]) => entry)
    : [...value.entries.values()].map(({ key, value: item }) => ({ key, value: item, file: undefined }));
  for (const { key, value: item, file } of given)
    entries.setRaw(keyOf(key), { key, value: configOf(ev, item, entries, left), file });
  return dict;
}

/** Gives `into` what `from` has; dictionaries in both are merged, and anything else is replaced. */
export function mergeInto(ev: Evaluator, into: PyDict, from: PyDict, left = counter()): void {
  const [target, source] = [entriesOf(into)!, entriesOf(from)];
  const given: Iterable<readonly [string, RawEntry]> = source
    ? source.raw()
    : [...from.entries].map(([hash, { key, value }]) => [hash, { key, value, file: undefined }] as const);
  for (const [hash, { key, value, file }] of [...given]) {
    count(ev, left);
    const before = target.rawAt(hash)?.value;
    if (before instanceof PyDict && entriesOf(before) && value instanceof PyDict) mergeInto(ev, before, value, left);
    // What is missing does not replace what is there.
    else if (value !== "???" || before === undefined)
      target.setRaw(hash, { key, value: configOf(ev, value, target, left), file });
  }
}

/** As plain dicts and lists. */
export function containerOf(ev: Evaluator, value: Value, resolve: boolean): Value {
  ev.step();
  if (value instanceof PyList) return new PyList(value.items.map((item) => containerOf(ev, item, resolve)));
  if (!(value instanceof PyDict)) return value;
  const own = entriesOf(value);
  if (own && !resolve) {
    return dictOf(
      [...own.raw()].map(([, { key, value: item, file }]): [Value, Value] => {
        if (file !== undefined) ev.provenance.touch(file);
        return [key, containerOf(ev, item, false)];
      }),
    );
  }
  return dictOf([...value.entries.values()].map(({ key, value: item }) => [key, containerOf(ev, item, resolve)]));
}

const selfOf = (self: Value | undefined): PyDict => {
  if (self instanceof PyDict && entriesOf(self)) return self;
  throw new PyError("TypeError", "this method is DictConfig's");
};

for (const method of [
  nativeOfUnknown("__getattr__", "self, name", ({ self, name }) => {
    const found = selfOf(self).entries.get(`s${String(name)}`);
    if (found) return found.value;
    throw new PyError("AttributeError", `Missing key ${String(name)}`);
  }),
  nativeOfUnknown("__setattr__", "self, name, value", ({ self, name, value }) => {
    selfOf(self).entries.set(`s${String(name)}`, { key: name!, value: value! });
    return null;
  }),
  nativeOfUnknown("copy", "self", ({ self }, ev) => configOf(ev, self!)),
  nativeOfUnknown("merge_with", "self, *others", ({ self, others }, ev) => {
    for (const other of (others as PyTuple).items) {
      if (other instanceof Unknown) return other;
      if (other instanceof PyDict) mergeInto(ev, selfOf(self), other);
    }
    return null;
  }),
]) {
  DICT_CONFIG.members.set(method.name, method);
}
LIST_CONFIG.members.set(
  "copy",
  native("copy", "self", ({ self }, ev) => configOf(ev, self!)),
);

/** A data class or its instance as a configuration of its fields; undefined for anything else. */
export function isConfig(value: Value): boolean {
  const type = classOf(value);
  return type === DICT_CONFIG || type === LIST_CONFIG;
}

/** Attributes of an object, as a configuration. */
export function configOfObject(ev: Evaluator, object: PyObject): PyDict {
  const dict = newConfig(ev, undefined);
  const entries = entriesOf(dict)!;
  for (const [key, value] of object.attributes)
    entries.setRaw(`s${key}`, { key, value: configOf(ev, value, entries), file: undefined });
  return dict;
}
