import type { FunctionStmt, Stmt } from "./ast";
import type { Given } from "./classes";
import type { Evaluator } from "./evaluator";
import { LimitError, type Scope } from "./scope";
import { PyBound, type PyClass, PyFunction } from "./values";
import { namesMentioned, walkStatements } from "./walk";

/** Functions called for one class, before it is taken to have no factory. */
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

  /** What a factory constructs an instance of the class with; undefined where there is none. */
  construct(type: PyClass): (Given & { readonly by: FunctionStmt }) | undefined {
    const candidates = this.functions.filter((fn) => isFactory(fn) && this.reaches(fn.name, type.name));
    for (const fn of candidates.slice(0, MAX_CALLS)) {
      if (!this.called.has(fn)) this.call(fn);
      const made = this.ev.constructed.get(type);
      if (made) return { ...made.before, by: fn };
    }
    return undefined;
  }

  /** Whether the function's code, or that of a function it mentions, mentions the class. */
  private reaches(name: string, wanted: string, seen = new Set<string>()): boolean {
    if (seen.has(name)) return false;
    seen.add(name);
    const names = this.namesIn(name);
    return names.has(wanted) || [...names].some((each) => this.reaches(each, wanted, seen));
  }

  private namesIn(name: string): ReadonlySet<string> {
    let names = this.mentioned.get(name);
    if (!names) {
      const found = new Set<string>();
      for (const fn of this.functions) if (fn.name === name) namesMentioned(fn, found);
      names = found;
      this.mentioned.set(name, names);
    }
    return names;
  }

  /** What goes wrong is no problem of the file: nobody has called the function. */
  private call(fn: FunctionStmt): void {
    const { ev } = this;
    this.called.add(fn);
    const value = this.globals.lookup(fn.name);
    if (!(value instanceof PyFunction || value instanceof PyBound)) return;
    ev.collect(() => {
      const restore = ev.mark();
      try {
        ev.patches.trial(() => ev.within(this.steps, () => ev.call(value, [])));
      } catch (error) {
        const known = ev.understood(error);
        const { cancel } = ev.limits;
        if (known instanceof LimitError && cancel && Atomics.load(cancel, 0) !== 0) throw known;
        restore();
      }
    });
  }
}

/** It takes no arguments that it must be given, and gives something back. */
function isFactory({ params, body }: FunctionStmt): boolean {
  const needs = params.some((p) => p.default === undefined && p.kind !== "star" && p.kind !== "doubleStar");
  if (needs) return false;
  let returns = false;
  walkStatements(body, (statement) => {
    returns ||= statement.kind === "Return" && statement.value !== undefined;
  });
  return returns;
}
