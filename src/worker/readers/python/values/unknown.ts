import type { SourcePlace } from "../../../graph/node";
import { Distinct } from "./identity";

/**
 * A value that could not be evaluated, and why. Every operation on it gives it back, so that it affects only what
 * depends on it.
 */
export class Unknown extends Distinct {
  constructor(
    /** Completes "unknown because ...": "the import of `config` was not followed". */
    readonly reason: string,
    readonly place?: SourcePlace,
  ) {
    super();
  }

  /** What an operation on it gives: unknown for the same reason. */
  derived(): Unknown {
    return this;
  }
}

/** Of an import that was not followed. */
export class Unimported extends Unknown {}

/** Of a module that was looked for and is nowhere. */
export class Unfound extends Unimported {
  constructor(
    reason: string,
    place: SourcePlace | undefined,
    /** Empty where nobody knows what is installed. */
    readonly why: string,
  ) {
    super(reason, place);
  }
}
