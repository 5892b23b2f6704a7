import { memoized } from "../../../memoized";
import type { ComprehensionExpr, Expr, Stmt } from "../../syntax/ast";
import type { Evaluator } from "../../values/evaluator";
import { PyList, PyTuple, type Value } from "../../values/values";
import { type Completion, LimitError, type Scope } from "../scope";
import {
  compile,
  type Frame,
  NOT_PLAIN,
  plainArithmetic,
  plainElement,
  plainLength,
  plainTruth,
  Slots,
  setPlainItem,
} from "./plainCode";
import { columnsOf } from "./plainColumns";

/**
 * Long loops over plain data, as tables of positions and of relative offsets are made, run as compiled functions: a
 * tenth of the work. Anything that they do not support, including errors, is left to the evaluator, which runs the
 * statement from its beginning. This is safe because a statement of plain code changes nothing before its last
 * operation.
 */

/** Shorter ones are not worth it. */
const LONG = 32;
/** A statement that was left to the evaluator this often is always left to it. */
const TRIES = 16;
/** Elements of a comprehension, and turns of a loop, that are as much work as a step of the evaluator. */
const ELEMENTS_A_STEP = 4;
const TURNS_A_STEP = 4;
/** Values that are looked at to find what was there before a loop: no more than the loop is work. */
const TOLD = 1024;
const TOLD_A_TURN = 4;

type ForStmt = Extract<Stmt, { kind: "For" }>;
type Execute = (statement: Stmt) => Completion;
interface Running extends Frame {
  readonly execute: Execute;
  /** How often each statement was left to the evaluator in this reading. */
  readonly left: number[];
  /** What a statement threw that the evaluator ran: nothing here catches it. */
  thrown?: unknown;
}
type Act = (frame: Running) => Completion;

interface Compiled<T> {
  readonly run: T;
  readonly slots: Slots;
}
type Made = Value[] | Float64Array;
type Elements = (frame: Frame, iterable: Value) => Made;

/** Code that stays is compiled once. Undefined where it is not plain. */
function compiled<K extends object, T>(make: (code: K, slots: Slots) => T): (code: K) => Compiled<T> | undefined {
  return memoized((code) => {
    const slots = new Slots();
    try {
      return { run: make(code, slots), slots };
    } catch (error) {
      if (error !== NOT_PLAIN) throw error;
      return undefined;
    }
  });
}
const compiledLoop = compiled(turnsOf);
const compiledColumns = compiled<ComprehensionExpr, Elements>(columnsOf);
const compiledComprehension = compiled<ComprehensionExpr, Elements>(elementsOf);

/** While shapes are watched, or under a condition that depends on data, every assignment has to be seen. */
function mayRun(ev: Evaluator, scope: Scope, iterable: Value): boolean {
  if ((plainLength(iterable) ?? 0) < LONG || ev.tracing || ev.recorder || ev.guard) return false;
  return !scope.redirected && !scope.lazy && scope.kind !== "class";
}

function leftOf({ session }: Evaluator, code: Compiled<unknown>): number[] {
  const left = session.leftPlain.get(code) ?? [];
  session.leftPlain.set(code, left);
  return left;
}

function load({ scope, slots }: Frame, names: readonly string[]): void {
  for (const [i, name] of names.entries()) slots[i] = scope.lookup(name);
}

function store({ scope, slots, written }: Frame, { names }: Slots): void {
  for (const i of written) scope.assign(names[i]!, slots[i]!);
  written.clear();
}

/** What plain code looks into and changes it does not tell: that is what the names hold before it, and what it makes. */
function tell({ ev, slots }: Frame, iterable: Value = null): void {
  ev.alike.handles([iterable, ...slots], TOLD + TOLD_A_TURN * (plainLength(iterable) ?? 0));
}

