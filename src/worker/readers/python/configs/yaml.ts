import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
} from "yaml";
import { keyOf } from "../values/equality";
import { Unknown } from "../values/unknown";
import { PyFloat } from "../values/values";
import { type Data, DataDict, type DataEntry, DataList, type Dialect, isScalar as isPlain, Refused } from "./data";
import { plainScalar, taggedScalar } from "./scalars";

/** YAML as PyYAML and OmegaConf read it: `yaml` gives the syntax, and what scalars mean is ours. */

/** The longest that somebody writes by hand has some thousand lines. */
export const MAX_YAML = 512 * 1024;
const MAX_DEPTH = 64;
/** With what merges copy; aliases are shared, as in Python, and so cost nothing however often they are named. */
const MAX_NODES = 100_000;

export function parseYaml(text: string, file: string, dialect: Dialect): Data | Refused {
  if (isDeep(text)) return new Refused("it is nested too deeply");
  const lines = new LineCounter();
  try {
    const documents = parseAllDocuments(text, {
      schema: "failsafe",
      resolveKnownTags: false,
      version: "1.1",
      uniqueKeys: false,
      strict: true,
      stringKeys: false,
      logLevel: "silent",
      prettyErrors: false,
      lineCounter: lines,
    });
    if (!Array.isArray(documents) || documents.length === 0) return null;
    const [document, ...more] = documents;
    if (more.length > 0) return new Refused("it holds several documents");
    const [error] = document!.errors;
    if (error) return new Refused(`it is not YAML (${error.message}, line ${lines.linePos(error.pos[0]).line})`);
    return new Reading(file, dialect, lines).data(document!.contents, 0);
  } catch (error) {
    if (error instanceof TooMuch) return new Refused(error.message);
    if (error instanceof RangeError) return new Refused("it is nested too deeply");
    throw error;
  }
}

/** Before it is parsed, which takes a time that grows with the square of the depth. */
const MAX_OPEN = 500;

function isDeep(text: string): boolean {
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5b || c === 0x7b) {
      if (++open > MAX_OPEN) return true;
    } else if ((c === 0x5d || c === 0x7d) && open > 0) open--;
  }
  // Sequences within sequences on one line: `- - - 1`.
  return /(?:[-?:][ \t]+){100}/.test(text);
}

class TooMuch extends Error {}

class Reading {
  private nodes = 0;
  private readonly anchors = new Map<string, Node>();
  private readonly made = new Map<Node, Data>();
  private readonly under = new Set<Node>();

  constructor(
    private readonly file: string,
    private readonly dialect: Dialect,
    private readonly lines: LineCounter,
  ) {}

  data(node: Node | null, depth: number): Data {
    if (node === null) return null;
    if (++this.nodes > MAX_NODES) throw new TooMuch(`it holds more than ${MAX_NODES.toLocaleString("en-US")} values`);
    if (depth > MAX_DEPTH) throw new TooMuch(`it is nested more than ${MAX_DEPTH} levels deep`);
    if (isAlias(node)) return this.aliased(node.source);
    if ("anchor" in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    const known = this.made.get(node);
    if (known !== undefined) return known;
    this.under.add(node);
    const data = this.make(node, depth);
    this.under.delete(node);
    this.made.set(node, data);
    return data;
  }

  /** What the anchor named last above. */
  private aliased(name: string): Data {
    const node = this.anchors.get(name);
    if (!node) throw new TooMuch(`*${name} refers to no anchor above it`);
    if (this.under.has(node)) return new Unknown(`*${name} refers to itself`);
    return this.made.get(node)!;
  }

  private make(node: Node, depth: number): Data {
    const { tag } = node;
    if (isScalar(node)) return this.scalar(node);
    if (isSeq(node)) {
      const list = new DataList(node.items.map((item) => this.data(item as Node | null, depth + 1)));
      if (tag === undefined || /:(seq|python\/(list|tuple))$/.test(tag)) return list;
      return new Unknown(`the tag ${tag} is not followed`);
    }
    if (isMap(node)) {
      const dict = this.dict(node.items as Pair<Node, Node | null>[], node, depth);
      if (tag === undefined || /:(map|python\/dict)$/.test(tag)) return dict;
    }
    return new Unknown(`the tag ${tag} is not followed`);
  }

  private scalar(node: Scalar): Data {
    const text = String(node.value ?? "");
    const { tag, type } = node;
    // A tag of "!" alone is text.
    if (tag !== undefined && tag !== "!")
      return taggedScalar(tag, text, this.dialect) ?? new Unknown(`the tag ${tag} is not followed`);
    return type === "PLAIN" && tag === undefined ? plainScalar(text, this.dialect) : text;
  }

  private dict(items: readonly Pair<Node, Node | null>[], node: Node, depth: number): DataDict {
    const own = new Map<string, DataEntry>();
    const merged: DataDict[] = [];
    for (const pair of items) {
      const isMerge = isScalar(pair.key) && pair.key.type === "PLAIN" && pair.key.value === "<<";
      const value = this.data(pair.value, depth + 1);
      if (isMerge) {
        merged.push(...mergedDicts(value));
        continue;
      }
      const key = this.data(pair.key, depth + 1);
      if (!isPlain(key)) throw new TooMuch("one of its keys is not a scalar");
      const hash = key instanceof Unknown ? `s${key.reason}` : keyOf(key instanceof PyFloat ? key : key);
      if (own.has(hash) && this.dialect === "omegaconf" && typeof key === "string")
        throw new TooMuch(`it has the key ${key} twice`);
      own.set(hash, { key, value });
    }
    const line = node.range ? this.lines.linePos(node.range[0]).line : 1;
    if (merged.length === 0) return new DataDict(own, this.file, line);
    // Of several merged ones the first that has a key gives it, and the dict's own go before all.
    const all = new Map<string, DataEntry>();
    for (const { entries } of merged.reverse()) {
      this.nodes += entries.size;
      if (this.nodes > MAX_NODES) throw new TooMuch("its merges (<<) are too large");
      for (const [hash, entry] of entries) all.set(hash, entry);
    }
    for (const [hash, entry] of own) all.set(hash, entry);
    return new DataDict(all, this.file, line);
  }
}

function mergedDicts(value: Data): DataDict[] {
  if (value instanceof DataDict) return [value];
  if (value instanceof DataList) return value.items.filter((item) => item instanceof DataDict);
  throw new TooMuch("the value merged by << is not a mapping");
}
