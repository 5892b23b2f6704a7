import type { Given } from "../evaluate/run/classes";
import { LimitError, type Scope } from "../evaluate/scope";
import type { FunctionStmt, Stmt } from "../syntax/ast";
import { walkStatements, wordsMentioned } from "../syntax/walk";
import type { Evaluator } from "../values/evaluator";
import { PyBound, type PyClass, PyFunction } from "../values/values";

/** The largest number of functions called for one class in search of a factory. */
const MAX_CALLS = 4;

/**
 * Functions that make a file's models, as torchvision and timm have them: `resnet18()` calls what calls `ResNet(block,
 * layers, **kwargs)`. One that needs no arguments is called, and what it constructs is remembered by the evaluator.
 */
export class Factories {
  private readonly functions: readonly FunctionStmt[];
  private readonly mentioned = new Map<string, ReadonlySet<string>>();
  private readonly called = new Set<FunctionStmt>();

  constructor(
    private readonly ev: Evaluator,
    body: readonly Stmt[],
    /** That one call may take. */
    private readonly steps: number,
    /** Names of the module that the statements are of. */
    private readonly globals: Scope = ev.globals,
  ) {
    this.functions = body.filter((statement) => statement.kind === "Function");
  }

  /** What a factory constructs an instance of the class with; undefined where there is none. `names` are the class's there. */
  construct(
    type: PyClass,
    names: ReadonlySet<string> = new Set([type.name]),
  ): (Given & { readonly by: FunctionStmt }) | undefined {
    const candidates = this.functions.filter((fn) => isFactory(fn) && this.reaches(fn.name, names));
    for (const fn of candidates.slice(0, MAX_CALLS)) {
      if (!this.called.has(fn)) this.call(fn);
      const made = this.ev.constructed.get(type);
      if (made) return { ...made.before, by: fn };
    }
    return undefined;
  }

  /** Whether the function's code, or that of a function it mentions, mentions the class by one of its names. */
  private reaches(name: string, wanted: ReadonlySet<string>, seen = new Set<string>()): boolean {
    if (seen.has(name)) return false;
    seen.add(name);
    const words = this.wordsIn(name);
    return [...wanted].some((each) => words.has(each)) || [...words].some((each) => this.reaches(each, wanted, seen));
  }

  private wordsIn(name: string): ReadonlySet<string> {
    let words = this.mentioned.get(name);
    if (!words) {
      words = new Set(this.functions.filter((fn) => fn.name === name).flatMap((fn) => [...wordsMentioned(fn)]));
      this.mentioned.set(name, words);
    }
    return words;
  }

  /** Errors are not the file's problems, since it does not call the function. */
  private call(fn: FunctionStmt): void {
    const { ev } = this;
    this.called.add(fn);
    const value = this.globals.lookup(fn.name);
    if (!(value instanceof PyFunction || value instanceof PyBound)) return;
    const { error } = ev.attempt(() => ev.patches.trial(() => ev.call(value, [])), this.steps);
    const { cancel } = ev.limits;
    if (error instanceof LimitError && cancel && Atomics.load(cancel, 0) !== 0) throw error;
  }
}

/** It has no required arguments and returns a value. */
function isFactory({ params, body }: FunctionStmt): boolean {
  const needs = params.some((p) => p.default === undefined && p.kind !== "star" && p.kind !== "doubleStar");
  if (needs) return false;
  let returns = false;
  walkStatements(body, (statement) => {
    returns ||= statement.kind === "Return" && statement.value !== undefined;
  });
  return returns;
}
