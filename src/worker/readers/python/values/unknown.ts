import type { SourcePlace } from "../../../graph/node";
import { Distinct } from "./identity";

/**
 * A value that could not be evaluated, and why. Every operation on it returns it, so it affects only what depends on
 * it.
 */
export class Unknown extends Distinct {
  constructor(
    /** Completes "unknown because ...": "the import of `config` was not followed". */
    readonly reason: string,
    readonly place?: SourcePlace,
  ) {
    super();
  }

  /** The result of an operation on it: unknown for the same reason. */
  derived(): Unknown {
    return this;
  }
}

/** Of an import that was not followed. */
export class Unimported extends Unknown {}

/** For a module that was not found. */
export class Unfound extends Unimported {
  constructor(
    reason: string,
    place: SourcePlace | undefined,
    /** Empty when it is not known which packages are installed. */
    readonly why: string,
  ) {
    super(reason, place);
  }
}

/** The evaluator cannot go on here: unsupported syntax, a limit reached, an unknown value where one is needed. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
  /** It came from code of an installed package. */
  fromPackage = false;
  constructor(
    message: string,
    readonly place?: SourcePlace,
  ) {
    super(message);
  }
}
