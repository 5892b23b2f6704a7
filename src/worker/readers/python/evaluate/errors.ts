import { basename } from "node:path";
import type { SourcePlace } from "../../../graph/node";
import type { Problem } from "../../model";
import { EvaluationError, PyError } from "../values/values";
import { LimitError } from "./scope";

/** Errors of evaluated code, in words and with places. */

export function pythonMessage(error: PyError): string {
  return error.message ? `${error.type}: ${error.message}` : error.type;
}

/** For a message about a place in another file. */
export function within({ file, line }: SourcePlace): string {
  return `(in ${basename(file)}, line ${line})`;
}

/** Errors that code raises, by `raise` or `assert`; others come of what it does. */
const deliberate = new WeakSet<Error>();

export function deliberately<E extends Error>(error: E): E {
  deliberate.add(error);
  return error;
}

export function isDeliberate(error: Error): boolean {
  return deliberate.has(error);
}

/** Whether the file is of an installed package. */
export function isInstalled(file: string | undefined): boolean {
  return /[\\/](site|dist)-packages[\\/]/.test(file ?? "");
}

/** Errors that came from code of installed packages. */
const fromPackages = new WeakSet<Error>();

export function moved(error: PyError | EvaluationError, place: SourcePlace, note: string): PyError | EvaluationError {
  const message = error.message ? `${error.message} ${note}` : note;
  const there =
    error instanceof PyError
      ? new PyError(error.type, message, place, error.value, error.lacking)
      : error instanceof LimitError
        ? new LimitError(message, place)
        : new EvaluationError(message, place);
  if (deliberate.has(error)) deliberate.add(there);
  if (isInstalled(error.place?.file)) fromPackages.add(there);
  return there;
}

/**
 * What we cannot evaluate is no mistake of the file's author, nor is a message about what is unknown. In a script's own
 * statements, an error from a package that it calls says at most that what it gives is not known.
 */
export function severityOf(error: PyError | EvaluationError, inScript: boolean): Problem["severity"] {
  if (inScript && fromPackages.has(error)) return error instanceof PyError ? "warning" : "information";
  const ours = error instanceof EvaluationError && !(error instanceof LimitError);
  return ours || error.message.includes("<unknown>") ? "warning" : "error";
}

export function placed(error: PyError | EvaluationError, place: SourcePlace | undefined): PyError | EvaluationError {
  if (error instanceof PyError) {
    const there = new PyError(error.type, error.message, place, error.value, error.lacking);
    return deliberate.has(error) ? deliberately(there) : there;
  }
  if (error instanceof LimitError) return new LimitError(error.message, place);
  return new EvaluationError(error.message, place);
}

/** What is no error of evaluation: the stack was too small, or the reader is wrong. */
export function unforeseen(error: unknown, place: SourcePlace | undefined): EvaluationError {
  if (error instanceof RangeError && /call stack/i.test(error.message))
    return new LimitError("calls and expressions are nested too deeply here", place);
  const message = error instanceof Error ? error.message : String(error);
  return new EvaluationError(`the reader failed here (a defect of LoRA Lens): ${message}`, place);
}
