import { basename } from "node:path";
import type { SourcePlace } from "../../../graph/node";
import type { Problem } from "../../model";
import { EvaluationError } from "../values/unknown";
import { PyError } from "../values/values";
import { Cancelled, LimitError } from "./scope";

/** Errors of evaluated code, in words and with places. */

export function pythonMessage(error: PyError): string {
  return error.message ? `${error.type}: ${error.message}` : error.type;
}

/** For a message about a place in another file. */
export function within({ file, line }: SourcePlace): string {
  return `(in ${basename(file)}, line ${line})`;
}

/** What code raises, by `raise` or `assert`. */
export function deliberately<E extends PyError | EvaluationError>(error: E): E {
  if (error instanceof PyError) error.deliberate = true;
  return error;
}

/** Whether the file is of an installed package. */
export function isInstalled(file: string | undefined): boolean {
  return /[\\/](site|dist)-packages[\\/]/.test(file ?? "");
}

export function moved(error: PyError | EvaluationError, place: SourcePlace, note: string): PyError | EvaluationError {
  const there = again(error, error.message ? `${error.message} ${note}` : note, place);
  there.fromPackage = isInstalled(error.place?.file);
  return there;
}

export function placed(error: PyError | EvaluationError, place: SourcePlace | undefined): PyError | EvaluationError {
  return again(error, error.message, place);
}

/** The same error with another message and place. */
function again(
  error: PyError | EvaluationError,
  message: string,
  place: SourcePlace | undefined,
): PyError | EvaluationError {
  if (error instanceof PyError) {
    const there = new PyError(error.type, message, place, error.value, error.lacking);
    there.deliberate = error.deliberate;
    there.ofUnknown = error.ofUnknown;
    return there;
  }
  if (error instanceof Cancelled) return new Cancelled(message, place);
  if (error instanceof LimitError) return new LimitError(message, place);
  return new EvaluationError(message, place);
}

/**
 * Code that the reader cannot evaluate is not the author's mistake, nor is a message about an unknown value. In a
 * script's own statements, an error from a called package only means that its result is not known.
 */
export function severityOf(error: PyError | EvaluationError, inScript: boolean): Problem["severity"] {
  if (inScript && error.fromPackage) return error instanceof PyError ? "warning" : "information";
  const ours = error instanceof PyError ? error.ofUnknown : !(error instanceof LimitError);
  return ours ? "warning" : "error";
}

/** Errors that are not errors of evaluation: the stack was too small, or the reader has a defect. */
export function unforeseen(error: unknown, place: SourcePlace | undefined): EvaluationError {
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return new LimitError("calls and expressions are nested too deeply here", place);
  const message = error instanceof Error ? error.message : String(error);
  return new EvaluationError(`the reader failed here (a defect of LoRA Lens): ${message}`, place);
}
