import {
  boundary,
  CATEGORIES,
  casesOf,
  categoryOf,
  ESCAPED,
  invalid,
  octalOf,
  quoted,
  unsupported,
} from "./pythonCharacters";
import { type Scope, StringSource } from "./pythonRegExpSource";

export { PatternError } from "./pythonCharacters";

/**
 * Python's regular expressions (`re` of 3.11, for str) as JavaScript's. The pattern is parsed as in Python and written
 * again for JavaScript, since the same spelling often means something else: `$`, `.`, `\w`, `\s`, `\b`, a `{,3}`, a `]`
 * that comes first. Features that JavaScript lacks are refused by name.
 */

export interface Flags {
  readonly ignoreCase?: boolean;
  readonly multiline?: boolean;
  readonly dotAll?: boolean;
  readonly ascii?: boolean;
  readonly verbose?: boolean;
}

export interface TranslatedPattern {
  /** For `new RegExp(source, flags)`; more flags may be added, but for m, s and v. */
  readonly source: string;
  readonly flags: string;
  /** It has more groups than Python's pattern, which stand for possessive repetitions and atomic groups. */
  readonly extraGroups: boolean;
}

/** Longer patterns are not names of layers, and deeper ones may exhaust the stack. */
const MAX_LENGTH = 20_000;
const MAX_DEPTH = 100;
/** Python's own bound is 2^32 - 1, JavaScript's is lower in some engines. */
const MAX_REPEAT = 2 ** 31 - 1;
/** A range of up to this many characters is expanded where case is ignored. */
const MAX_RANGE_IGNORING_CASE = 4096;

/** Throws a PatternError for a pattern that Python refuses, or that cannot be written in JavaScript. */
export function pythonRegExp(pattern: string, flags: Flags = {}): TranslatedPattern {
  if (pattern.length > MAX_LENGTH) throw unsupported(`a pattern of more than ${MAX_LENGTH} characters`);
  const parser = new Parser(pattern, { ...NO_FLAGS, ...flags });
  try {
    return parser.translate();
  } catch (error) {
    if (!(error instanceof Verbose)) throw error;
    return pythonRegExp(pattern, { ...flags, verbose: true });
  }
}

/** `(?x)` was found where blanks had been read as text. */
class Verbose extends Error {}

const NO_FLAGS: Required<Flags> = { ignoreCase: false, multiline: false, dotAll: false, ascii: false, verbose: false };
const FLAG_NAMES: Readonly<Record<string, keyof Flags | "unicode">> = {
  i: "ignoreCase",
  m: "multiline",
  s: "dotAll",
  x: "verbose",
  a: "ascii",
  u: "unicode",
};

/** A part of the pattern as JavaScript, with the least and the greatest number of characters it matches. */
interface Part {
  readonly js: string;
  readonly min: number;
  readonly max: number;
  /** It matches a position: Python repeats some of these, JavaScript none. */
  readonly position?: boolean;
  /** `^`, `$`, `\b` and the like, which Python does not repeat. */
  readonly anchor?: boolean;
  readonly repeat?: boolean;
}

interface Group {
  readonly name: string | undefined;
  width?: { readonly min: number; readonly max: number };
  /**
   * The group may not take part in a match: a reference to it then fails in Python, but matches the empty string in
   * JavaScript.
   */
  conditional: boolean;
}

/** Stand for a group's opening and for a reference until it is known how groups are numbered. */
const GROUP = /\0G(\d+)\0/g;
const REFERENCE = /\0R(\d+)\0/g;

const START = "(?<![^])";
const END = "(?![^])";
class Parser {
  private readonly source: StringSource;
  private readonly groups: Group[] = [];
  private readonly names = new Map<string, number>();
  private readonly open = new Set<number>();
  private atomics = 0;
  private depth = 0;
  private behind = 0;
  /** Whether all of the pattern ignores case, so that JavaScript's own flag will do. */
  private readonly wholly: boolean;

