import { basename } from "node:path";
import type { SourcePlace } from "../../graph/node";
import { LimitError } from "./scope";
import { EvaluationError, PyError } from "./values";

/** Errors of evaluated code, in words and with places. */

export function pythonMessage(error: PyError): string {
  return error.message ? `${error.type}: ${error.message}` : error.type;
}

/** For a message about a place in another file. */
export function within({ file, line }: SourcePlace): string {
  return `(in ${basename(file)}, line ${line})`;
}

export function moved(error: PyError | EvaluationError, place: SourcePlace, note: string): PyError | EvaluationError {
  const message = error.message ? `${error.message} ${note}` : note;
  if (error instanceof PyError) return new PyError(error.type, message, place, error.value);
  return error instanceof LimitError ? new LimitError(message, place) : new EvaluationError(message, place);
}

export function placed(error: PyError | EvaluationError, place: SourcePlace | undefined): PyError | EvaluationError {
  if (error instanceof PyError) return new PyError(error.type, error.message, place, error.value);
  if (error instanceof LimitError) return new LimitError(error.message, place);
  return new EvaluationError(error.message, place);
}
