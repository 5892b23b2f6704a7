import type { SourcePlace } from "../../../graph/node";
import type { Problem, ReadLimits } from "../../model";
import type { Provenance } from "../configs/provenance";
import type { Guard } from "../evaluate/guard";
import type { Patches } from "../evaluate/patches";
import type { Recorder } from "../evaluate/recorder";
import type { Reports } from "../evaluate/reports";
import type { DefinedClass, LimitError, Scope } from "../evaluate/scope";
import type { CallExpr, Span, Stmt } from "../syntax/ast";
import type { Source } from "../syntax/source";
import type { ReadingSession } from "./session";
import type { EvaluationError } from "./unknown";
import type {
  Given,
  PyClass,
  PyError,
  PyFunction,
  PyNamespace,
  PyNative,
  PyObject,
  Runtime,
  Storage,
  Value,
} from "./values";

/**
 * Evaluates Python without running it: no I/O, a step limit, a depth limit. It is the state of one reading and the
 * operations that values ask for. Everything that takes part in evaluating sees this interface; one class implements it
 * (`evaluate/evaluator.ts`).
 */
export interface Evaluator extends Runtime {
  readonly session: ReadingSession;
  tracing: boolean;
  /** Set while a trace is watched for shapes. */
  recorder: Recorder | undefined;
  /** Set in code that runs only where a condition holds that depends on data. */
  guard: Guard | undefined;
  /** Set in a trace: what storages held before it, to be put back so that the next trace starts from the same values. */
  journal: Map<Storage, Pick<Storage, "node" | "unknown">> | undefined;
  /** The names of the file that is read. */
  readonly globals: Scope;
  /** Python's own names. */
  readonly builtins: Scope;
  /** The file that is read. */
  readonly main: Source;
  readonly limits: ReadLimits;
  /** The text being evaluated: of the file that is read, or of a module it imports. */
  readonly source: Source;
  /** Where evaluation left the file that is read for a module it imports. */
  readonly departure: SourcePlace | undefined;
  /** The expression being evaluated. */
  span: Span | undefined;
  readonly reports: Reports;
  readonly problems: readonly Problem[];
  readonly patches: Patches;
  /** Modules that stand for others like them. */
  readonly alike: Alike;
  /** Constructor calls of the file's own module classes, and of those `watched`, whose arguments were all known. */
  readonly constructed: Map<PyClass, Constructed>;
  /** Such calls of which less is known, and those of subclasses' constructors. */
  readonly noted: Map<PyClass, Noted>;
  /** Classes whose constructor calls are of interest wherever they stand. */
  readonly watched: Set<PyClass>;
  /** Code that may give its module any name, which has been evaluated: what it gave is known. */
  readonly followed: WeakSet<Opener>;
  /** Where `requires_grad = False` was assigned to a module, which has none. */
  readonly freezesNothing: Map<PyObject, SourcePlace>;
  /** Files that were read besides modules: configurations that the code names. */
  readonly consulted: Set<string>;
  /** Which of them values come from. */
  readonly provenance: Provenance;
  /** Classes of the file, in source order. */
  readonly classes: DefinedClass[];
  /** Modules under construction. At the top level, calling a finished model is left to `trace`. */
  constructing: number;
  /** The call under way. */
  readonly frame: Scope | undefined;
  /** How deeply calls and expressions are nested. */
  nesting: number;
  /** Modules that were made in this budget of steps: how far a construction came. */
  modulesMade: number;
  /** Loops around this code of which nobody knows beforehand how often they turn. */
  endless: number;
  /** Statements around this one that handle an import's failure. */
  importErrors: number;
  readonly stepsTaken: number;
  /** Whether the code being evaluated stands in the file that is read. */
  readonly inMain: boolean;