/** Leaves the statement to the evaluator. */
function leaveTo(frame: Running, slots: Slots, statement: Stmt): Completion {
  store(frame, slots);
  try {
    return frame.execute(statement);
  } catch (error) {
    frame.thrown = error;
    throw error;
  } finally {
    load(frame, slots.names);
    tell(frame);
  }
}

/** Runs the loop, the statements it does not know by `execute`. Undefined where all of it is the evaluator's. */
export function runPlainLoop(
  ev: Evaluator,
  scope: Scope,
  statement: ForStmt,
  iterable: Value,
  execute: Execute,
): Completion | undefined {
  if (!mayRun(ev, scope, iterable)) return undefined;
  const found = compiledLoop(statement);
  if (!found) return undefined;
  const left = leftOf(ev, found);
  const frame: Running = { ev, scope, slots: [], written: new Set(), execute, left };
  load(frame, found.slots.names);
  tell(frame, iterable);
  try {
    return found.run(frame, iterable);
  } finally {
    store(frame, found.slots);
  }
}

/** The items of `[value for ... in ...]`, or the floats; undefined where they are the evaluator's to make. */
export function plainItems(ev: Evaluator, scope: Scope, expr: ComprehensionExpr, iterable: Value): Made | undefined {
  if (!mayRun(ev, scope, iterable)) return undefined;
  const made = madeBy(compiledColumns(expr), ev, scope, iterable);
  if (made) ev.step(Math.ceil(made.length / ELEMENTS_A_STEP));
  return made ?? madeBy(compiledComprehension(expr), ev, scope, iterable);
}

function madeBy(found: Compiled<Elements> | undefined, ev: Evaluator, scope: Scope, iterable: Value): Made | undefined {
  if (!found) return undefined;
  const left = leftOf(ev, found);
  if ((left[0] ?? 0) >= TRIES) return undefined;
  const frame: Frame = { ev, scope, slots: [], written: new Set() };
  load(frame, found.slots.names);
  tell(frame, iterable);
  try {
    return found.run(frame, iterable);
  } catch (error) {
    if (error instanceof LimitError) throw error;
    left[0] = (left[0] ?? 0) + 1;
    return undefined;
  }
}

function elementsOf(expr: ComprehensionExpr, slots: Slots): (frame: Frame, iterable: Value) => Value[] {
  const [clause, ...more] = expr.clauses;
  if (clause?.type !== "for" || more.some(({ type }) => type === "for")) throw NOT_PLAIN;
  const bind = compileTarget(clause.target, slots);
  const tests = more.map((each) => compile((each as { test: Expr }).test, slots));
  const value = compile(expr.value, slots);
  return (frame, iterable) => {
    const items: Value[] = [];
    for (let i = 0; i < (plainLength(iterable) ?? 0); i++) {
      if (i % ELEMENTS_A_STEP === 0) frame.ev.step();
      bind(frame, plainElement(iterable, i));
      if (tests.every((test) => plainTruth(test(frame)))) items.push(value(frame));
    }
    return items;
  };
}

function turnsOf(statement: ForStmt, slots: Slots): (frame: Running, iterable: Value) => Completion {
  if (statement.otherwise.length > 0) throw NOT_PLAIN;
  const { target } = statement;
  const bind = compileTarget(target, slots);
  const body = blockOf(statement.body, slots);
  return (frame, iterable) => {
    for (let i = 0; i < (plainLength(iterable) ?? 0); i++) {
      if (i % TURNS_A_STEP === 0) frame.ev.step();
      const item = plainElement(iterable, i);
      try {
        bind(frame, item);
      } catch {
        const { start, end } = target;
        const value: Expr = { kind: "Constant", value: item, start, end };
        leaveTo(frame, slots, { kind: "Assign", targets: [target], value, start, end });
      }
      const completion = body(frame);
      if (completion === "return") return completion;
      if (completion === "break") break;
    }
    return "normal";
  };
}

