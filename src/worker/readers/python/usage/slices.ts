import { changedInLoops } from "../evaluate/run/loopChanges";
import { assignedTargets } from "../syntax/assigned";
import type { Expr, Stmt } from "../syntax/ast";
import { blocksOf, expressionsOf, methodCallsIn, namesIn, namesMentioned, rootName } from "../syntax/walk";

/**
 * Backward slices: of code that is not run as a whole, a training script's `main()`, the statements that determine some
 * names at a position. Evaluating only those is cheap and gives the same values.
 */

export type Step =
  | { readonly kind: "run"; readonly statement: Stmt }
  /** Inside a loop: its target, as of the first turn that comes to the position. */
  | { readonly kind: "first"; readonly target: Expr; readonly iterable: Expr; readonly tests: readonly Test[] }
  /** Inside a `with`. */
  | { readonly kind: "bind"; readonly target: Expr; readonly value: Expr };

/** A condition around the position, or before it and leading past it by `continue` or `break`. */
export interface Test {
  readonly expr: Expr;
  readonly holds: boolean;
}

export interface Slice {
  /** In source order. */
  readonly steps: readonly Step[];
  /** The names asked for and those that the steps mention. */
  readonly names: ReadonlySet<string>;
}

const NONE: ReadonlySet<Stmt> = new Set();

/**
 * The slice of `body` for `names` at `position`. Blocks around the position are entered: a branch that holds the
 * position is taken to be the one that runs.
 * @param flattened enters every block before the position too, so that of several branches the last one counts; for
 *   when the exact slice leaves a name unknown because a branch cannot be decided.
 * @param isTop at the top of a module, where code that `exec` is given may change any name, and read any above it.
 */
export function sliceFor(
  body: readonly Stmt[],
  position: number,
  names: ReadonlySet<string>,
  flattened = false,
  /** `always` are statements that count whatever they assign. */
  { isTop = false, always = NONE }: { readonly isTop?: boolean; readonly always?: ReadonlySet<Stmt> | undefined } = {},
): Slice {
  const candidates: { step: Step; writes: ReadonlySet<string>; reads: ReadonlySet<string> }[] = [];
  const add = (step: Step, writes: ReadonlySet<string>, reads: ReadonlySet<string>): void => {
    candidates.push({ step, writes, reads });
  };
  const enter = (statement: Stmt): void => {
    if (statement.kind === "For") {
      const { target, iterable } = statement;
      const tests = testsTo(statement.body, position);
      const reads = namesIn(iterable);
      for (const { expr } of tests) namesIn(expr, reads);
      add({ kind: "first", target, iterable, tests }, namesIn(target), reads);
    } else if (statement.kind === "With") {
      for (const { target, value } of statement.items) {
        if (target) add({ kind: "bind", target, value }, namesIn(target), namesIn(value));
      }
    }
  };
  const visit = (block: readonly Stmt[]): void => {
    for (const statement of block) {
      if (statement.start >= position) return;
      const blocks = blocksOf(statement);
      const around = position < statement.end;
      if (around || (flattened && blocks.length > 0)) {
        enter(statement);
        // Of the blocks around the position only the one that holds it.
        const holding = blocks.filter((b) => b.some((s) => s.start <= position && position < s.end));
        for (const inner of around && holding.length > 0 ? holding : around ? [] : blocks) visit(inner);
      } else if (statement.kind !== "Class") {
        add({ kind: "run", statement }, writtenNames(statement), namesMentioned(statement));
      }
    }
  };
  visit(body);
  const needed = new Set(names);
  const taken = new Set<Step>();
  const last = isTop ? candidates.findLastIndex(({ step }) => step.kind === "run" && executesCode(step.statement)) : -1;
  for (const { step, writes, reads } of candidates.slice(0, last + 1)) {
    if (step.kind !== "run" || blocksOf(step.statement).length > 0) continue;
    taken.add(step);
    for (const name of [...writes, ...reads]) needed.add(name);
  }
  for (let before = -1; before !== taken.size; ) {
    before = taken.size;
    for (const { step, writes, reads } of candidates) {
      const counts =
        (step.kind === "run" && always.has(step.statement)) || [...writes].some((name) => needed.has(name));
      if (taken.has(step) || !counts) continue;
      taken.add(step);
      for (const name of [...writes, ...reads]) needed.add(name);
    }
  }
  return { steps: candidates.flatMap(({ step }) => (taken.has(step) ? [step] : [])), names: needed };
}

function executesCode(statement: Stmt): boolean {
  if (statement.kind !== "Expr" || statement.value.kind !== "Call") return false;
  const { callee } = statement.value;
  return callee.kind === "Name" && callee.id === "exec";
}

/** Conditions that hold whenever the position in the block is reached. */
function testsTo(block: readonly Stmt[], position: number): Test[] {
  const tests: Test[] = [];
  for (const statement of block) {
    if (statement.start >= position) break;
    const around = position < statement.end;
    if (statement.kind === "If") {
      const [yes, no] = [statement.body, statement.otherwise].map((b) => b.some((s) => isAround(s, position)));
      if (yes || no) tests.push({ expr: statement.test, holds: yes === true });
      else if (!around && leaves(statement.body)) tests.push({ expr: statement.test, holds: false });
    }
    // An inner loop has its own turns.
    if (around && statement.kind !== "For")
      for (const inner of blocksOf(statement))
        if (inner.some((s) => isAround(s, position))) tests.push(...testsTo(inner, position));
  }
  return tests;
}

const isAround = ({ start, end }: Stmt, position: number): boolean => start <= position && position < end;

function leaves(block: readonly Stmt[]): boolean {
  const last = block.at(-1)?.kind;
  return last === "Continue" || last === "Break";
}

/** Names that a statement binds, or whose value it may change: by assigning to a part of it, calling its method, or handing it over. */
function writtenNames(statement: Stmt): Set<string> {
  const written = new Set<string>();
  const root = (expr: Expr): void => {
    const name = rootName(expr);
    if (name !== undefined) written.add(name);
  };
  for (const target of assignedTargets([statement])) root(target);
  const own = (s: Stmt): void => {
    for (const expr of expressionsOf(s)) for (const call of methodCallsIn(expr)) root(call.callee);
    // add_arguments(parser): a call for its effect changes what it is given.
    if (s.kind === "Expr" && s.value.kind === "Call") {
      for (const { value } of s.value.args) if (value.kind === "Name") written.add(value.id);
    }
    for (const block of blocksOf(s)) block.forEach(own);
  };
  // A loop or a branch is not run for the sake of a method called in it, which would run whole training loops.
  if (blocksOf(statement).length === 0) own(statement);
  else changedInLoops(statement, written);
  return written;
}