  /** `exec(...)`. */
  execute(scope: Scope, call: CallExpr, args: readonly Value[]): Value;
  resolveImport(name: string, importer?: Scope): PyNamespace | NotFollowed;
  /**
   * Runs code at the top of an imported module, apart from whatever asked for it. Its problems are not this file's; what
   * it could not do is the reason of the value it gives.
   */
  aside(scope: Scope, steps: number, body: () => Value): Value;
  /** Runs `body` with a budget of steps of its own. */
  within<T>(steps: number, body: () => T): T;
  /** Counts work; throws when there has been too much of it, or when the reading was cancelled. */
  step(count?: number): void;
  /** Refuses a list or string that is too long before it is made. */
  allot(items: number, what: string): void;
  problem(message: string, severity?: Problem["severity"], place?: SourcePlace): void;
  /**
   * Reports a problem that holds regardless of how the code was reached: also in code that is evaluated in a trial or
   * for another file, whose other problems are dropped.
   */
  certainly(message: string, severity?: Problem["severity"], place?: SourcePlace): void;
  /**
   * Evaluates for the reader's own questions that the file does not ask, such as what a call would make. Problems are
   * not reported for the file, errors end here, and the counters are restored.
   * @param steps A budget of its own; without one, the steps count where they are made.
   */
  attempt<T>(body: () => T, steps?: number): Attempt<T>;
  /** As Reports does it. */
  collect(body: () => void): Problem[];
  /**
   * Reports an error of evaluated code as a problem at its line. Anything but an error of evaluation is ours and is
   * reported as that, so that one defect does not hide the rest of the file.
   */
  reportError(error: unknown, inScript?: boolean): string;
  /** Any thrown value as one of the evaluator's two errors, with a place. */
  understood(error: unknown): PyError | EvaluationError;
  callFunction(fn: PyFunction, args: readonly Value[], kwargs?: ReadonlyMap<string, Value>): Value;
  /** Runs code of a call: its whole body, or a generator's up to its next yield. */
  inFrame<T>(scope: Scope, body: () => T): T;
  callNative(
    native: PyNative,
    args: readonly Value[],
    kwargs?: ReadonlyMap<string, Value>,
    /** In messages; the function's own name when left out. */
    name?: string,
  ): Value;
  /** The attribute, or undefined when there is none. */
  tryAttribute(object: Value, name: string): Value | undefined;
  setAttribute(object: Value, name: string, value: Value): void;
  deleteAttribute(object: Value, name: string): void;
  /** An instance without its `__init__`: what `object.__new__` gives; of a metaclass, a new class. */
  allocate(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value;
  /** `type(...)` as `type.__call__` does it, past a `__call__` of the metaclass. */
  instantiate(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value;
  isModuleType(type: PyClass): boolean;
  /** type(value). */
  typeOf(value: Value): Value;
  /** A method of a builtin type taken from the type: `str.lower`. */
  builtinTypeMethod(type: PyClass, name: string): Value | undefined;
  length(value: Value): Value;
  /** A method a class defines for an operator, `__len__`, `__add__`, ...; undefined when it has none. */
  special(value: Value, name: string): Value | undefined;
  tooDeep(): LimitError;
  /** Puts the counters back after an error has unwound the stack to where they were read. */
  mark(): () => void;
}

/** The result of `attempt`. */
export interface Attempt<T> {
  /** Undefined where an error ended it. */
  readonly value: T | undefined;
  /** What ended it, a limit too. */
  readonly error: PyError | EvaluationError | undefined;
  /** What was found wrong on the way. */
  readonly problems: readonly Problem[];
}

/** Observes evaluation for modules that are copied from others: `evaluate/repeated/alike.ts`. */
export interface Alike {
  /** The module that `type(*args, **kwargs)` gives; `make` constructs it. */
  module(type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>, make: () => PyObject): PyObject;
  /** Forgets all templates. */
  forget(): void;
  /** The module under construction is not to be repeated without its code. */
  spoil(): void;
  /** Runs code whose effects are not observed. */
  unobserved<T>(body: () => T): T;
  /** Code looks into the value, not into what that holds. */
  reads(value: Value): void;
  /** Code looks into the value and compares what it holds. */
  readsItems(value: Value): void;
  /** Code looks into the value and all that it holds. */
  readsWhole(value: Value): void;
  /** Code changes the value. */
  writes(value: Value): void;
  /** Plain code may look into and change all lists, dicts and sets that these hold. It looks at `most` at most. */
  handles(values: readonly (Value | undefined)[], most: number): void;
  /** A function of ours is called. */
  native(callee: PyNative, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): void;
  /** A builtin type makes a value of what it is given, or a function of ours that sees no more than that is called. */
  builtin(name: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): void;
  /** A function of the source is called: one that stands in another sees that one's names. */
  enters(scope: Scope): void;
}

/** A call of a constructor whose arguments are all known. */
export interface Constructed extends Given {
  /** The arguments as they were before the constructor could change them. */
  readonly before: Given;
  /** The call stands in the file that is read. */
  readonly inMain: boolean;
}

/** A call of a constructor that does not tell all, or that is made on an instance of a subclass. */
export interface Noted {
  readonly before: Given;
  readonly known: number;
  readonly whole: boolean;
  readonly inMain: boolean;
}

/** Code that makes the names of a module open: they cannot be listed by reading it. */
export type Opener = CallExpr | Stmt;

/** Why an import was not followed. */
export interface NotFollowed {
  /** Completes "the import was not followed: ..."; empty when no reason is known. */
  readonly why: string;
  /** It would fail in Python, too: there is no such module. */
  readonly absent: boolean;
  /** It was looked for, and is nowhere. */
  readonly unfound?: boolean;
}

/** Returns a module by its name as written in `importer`, with the dots of a relative import. */
export type ImportResolver = (ev: Evaluator, name: string, importer: Scope) => PyNamespace | NotFollowed;
