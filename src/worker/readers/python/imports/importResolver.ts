import type { Evaluator } from "../evaluate/evaluator";
import type { Scope } from "../evaluate/scope";
import type { PyNamespace } from "../values/values";

/** Why an import was not followed. */
export interface NotFollowed {
  /** Completes "the import was not followed: ..."; empty when there is nothing to say. */
  readonly why: string;
  /** It would fail in Python, too: there is no such module. */
  readonly absent: boolean;
  /** It was looked for, and is nowhere. */
  readonly unfound?: boolean;
}

/** Gives a module by its name as `importer` writes it, with the dots of a relative import. */
export type ImportResolver = (ev: Evaluator, name: string, importer: Scope) => PyNamespace | NotFollowed;
