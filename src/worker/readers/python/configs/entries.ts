import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { PyDict, PyList, type Value } from "../values/values";
import { type Data, DataDict, DataList } from "./data";

/** Python's values of a file's data. Its dictionaries say which file they are from when they are asked. */

type Entry = { key: Value; value: Value };

class FileEntries extends Map<string, Entry> {
  private readonly asked: () => void;

  constructor(ev: Evaluator, file: string) {
    super();
    this.asked = () => ev.provenance.touch(file);
  }

  override get(key: string): Entry | undefined {
    this.asked?.();
    return super.get(key);
  }

  override values(): MapIterator<Entry> {
    this.asked?.();
    return super.values();
  }

  override entries(): MapIterator<[string, Entry]> {
    this.asked?.();
    return super.entries();
  }

  override [Symbol.iterator](): MapIterator<[string, Entry]> {
    return this.entries();
  }
}

/** Plain dicts and lists. What an alias repeats is one object, as in Python. */
export function valueOfData(ev: Evaluator, data: Data, done = new Map<Data, Value>()): Value {
  const known = done.get(data);
  if (known !== undefined) return known;
  if (data instanceof DataList) {
    const list = new PyList([]);
    done.set(data, list);
    ev.allot(data.items.length, "a list");
    for (const item of data.items) list.items.push(valueOfData(ev, item, done));
    return list;
  }
  if (data instanceof DataDict) {
    ev.step(1 + (data.entries.size >> 2));
    const entries = new FileEntries(ev, data.file);
    const dict = new PyDict(entries);
    done.set(data, dict);
    for (const [hash, { key, value }] of data.entries) entries.set(hash, { key, value: valueOfData(ev, value, done) });
    return dict;
  }
  return data instanceof Unknown && ev.place && !data.place ? new Unknown(data.reason, ev.place) : data;
}
