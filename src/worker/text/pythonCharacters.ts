/** Characters of Python's regular expressions, written as JavaScript has them. */

/** `invalid`: Python rejects the pattern, too. */
export class PatternError extends Error {
  override readonly name = "PatternError";

  constructor(
    message: string,
    readonly invalid: boolean,
  ) {
    super(message);
  }
}

export const invalid = (why: string) => new PatternError(why, true);
export const unsupported = (what: string) => new PatternError(what, false);

/** str.isspace() */
const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const ASCII_SPACE = String.raw`\t-\r\x20`;
export const CATEGORIES: Readonly<Record<string, readonly [unicode: string, ascii: string]>> = {
  d: [String.raw`\p{Nd}`, "0-9"],
  // str.isalnum() and the underscore.
  w: [String.raw`\p{L}\p{N}_`, "a-zA-Z0-9_"],
  s: [SPACE, ASCII_SPACE],
};
export const ESCAPED: Readonly<Record<string, string>> = { a: "\x07", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

export function categoryOf(name: string, ascii: boolean): string {
  return CATEGORIES[name]![ascii ? 1 : 0];
}

/** JavaScript's own \b knows ASCII letters only. */
export function boundary(between: boolean, word: string): string {
  const [after, before] = [`(?<=[${word}])`, `(?=[${word}])`];
  const [notAfter, notBefore] = [`(?<![${word}])`, `(?![${word}])`];
  return between ? `(?:${after}${notBefore}|${notAfter}${before})` : `(?:${after}${before}|${notAfter}${notBefore})`;
}

export function octalOf(digits: string): string {
  const code = Number.parseInt(digits, 8);
  if (code > 0o377) throw invalid(`octal escape value \\${digits} outside of range 0-0o377`);
  return String.fromCodePoint(code);
}

/** A character as itself, inside brackets or out of them. */
export function quoted(character: string): string {
  return /^[a-zA-Z0-9_ ]$/.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/** Characters that are the same but for their case. */
export function casesOf(character: string, ascii: boolean): string[] {
  if (ascii) {
    return /^[a-zA-Z]$/.test(character) ? [character.toLowerCase(), character.toUpperCase()] : [character];
  }
  const same = new Set([character]);
  const candidates = [character.toLowerCase(), character.toUpperCase(), character.toUpperCase().toLowerCase()];
  for (const each of candidates) if ([...each].length === 1) same.add(each);
  // Two that have the lower case of another letter: the long s, and Kelvin's sign.
  if (same.has("s")) same.add("\u017f");
  if (same.has("k")) same.add("\u212a");
  return [...same];
}
