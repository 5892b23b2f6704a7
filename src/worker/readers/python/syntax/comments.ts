/** A stretch of a text that code does not consist of. */
interface NotCode {
  readonly start: number;
  readonly end: number;
  readonly comment: boolean;
}

/**
 * Comments and strings, in order. An unclosed string ends with its line, as the parser's recovery has it, or with the
 * text.
 */
function* notCode(text: string): Generator<NotCode> {
  // A comment, or what may hold a "#" that starts none: triple-quoted strings first, then strings of one line.
  const token =
    /#[^\r\n]*|"""(?:[^\\]|\\[\s\S])*?(?:"""|$)|'''(?:[^\\]|\\[\s\S])*?(?:'''|$)|"(?:[^"\\\r\n]|\\[\s\S])*"?|'(?:[^'\\\r\n]|\\[\s\S])*'?/g;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    yield { start: match.index, end: match.index + match[0].length, comment: match[0].startsWith("#") };
  }
}

/**
 * The text with every comment blanked out, at the same length, so that places stay right. The grammar's scanner looks
 * past all comment lines that follow whenever it meets one, which takes quadratic time over a long run of them; 4,000
 * comment lines in a row took half a minute.
 */
export function blankComments(text: string): string {
  return blanked(text, ({ comment }) => comment);
}

/** The text with its strings blanked out as well, but for their line breaks: what looks like code is code. */
export function codeAlone(text: string): string {
  return blanked(text, () => true);
}

function blanked(text: string, isBlank: (part: NotCode) => boolean): string {
  const parts: string[] = [];
  let kept = 0;
  for (const part of notCode(text)) {
    if (!isBlank(part)) continue;
    const { start, end } = part;
    parts.push(text.slice(kept, start), text.slice(start, end).replace(/[^\r\n]/g, " "));
    kept = end;
  }
  return kept === 0 ? text : parts.join("") + text.slice(kept);
}

/** Where the comments stand in the text. */
export function commentsIn(text: string): { readonly start: number; readonly end: number }[] {
  return [...notCode(text)].filter(({ comment }) => comment);
}
