import type { SourcePlace } from "../../../graph/node";

/**
 * A value that could not be evaluated, and why. Every operation on it returns it, so it affects only what depends on
 * it.
 */
export class Unknown {
  constructor(
    /** Completes "unknown because ...": "the import of `config` was not followed". */
    readonly reason: string,
    readonly place?: SourcePlace,
  ) {}

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