  constructor(
    pattern: string,
    private global: Required<Flags>,
  ) {
    this.source = new StringSource(pattern);
    // A scope of its own that turns case on or off has letters written out instead.
    this.wholly = !/\(\?(?=[a-zA-Z-]*i)[a-zA-Z-]+:/.test(pattern);
  }

  translate(): TranslatedPattern {
    const scope: Scope = { ...this.global };
    const { js } = this.alternatives(scope, false);
    if (!this.source.done) throw invalid("unbalanced parenthesis");
    const flag = this.byFlag(scope) ? "i" : "";
    return { source: this.numbered(js), flags: `u${flag}`, extraGroups: this.atomics > 0 };
  }

  /** Groups are numbered as in Python, unless there are more of them: then each has a name. */
  private numbered(js: string): string {
    const nameOf = (number: string) =>
      this.groups[Number(number) - 1]!.name ?? (this.atomics > 0 ? `group${number}_` : undefined);
    return js
      .replace(GROUP, (_, number: string) => (nameOf(number) === undefined ? "(" : `(?<${nameOf(number)}>`))
      .replace(REFERENCE, (_, number: string) =>
        nameOf(number) === undefined ? `(?:\\${number})` : `(?:\\k<${nameOf(number)}>)`,
      );
  }

  /** Case is ignored by JavaScript's flag; (?a) leaves it to ASCII letters, which that does not. */
  private byFlag(scope: Scope): boolean {
    return scope.ignoreCase && this.wholly && !scope.ascii;
  }

  private alternatives(scope: Scope, conditional: boolean): Part {
    if (++this.depth > MAX_DEPTH) throw unsupported(`groups more than ${MAX_DEPTH} deep`);
    const from = this.groups.length;
    const branches = [this.sequence(scope, this.depth === 1)];
    while (this.source.take("|")) {
      // Another branch has none of this one's groups.
      this.mark(from);
      branches.push(this.sequence(scope, false));
    }
    this.depth--;
    if (branches.length > 1 || conditional) this.mark(from);
    return {
      js: branches.map(({ js }) => js).join("|"),
      min: Math.min(...branches.map(({ min }) => min)),
      max: Math.max(...branches.map(({ max }) => max)),
    };
  }

  private mark(from: number): void {
    for (const group of this.groups.slice(from)) group.conditional = true;
  }

  private sequence(scope: Scope, first: boolean): Part {
    const parts: Part[] = [];
    let groupsBefore = this.groups.length;
    for (;;) {
      const at = this.source.peek();
      if (at === undefined || at === "|" || at === ")") break;
      this.source.next();
      if (scope.verbose && this.skipped(at)) continue;
      if (at === "*" || at === "+" || at === "?" || at === "{") {
        const bounds = this.bounds(at);
        if (bounds) {
          parts.push(this.repeated(parts.pop(), bounds, groupsBefore));
          continue;
        }
      }
      const before = this.groups.length;
      const part = this.atom(at, scope, first && parts.length === 0);
      if (!part) continue;
      parts.push(part);
      groupsBefore = before;
    }
    return {
      js: parts.map(({ js }) => js).join(""),
      min: parts.reduce((sum, { min }) => sum + min, 0),
      max: parts.reduce((sum, { max }) => sum + max, 0),
    };
  }

  /** Blanks and comments, where they do not count. */
  private skipped(at: string): boolean {
    if (/[ \t\n\r\v\f]/.test(at)) return true;
    if (at !== "#") return false;
    while (!this.source.done && this.source.next() !== "\n");
    return true;
  }

  /** How often; undefined for a brace that is text. */
  private bounds(at: string): { readonly min: number; readonly max: number } | undefined {
    if (at === "*") return { min: 0, max: Infinity };
    if (at === "+") return { min: 1, max: Infinity };
    if (at === "?") return { min: 0, max: 1 };
    const found = this.source.match(/(\d*)(,?)(\d*)\}/y);
    // "{}" is text, and so is a brace with anything but numbers in it.
    if (!found || found[0] === "}") return undefined;
    this.source.skip(found[0].length);
    const [, low, comma, high] = found;
    const min = low ? Number(low) : 0;
    const max = comma ? (high ? Number(high) : Infinity) : min;
    if (min > max) throw invalid("min repeat greater than max repeat");
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT))
      throw unsupported(`more than ${MAX_REPEAT} repeats`);
    return { min, max };
  }

  private repeated(part: Part | undefined, { min, max }: { min: number; max: number }, groupsBefore: number): Part {
    if (!part || part.anchor) throw invalid("nothing to repeat");
    if (part.repeat) throw invalid("multiple repeat");
    if (min === 0) this.mark(groupsBefore);
    const lazy = this.source.take("?");
    const possessive = !lazy && this.source.take("+");
    const count = max === Infinity ? (min === 0 ? "*" : min === 1 ? "+" : `{${min},}`) : `{${min},${max}}`;
    const js = `${part.position ? `(?:${part.js})` : part.js}${count}${lazy ? "?" : ""}`;
    const width = { min: part.min * min, max: part.max === 0 || max === 0 ? 0 : part.max * max };
    return { js: possessive ? this.atomic(js) : js, ...width, repeat: true };
  }

  /** JavaScript does not backtrack into a lookahead: it captures the match, and a reference then consumes it. */
  private atomic(js: string): string {
    if (this.behind > 0) throw unsupported("a possessive repetition or atomic group within a look-behind");
    const name = `atomic${++this.atomics}_`;
    return `(?:(?=(?<${name}>${js}))\\k<${name}>)`;
  }

  private atom(at: string, scope: Scope, first: boolean): Part | undefined {
    switch (at) {
      case ".":
        return one(scope.dotAll ? "[^]" : "[^\\n]");
      case "^":
        return anchor(scope.multiline ? "(?<![^\\n])" : START);
      case "$":
        return anchor(scope.multiline ? "(?![^\\n])" : `(?=\\n?${END})`);
      case "[":
        return this.set(scope);
      case "(":
        return this.group(scope, first);
      case "\\":
        return this.escape(scope);
      default:
        return one(this.literal(at, scope));
    }
  }

  private literal(character: string, scope: Scope): string {
    if (!scope.ignoreCase || this.byFlag(scope)) return quoted(character);
    const cases = casesOf(character, scope.ascii);
    return cases.length === 1 ? quoted(character) : `[${cases.map(quoted).join("")}]`;
  }

  private escape(scope: Scope): Part {
    const at = this.source.next();
    if (at === undefined) throw invalid("bad escape (end of pattern)");
    if (at === "A") return anchor(START);
    if (at === "Z" || at === "z") return anchor(END);
    if (at === "b" || at === "B") return anchor(boundary(at === "b", categoryOf("w", scope.ascii)));
    const category = CATEGORIES[at.toLowerCase()];
    if (category) return one(`[${at === at.toLowerCase() ? "" : "^"}${categoryOf(at.toLowerCase(), scope.ascii)}]`);
    if (/[1-9]/.test(at)) {
      const octal = this.source.match(/[0-7]{2}/y);
      if (octal && /[0-7]/.test(at)) {
        this.source.skip(2);
        return one(this.literal(octalOf(at + octal[0]), scope));
      }
      const second = this.source.match(/\d/y);
      if (second) this.source.skip(1);
      return this.reference(Number(at + (second?.[0] ?? "")), scope);
    }
    return one(this.literal(this.character(at), scope));
  }

  /** The character that an escape stands for, inside a set or out of it. */
  private character(at: string): string {
    if (Object.hasOwn(ESCAPED, at)) return ESCAPED[at]!;
    if (at === "0") {
      const more = this.source.match(/[0-7]{0,2}/y)![0];
      this.source.skip(more.length);
      return octalOf(`0${more}`);
    }
    const digits = { x: 2, u: 4, U: 8 }[at];
    if (digits !== undefined) {
      const found = this.source.match(new RegExp(`[0-9a-fA-F]{${digits}}`, "y"));
      if (!found) throw invalid(`incomplete escape \\${at}`);
      this.source.skip(digits);
      const code = Number.parseInt(found[0], 16);
      if (code > 0x10ffff) throw invalid(`bad escape \\${at}${found[0]}`);
      return String.fromCodePoint(code);
    }
    if (at === "N") throw unsupported("a character by its Unicode name, \\N{...}");
    if (/[a-zA-Z0-9]/.test(at)) throw invalid(`bad escape \\${at}`);
    return at;
  }

  private reference(number: number, scope: Scope): Part {
    const group = this.groups[number - 1];
    if (!group) throw invalid(`invalid group reference ${number}`);
    if (this.open.has(number)) throw invalid("cannot refer to an open group");
    if (group.conditional) throw unsupported(`a reference to the group ${number}, which may not take part in a match`);
    if (scope.ignoreCase && !this.byFlag(scope)) {
      throw unsupported(`a reference to the group ${number} in a part of the pattern that ignores case`);
    }
    return { js: `\0R${number}\0`, ...group.width! };
  }

  private set(scope: Scope): Part {
    const negated = this.source.take("^");
    /** Inside one pair of brackets. */
    const members: string[] = [];
    /** Sets of their own, which are complements. */
    const others: string[] = [];
    const add = (member: string | { category: string }): void => {
      if (typeof member === "string") members.push(...this.memberCases(member, member, scope));
      else if (member.category === member.category.toLowerCase())
        members.push(categoryOf(member.category, scope.ascii));
      else others.push(`[^${categoryOf(member.category.toLowerCase(), scope.ascii)}]`);
    };
    for (let first = true; ; first = false) {
      const at = this.source.next();
      if (at === undefined) throw invalid("unterminated character set");
      if (at === "]" && !first) break;
      const low = this.member(at);
      if (!this.source.take("-")) {
        add(low);
        continue;
      }
      const next = this.source.next();
      if (next === undefined) throw invalid("unterminated character set");
      if (next === "]") {
        add(low);
        add("-");
        break;
      }
      const high = this.member(next);
      if (typeof low !== "string" || typeof high !== "string" || low.codePointAt(0)! > high.codePointAt(0)!)
        throw invalid("bad character range");
      members.push(...this.memberCases(low, high, scope));
    }
    const inside = `[${members.join("")}]`;
    if (others.length === 0) return one(negated ? `[^${inside.slice(1)}` : inside);
    const all = [...(members.length > 0 ? [inside] : []), ...others].join("|");
    return one(negated ? `(?:(?!${all})[^])` : `(?:${all})`);
  }

  private member(at: string): string | { readonly category: string } {
    if (at !== "\\") return at;
    const escaped = this.source.next();
    if (escaped === undefined) throw invalid("bad escape (end of pattern)");
    if (Object.hasOwn(CATEGORIES, escaped.toLowerCase())) return { category: escaped };
    if (escaped === "b") return "\b";
    if (/[1-7]/.test(escaped)) {
      const more = this.source.match(/[0-7]{2}/y);
      if (!more) throw invalid(`bad escape \\${escaped}`);
      this.source.skip(2);
      return octalOf(escaped + more[0]);
    }
    return this.character(escaped);
  }

  /** From `low` to `high`, with the other cases of each where case does not count. */
  private memberCases(low: string, high: string, scope: Scope): string[] {
    const range = low === high ? quoted(low) : `${quoted(low)}-${quoted(high)}`;
    if (!scope.ignoreCase || this.byFlag(scope)) return [range];
    const [from, to] = [low.codePointAt(0)!, high.codePointAt(0)!];
    if (to - from > MAX_RANGE_IGNORING_CASE) throw unsupported(`a range of ${to - from} characters that ignores case`);
    const cases = new Set<string>();
    for (let code = from; code <= to; code++) {
      for (const each of casesOf(String.fromCodePoint(code), scope.ascii)) cases.add(each);
    }
    return [range, ...[...cases].map(quoted)];
  }

  private group(scope: Scope, first: boolean): Part | undefined {
    const { source } = this;
    if (!source.take("?")) return this.capture(scope, undefined);
    const kind = source.next();
    switch (kind) {
      case "P": {
        if (source.take("<")) return this.capture(scope, this.name(">"));
        if (source.take("=")) return this.named(this.name(")"), scope);
        throw invalid(`unknown extension ?P${source.next() ?? ""}`);
      }
      case ":":
        return this.inner(scope, (js) => `(?:${js})`);
      case ">":
        return this.inner(scope, (js) => this.atomic(js));
      case "#": {
        for (;;) {
          const at = source.next();
          if (at === undefined) throw invalid("missing ), unterminated comment");
          if (at === ")") return undefined;
        }
      }
      case "=":
      case "!":
        return { ...this.inner(scope, (js) => `(?${kind}${js})`, kind === "!"), min: 0, max: 0, position: true };
      case "<":
        return this.lookBehind(scope);
      case "(":
        throw unsupported("a conditional on a group, (?(...)yes|no)");
      default:
        return this.flags(kind, scope, first);
    }
  }

  private inner(scope: Scope, written: (js: string) => string, conditional = false): Part {
    const { js, min, max } = this.alternatives({ ...scope }, conditional);
    if (!this.source.take(")")) throw invalid("missing ), unterminated subpattern");
    return { js: written(js), min, max };
  }

  private lookBehind(scope: Scope): Part {
    const sign = this.source.next();
    if (sign !== "=" && sign !== "!") throw invalid(`unknown extension ?<${sign ?? ""}`);
    this.behind++;
    const part = this.inner(scope, (js) => `(?<${sign}${js})`, sign === "!");
    this.behind--;
    if (part.min !== part.max) throw invalid("look-behind requires fixed-width pattern");
    return { js: part.js, min: 0, max: 0, position: true };
  }

  private capture(scope: Scope, name: string | undefined): Part {
    const group: Group = { name, conditional: false };
    this.groups.push(group);
    const number = this.groups.length;
    if (name !== undefined) {
      if (this.names.has(name)) throw invalid(`redefinition of group name '${name}'`);
      this.names.set(name, number);
    }
    this.open.add(number);
    const part = this.inner(scope, (js) => js);
    this.open.delete(number);
    group.width = { min: part.min, max: part.max };
    return { ...part, js: `\0G${number}\0${part.js})` };
  }

  private named(name: string, scope: Scope): Part {
    const number = this.names.get(name);
    if (number === undefined) throw invalid(`unknown group name '${name}'`);
    return this.reference(number, scope);
  }

  private name(end: string): string {
    const found = this.source.match(end === ">" ? /([^>]*)>/y : /([^)]*)\)/y);
    if (!found) throw invalid(`missing ${end}, unterminated name`);
    this.source.skip(found[0].length);
    const name = found[1]!;
    if (name === "") throw invalid("missing group name");
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) throw invalid(`bad character in group name '${name}'`);
    return name;
  }

  /** `(?i)` for all of the pattern, at its start; `(?i-s:...)` for what follows in the group. */
  private flags(kind: string | undefined, scope: Scope, first: boolean): Part | undefined {
    let text = kind ?? "";
    const on = new Set<keyof Flags | "unicode">();
    const off = new Set<keyof Flags | "unicode">();
    let set = on;
    for (; ; text = this.source.next() ?? "") {
      if (text === "-" && set === on) set = off;
      else if (text === ")" || text === ":") break;
      else if (text === "L") throw invalid("cannot use 'L' flag with a str pattern");
      else if (!Object.hasOwn(FLAG_NAMES, text)) throw invalid(text === "" ? "missing -, : or )" : "unknown extension");
      else set.add(FLAG_NAMES[text]!);
    }
    if (on.has("ascii") && on.has("unicode")) throw invalid("flags 'a' and 'u' are incompatible");
    if (off.has("ascii") || off.has("unicode")) throw invalid("cannot turn off flags 'a' and 'u'");
    if (set === off && off.size === 0) throw invalid("missing flag");
    if ([...off].some((flag) => on.has(flag))) throw invalid("flag turned on and off");
    if (text === ":") {
      const changed = { ...scope };
      for (const flag of on) if (flag !== "unicode") changed[flag] = true;
      if (on.has("unicode")) changed.ascii = false;
      for (const flag of off) if (flag !== "unicode") changed[flag] = false;
      return this.inner(changed, (js) => `(?:${js})`);
    }
    if (set === off) throw invalid("missing :");
    if (!first) throw invalid("global flags not at the start of the expression");
    for (const flag of on) if (flag !== "unicode") scope[flag] = true;
    if (on.has("verbose") && !this.global.verbose) throw new Verbose();
    return undefined;
  }
}

const one = (js: string): Part => ({ js, min: 1, max: 1 });
const anchor = (js: string): Part => ({ js, min: 0, max: 0, anchor: true, position: true });