function blockOf(body: readonly Stmt[], slots: Slots): Act {
  const acts = body.map((statement) => actOf(statement, slots));
  return (frame) => {
    for (const act of acts) {
      const completion = act(frame);
      if (completion !== "normal") return completion;
    }
    return "normal";
  };
}

/** What a statement does; where it does not know how, the evaluator does it. */
function actOf(statement: Stmt, slots: Slots): Act {
  const act = plainAct(statement, slots);
  const index = slots.statements++;
  return (frame) => {
    const left = frame.left[index] ?? 0;
    if (left < TRIES) {
      try {
        return act(frame);
      } catch (error) {
        if (error instanceof LimitError || error === frame.thrown) throw error;
        frame.left[index] = left + 1;
      }
    }
    return leaveTo(frame, slots, statement);
  };
}

function plainAct(statement: Stmt, slots: Slots): Act {
  switch (statement.kind) {
    case "Pass":
      return () => "normal";
    case "Break":
      return () => "break";
    case "Continue":
      return () => "continue";
    case "Assign": {
      const [target, ...more] = statement.targets;
      if (!target || more.length > 0) throw NOT_PLAIN;
      const [bind, value] = [compileTarget(target, slots), compile(statement.value, slots)];
      return (frame) => {
        bind(frame, value(frame));
        return "normal";
      };
    }
    case "AugAssign": {
      const { op, target } = statement;
      const [bind, before, value] = [
        compileTarget(target, slots),
        compile(target, slots),
        compile(statement.value, slots),
      ];
      return (frame) => {
        bind(frame, plainArithmetic(op, before(frame), value(frame)));
        return "normal";
      };
    }
    case "Expr":
      return appendOf(statement.value, slots);
    case "If": {
      const test = compile(statement.test, slots);
      const [yes, no] = [blockOf(statement.body, slots), blockOf(statement.otherwise, slots)];
      return (frame) => (plainTruth(test(frame)) ? yes : no)(frame);
    }
    case "For": {
      const iterable = compile(statement.iterable, slots);
      const turns = turnsOf(statement, slots);
      return (frame) => {
        const value = iterable(frame);
        if (plainLength(value) === undefined) throw NOT_PLAIN;
        return turns(frame, value);
      };
    }
    default:
      throw NOT_PLAIN;
  }
}

/** `items.append(value)`. */
function appendOf(expr: Expr, slots: Slots): Act {
  const callee = expr.kind === "Call" && expr.simple && expr.args.length === 1 ? expr.callee : undefined;
  if (expr.kind !== "Call" || callee?.kind !== "Attribute" || callee.name !== "append") throw NOT_PLAIN;
  const [list, value] = [compile(callee.object, slots), compile(expr.args[0]!.value, slots)];
  return (frame) => {
    const object = list(frame);
    if (!(object instanceof PyList) || object.subclass !== undefined) throw NOT_PLAIN;
    object.items.push(value(frame));
    return "normal";
  };
}

function compileTarget(target: Expr, slots: Slots): (frame: Frame, value: Value) => void {
  if (target.kind === "Name") {
    const slot = slots.of(target.id);
    return ({ slots: values, written }, value) => {
      values[slot] = value;
      written.add(slot);
    };
  }
  if (target.kind === "Subscript") {
    const [object, key] = [compile(target.object, slots), compile(target.index, slots)];
    return (frame, value) => setPlainItem(object(frame), key(frame), value);
  }
  if (target.kind !== "Tuple" && target.kind !== "List") throw NOT_PLAIN;
  if (target.items.some((item) => item.kind !== "Name")) throw NOT_PLAIN;
  const binds = target.items.map((item) => compileTarget(item, slots));
  return (frame, value) => {
    const isItems = (value instanceof PyTuple || value instanceof PyList) && value.subclass === undefined;
    if (!isItems || value.items.length !== binds.length) throw NOT_PLAIN;
    for (const [i, bind] of binds.entries()) bind(frame, value.items[i]!);
  };
}
