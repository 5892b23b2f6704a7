import { UserError } from "../../formats/errors";

/** JSON with the places of its layers. `JSON.parse` tells no offsets, and a lens has to stand at a line. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface PlacedJson {
  readonly value: Json;
  /** Offset in the text of each object's `"class_name"` key. */
  readonly classNames: ReadonlyMap<object, number>;
}

/** A real topology is a few megabytes at most: its weights lie elsewhere. */
const MAX_LENGTH = 32 * 1024 * 1024;
/** Nested models nest a few dozen levels; the parser is recursive. */
const MAX_DEPTH = 400;

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Parses RFC 8259 JSON. Throws a UserError with the line of the mistake, or when the text exceeds the limits. */
export function parsePlacedJson(file: string, text: string): PlacedJson {
  if (text.length > MAX_LENGTH) {
    throw new UserError(`${file} has ${text.length} characters, more than the ${MAX_LENGTH} a model's JSON may have`, {
      file,
    });
  }
  return new Parser(file, text).parse();
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\[\s\S])*"/y;
/** Not JSON, but Python's json module writes them. */
const WORDS = new Map<string, Json>([
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

class Parser {
  private at = 0;
  private readonly classNames = new Map<object, number>();

  constructor(
    private readonly file: string,
    private readonly text: string,
  ) {
    if (text.charCodeAt(0) === 0xfeff) this.at = 1;
  }

  parse(): PlacedJson {
    const value = this.value(0);
    this.skip();
    if (this.at < this.text.length) throw this.mistake("more text after its end");
    return { value, classNames: this.classNames };
  }

  private value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.mistake(`values nested more than ${MAX_DEPTH} deep`);
    this.skip();
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      default:
        return this.word();
    }
  }

  private object(depth: number): JsonObject {
    this.at++;
    // No prototype: a key named "__proto__" is a key like any other.
    const object: Record<string, Json> = Object.create(null);
    this.skip();
    if (this.take("}")) return object;
    do {
      this.skip();
      const start = this.at;
      if (this.text[start] !== '"') throw this.mistake("a key in quotes is missing");
      const key = this.string();
      this.skip();
      if (!this.take(":")) throw this.mistake(`":" is missing after "${key.slice(0, 40)}"`);
      object[key] = this.value(depth + 1);
      if (key === "class_name") this.classNames.set(object, start);
      this.skip();
    } while (this.take(","));
    if (!this.take("}")) throw this.mistake('"," or "}" is missing');
    return object;
  }

  private array(depth: number): Json[] {
    this.at++;
    const array: Json[] = [];
    this.skip();
    if (this.take("]")) return array;
    do {
      array.push(this.value(depth + 1));
      this.skip();
    } while (this.take(","));
    if (!this.take("]")) throw this.mistake('"," or "]" is missing');
    return array;
  }

  private string(): string {
    const raw = this.match(STRING);
    if (raw === undefined) throw this.mistake("a string does not end");
    try {
      return JSON.parse(raw) as string;
    } catch {
      throw this.mistake("a string has characters that JSON does not allow");
    }
  }

  private word(): Json {
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    const number = this.match(NUMBER);
    if (!number) throw this.mistake("a value is missing");
    return Number(number);
  }

  private skip(): void {
    this.match(SPACE);
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private mistake(what: string): UserError {
    const line = this.text.slice(0, this.at).split("\n").length;
    return new UserError(`${this.file} is not valid JSON: ${what} (line ${line})`, { file: this.file, line });
  }
}
