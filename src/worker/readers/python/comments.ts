/**
 * The text with every comment blanked out, at the same length, so that places stay right. The grammar's scanner looks
 * past all comment lines that follow whenever it meets one, which takes quadratic time over a long run of them; 4,000
 * comment lines in a row took half a minute.
 */
export function blankComments(text: string): string {
  const parts: string[] = [];
  let kept = 0;
  // A comment, or what may hold a "#" that starts none: triple-quoted strings first, then strings of one line.
  // An unclosed string ends with its line, as the parser's recovery has it, or with the text.
  const token =
    /#[^\r\n]*|"""(?:[^\\]|\\[\s\S])*?(?:"""|$)|'''(?:[^\\]|\\[\s\S])*?(?:'''|$)|"(?:[^"\\\r\n]|\\[\s\S])*"?|'(?:[^'\\\r\n]|\\[\s\S])*'?/g;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    if (!match[0].startsWith("#")) continue;
    parts.push(text.slice(kept, match.index), " ".repeat(match[0].length));
    kept = match.index + match[0].length;
  }
  return kept === 0 ? text : parts.join("") + text.slice(kept);
}
