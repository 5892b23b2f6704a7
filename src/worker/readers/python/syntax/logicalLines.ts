/** Python's logical lines, found without parsing: line breaks in strings and open brackets do not end them. */

const DEFINITION = /(?:class|def|async[ \t]+def)\b/y;

/**
 * Offsets at which the pieces of `text` begin, the first being 0: a definition at the top level with its decorators, or
 * the code between two of them. What a piece means does not depend on the others, and what is left open in one, such as
 * a bracket, does not reach into the next.
 */
export function pieceStarts(text: string): number[] {
  const starts = [0];
  const begin = (at: number) => {
    if (at > 0) starts.push(at);
  };
  let depth = 0;
  /** The piece is a definition, or its decorators so far. */
  let inDefinition = false;
  let decorated = false;
  for (let at = 0; at < text.length; ) {
    const first = text.charCodeAt(at);
    DEFINITION.lastIndex = at;
    if (isCode(first)) {
      // No expression holds these words: whatever bracket is open was never closed.
      if ((first === 99 || first === 100 || first === 97) && DEFINITION.test(text)) {
        if (!decorated) begin(at);
        [depth, inDefinition, decorated] = [0, true, false];
      } else if (depth === 0) {
        const isDecorator = first === 64;
        if (isDecorator ? !decorated : inDefinition && !decorated) begin(at);
        inDefinition = isDecorator;
        decorated = isDecorator;
      }
    }
    [at, depth] = endOfLine(text, at, depth);
  }
  return starts;
}

/** A line that begins with it is a statement at the top level, not blank, indented or a comment. */
function isCode(first: number): boolean {
  return first > 32 && first !== 35;
}

/** Behind the line break after `from` that stands in no string, and the depth of open brackets there. */
export function endOfLine(text: string, from: number, depthBefore: number): [at: number, depth: number] {
  let depth = depthBefore;
  for (let at = from; at < text.length; ) {
    const c = text.charCodeAt(at);
    if (c === 10) return [at + 1, depth];
    if (c === 35) at = lineEnd(text, at);
    else if (c === 34 || c === 39) at = stringEnd(text, at, c);
    else if (c === 92) at += 2;
    else {
      if (c === 40 || c === 91 || c === 123) depth++;
      else if (c === 41 || c === 93 || c === 125) depth = Math.max(0, depth - 1);
      at++;
    }
  }
  return [text.length, depth];
}

/** Behind the line break that ends the logical line which begins at `from`. */
export function endOfLogicalLine(text: string, from: number): number {
  let [at, depth] = endOfLine(text, from, 0);
  while (depth > 0 && at < text.length) [at, depth] = endOfLine(text, at, depth);
  return at;
}

/** Behind the colon that ends the header of a definition or block; undefined when its line has none. */
export function endOfHeader(text: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < text.length; ) {
    const c = text.charCodeAt(at);
    if (depth === 0 && c === 58) return at + 1;
    if (depth === 0 && c === 10) return undefined;
    if (c === 35) at = lineEnd(text, at);
    else if (c === 34 || c === 39) at = stringEnd(text, at, c);
    else if (c === 92) at += 2;
    else {
      if (c === 40 || c === 91 || c === 123) depth++;
      else if (c === 41 || c === 93 || c === 125) depth--;
      at++;
    }
  }
  return undefined;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

/** Behind the string that begins at `start`. One that is not closed ends with its line, or with the text. */
function stringEnd(text: string, start: number, quote: number): number {
  const isTriple = text.charCodeAt(start + 1) === quote && text.charCodeAt(start + 2) === quote;
  for (let at = isTriple ? start + 3 : start + 1; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 92) at++;
    else if (c === 10 && !isTriple) return at;
    else if (c !== quote) continue;
    else if (!isTriple) return at + 1;
    else if (text.charCodeAt(at + 1) === quote && text.charCodeAt(at + 2) === quote) return at + 3;
  }
  return text.length;
}

/** Of the line that begins at `at`: its indentation in columns, and where its first character stands. */
export function indentation(text: string, at: number): [columns: number, first: number] {
  let columns = 0;
  let first = at;
  for (; first < text.length; first++) {
    const c = text.charCodeAt(first);
    if (c === 32) columns++;
    else if (c === 9) columns += 8 - (columns % 8);
    else if (c !== 12) break;
  }
  return [columns, first];
}
