import { type Flags, PatternError, pythonRegExp } from "../../../text/pythonRegExp";
import { EvaluationError } from "./unknown";
import { PyError } from "./values";

/**
 * Python's patterns as JavaScript's. A pattern of an untrusted file must not be able to run for years: one that could
 * try the same characters in very many ways is refused.
 */

const MAX_PATTERN = 500;
/** With as many repetitions without a bound, none inside another, the tries are at most the text's length to this power. */
const MAX_REPETITIONS = 3;
/** Each may double the tries. */
const MAX_OPTIONAL = 8;
const MAX_TEXT = 500;

export function patternOf(pattern: string, given: Flags = {}): RegExp {
  if (pattern.length > MAX_PATTERN || !isTame(pattern))
    throw new EvaluationError(`the pattern ${pattern.slice(0, 80)} is not evaluated: matching it could take too long`);
  try {
    const { source, flags, extraGroups } = pythonRegExp(pattern, given);
    if (extraGroups) throw new PatternError("a possessive repetition or atomic group", false);
    return new RegExp(source, `dg${flags}`);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    if (error.invalid) throw new PyError("error", error.message);
    throw new EvaluationError(`the pattern ${pattern.slice(0, 80)} is not evaluated: ${error.message}`);
  }
}

export function textFor(text: string): string {
  if (text.length > MAX_TEXT)
    throw new EvaluationError(`a text of more than ${MAX_TEXT} characters is not searched for patterns`);
  return text;
}

/** Few repetitions, and none of a group that holds one or has alternatives; few optional parts. */
function isTame(pattern: string): boolean {
  const open: { repeats: boolean; chooses: boolean }[] = [];
  let closed: { repeats: boolean; chooses: boolean } | undefined;
  let repetitions = 0;
  let optional = 0;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    const group = closed;
    closed = undefined;
    if (character === "\\") i++;
    else if (character === "[") {
      for (i += pattern[i + 1] === "]" || pattern.startsWith("^]", i + 1) ? 2 : 1; i < pattern.length; i++) {
        if (pattern[i] === "\\") i++;
        else if (pattern[i] === "]") break;
      }
    } else if (character === "?" && !"(*+}".includes(pattern[i - 1] ?? "(")) {
      optional++;
      for (const each of open) each.chooses = true;
    } else if (character === "(") open.push({ repeats: false, chooses: false });
    else if (character === "|") for (const each of open) each.chooses = true;
    else if (character === ")") closed = open.pop();
    else if ("*+{".includes(character)) {
      repetitions++;
      for (const each of open) each.repeats = true;
      if (group && (group.repeats || group.chooses)) return false;
    }
  }
  return repetitions <= MAX_REPETITIONS && optional <= MAX_OPTIONAL;
}
