import { memoized } from "../../../memoized";
import type { Expr, Stmt, TryStmt } from "../../syntax/ast";
import { blocksOf, expressionsOf, walkExpr } from "../../syntax/walk";
import type { Evaluator } from "../../values/evaluator";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyError, type PyGenerator, type Value } from "../../values/values";
import { endsThere } from "../exceptions";
import { truthyOf } from "../objects/iteration";
import { type Completion, LimitError, type Scope } from "../scope";
import { augment, augmentationOf, held } from "./augmentation";
import { assignSafely } from "./branches";
import { assignTarget, evaluate, evaluateSafely, safely } from "./expressions";
import { type Body, PySuspended } from "./generators";
import { handlingOf } from "./handlers";
import { matches } from "./patterns";
import { execute } from "./statements";

/**
 * Bodies of generators. A statement without a yield in it is executed as any other; the few kinds that hold one are
 * written here once more as JavaScript generators, which stand still where the source does.
 */

/** What a generator's call gives: nothing has run yet. */
export function generatorOf(ev: Evaluator, scope: Scope, body: readonly Stmt[]): PyGenerator {
  const frame: Frame = { ev, scope, restore: () => undefined };
  return new PySuspended(ev, scope, run(frame, body), () => {
    frame.restore = ev.mark();
  });
}

interface Frame {
  readonly ev: Evaluator;
  readonly scope: Scope;
  /** Puts the counters back to where the frame went on last. */
  restore: () => void;
}

function* run(frame: Frame, body: readonly Stmt[]): Body<Value> {
  yield* block(frame, body);
  return frame.scope.uncertain ?? frame.scope.returned;
}

const suspends = memoized(
  (statement: Stmt): boolean =>
    expressionsOf(statement).some(holdsYield) || blocksOf(statement).some((inner) => inner.some(suspends)),
);

const holdsYield = memoized((expr: Expr): boolean => {
  let found = false;
  walkExpr(expr, (inner) => {
    found ||= inner.kind === "Yield";
  });
  return found;
});

function* block(frame: Frame, body: readonly Stmt[]): Body<Completion> {
  for (const statement of body) {
    const completion = suspends(statement)
      ? yield* suspendable(frame, statement)
      : execute(frame.ev, frame.scope, statement);
    if (completion !== "normal") return completion;
  }
  return "normal";
}

function* suspendable(frame: Frame, statement: Stmt): Body<Completion> {
  const { ev, scope } = frame;
  ev.span = statement;
  ev.step();
  switch (statement.kind) {
    case "Expr":
      yield* valueSafely(frame, statement.value);
      return "normal";
    case "Assign":
      return execute(ev, scope, {
        ...statement,
        value: held(statement.value, yield* valueSafely(frame, statement.value)),
      });
    case "AnnAssign":
    case "Return":
    case "Raise": {
      const { value: expr } = statement;
      return execute(
        ev,
        scope,
        expr ? { ...statement, value: held(expr, yield* valueSafely(frame, expr)) } : statement,
      );
    }
    case "AugAssign": {
      const augmentation = augmentationOf(ev, scope, statement);
      augment(ev, scope, augmentation, yield* valueSafely(frame, statement.value));
      return "normal";
    }
    case "Assert":
      return execute(ev, scope, {
        ...statement,
        test: held(statement.test, yield* valueSafely(frame, statement.test)),
      });
    case "If":
      return yield* block(frame, (yield* decided(frame, statement.test)) ? statement.body : statement.otherwise);
    case "While":
      while (yield* decided(frame, statement.test)) {
        ev.step();
        const completion = yield* block(frame, statement.body);
        if (completion === "return") return completion;
        if (completion === "break") return "normal";
      }
      return yield* block(frame, statement.otherwise);
    case "For":
      return yield* suspendableFor(frame, statement);
    case "With":
      return yield* suspendableWith(frame, statement);
    case "Try":
      return yield* suspendableTry(frame, statement);
    case "Match": {
      const subject = yield* valueSafely(frame, statement.subject);
      for (const { pattern, guard, body } of statement.cases) {
        const matched = subject instanceof Unknown ? subject : matches(ev, scope, pattern, subject);
        if (known(frame, matched, statement.subject) && (!guard || (yield* decided(frame, guard))))
          return yield* block(frame, body);
      }
      return "normal";
    }
    default:
      throw new EvaluationError("a yield is not allowed here", ev.source.place(statement));
  }
}

function* decided(frame: Frame, test: Expr): Body<boolean> {
  const value = yield* valueSafely(frame, test);
  frame.ev.span = test;
  return known(frame, truthyOf(frame.ev, value), test);
}

/** Whether, and how often, something is yielded must be known: each value that is not would shift those after it. */
function known(frame: Frame, truth: boolean | Unknown, at: Expr): boolean {
  if (!(truth instanceof Unknown)) return truth;
  throw new EvaluationError(
    `the values of this generator are not known: ${truth.reason}`,
    truth.place ?? frame.ev.source.place(at),
  );
}

function* suspendableFor(frame: Frame, statement: Extract<Stmt, { kind: "For" }>): Body<Completion> {
  const { ev, scope } = frame;
  const { target, iterable: source, body, otherwise } = statement;
  const iterable = yield* valueSafely(frame, source);
  ev.span = source;
  if (iterable instanceof Unknown) known(frame, iterable, source);
  for (const item of ev.iterate(iterable)) {
    ev.span = statement;
    ev.step();
    assignSafely(ev, scope, target, item);
    const completion = yield* block(frame, body);
    if (completion === "return") return completion;
    if (completion === "break") return "normal";
  }
  return yield* block(frame, otherwise);
}

function* suspendableWith(frame: Frame, statement: Extract<Stmt, { kind: "With" }>, at = 0): Body<Completion> {
  const { ev, scope } = frame;
  const item = statement.items[at];
  if (!item) return yield* block(frame, statement.body);
  const manager = yield* valueSafely(frame, item.value);
  const enter = ev.special(manager, "__enter__");
  const exit = ev.special(manager, "__exit__");
  const value = enter ? ev.call(enter, []) : manager;
  let completion: Completion;
  try {
    if (item.target) assignTarget(ev, scope, item.target, value);
    completion = yield* suspendableWith(frame, statement, at + 1);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (error instanceof LimitError || !exit) throw error;
    frame.restore();
    if (!endsThere(ev, exit, error)) throw error;
    return "normal";
  }
  if (exit) ev.call(exit, [null, null, null]);
  return completion;
}

function* suspendableTry(frame: Frame, statement: TryStmt): Body<Completion> {
  const { ev, scope } = frame;
  let completion: Completion;
  try {
    completion = yield* suspendableGuarded(frame, statement);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (error instanceof LimitError || statement.finalizer.length === 0) throw error;
    frame.restore();
    const last = yield* block(frame, statement.finalizer);
    if (last !== "normal") return last;
    throw error;
  }
  const { returned } = scope;
  const last = yield* block(frame, statement.finalizer);
  if (last !== "normal") return last;
  scope.returned = returned;
  return completion;
}

function* suspendableGuarded(frame: Frame, statement: TryStmt): Body<Completion> {
  const { ev, scope } = frame;
  let completion: Completion;
  try {
    completion = yield* block(frame, statement.body);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (!(error instanceof PyError)) throw error;
    frame.restore();
    const handling = handlingOf(ev, scope, statement, error);
    if (!handling) throw error;
    try {
      return yield* block(frame, handling.body);
    } finally {
      handling.end();
    }
  }
  return completion === "normal" ? yield* block(frame, statement.otherwise) : completion;
}

// Expressions

/** As `evaluateSafely`. */
function* valueSafely(frame: Frame, expr: Expr): Body<Value> {
  if (!holdsYield(expr)) return evaluateSafely(frame.ev, frame.scope, expr);
  try {
    return yield* suspendedValue(frame, expr);
  } catch (thrown) {
    const error = frame.ev.understood(thrown);
    if (!(error instanceof EvaluationError) || error instanceof LimitError) throw error;
    frame.restore();
    return safely(frame.ev, () => {
      throw error;
    });
  }
}

function* suspendedValue(frame: Frame, expr: Expr): Body<Value> {
  const { ev, scope } = frame;
  if (!holdsYield(expr)) return evaluate(ev, scope, expr);
  switch (expr.kind) {
    case "Yield": {
      const value = expr.value ? yield* valueSafely(frame, expr.value) : null;
      ev.span = expr;
      return expr.from ? yield* delegated(ev, value) : yield value;
    }
    case "Bool": {
      const left = yield* suspendedValue(frame, expr.left);
      const truth = truthyOf(ev, left);
      if (truth instanceof Unknown) known(frame, truth, expr.left);
      return truth === (expr.op === "or") ? left : yield* suspendedValue(frame, expr.right);
    }
    case "Conditional": {
      const truth = truthyOf(ev, yield* suspendedValue(frame, expr.test));
      return yield* suspendedValue(frame, known(frame, truth, expr.test) ? expr.whenTrue : expr.otherwise);
    }
    default: {
      // What stands before the last yield is evaluated in its order, and the rest when all is there.
      const [parts, rebuilt] = operandsOf(expr) ?? [];
      if (!parts || !rebuilt) throw new EvaluationError("a yield is not allowed here", ev.source.place(expr));
      const last = parts.findLastIndex(holdsYield);
      const values: Expr[] = [];
      for (const [i, part] of parts.entries()) values.push(i > last ? part : yield* operand(frame, part));
      return evaluate(ev, scope, rebuilt(values));
    }
  }
}

function* operand(frame: Frame, part: Expr): Body<Expr> {
  if (part.kind === "Starred") return { ...part, value: held(part, yield* suspendedValue(frame, part.value)) };
  return held(part, yield* suspendedValue(frame, part));
}

/** The operands that are all evaluated, in their order, and the expression with others in their place. */
function operandsOf(expr: Expr): [Expr[], (parts: readonly Expr[]) => Expr] | undefined {
  switch (expr.kind) {
    case "Binary":
      return [[expr.left, expr.right], ([left, right]) => ({ ...expr, left: left!, right: right! })];
    case "Unary":
      return [[expr.operand], ([operand]) => ({ ...expr, operand: operand! })];
    case "Attribute":
      return [[expr.object], ([object]) => ({ ...expr, object: object! })];
    case "Subscript":
      return [[expr.object, expr.index], ([object, index]) => ({ ...expr, object: object!, index: index! })];
    case "Walrus":
      return [[expr.value], ([value]) => ({ ...expr, value: value! })];
    case "Tuple":
    case "List":
    case "Set":
      return [[...expr.items], (items) => ({ ...expr, items })];
    case "Call":
      return [
        [expr.callee, ...expr.args.map((a) => a.value)],
        ([callee, ...values]) => ({
          ...expr,
          callee: callee!,
          args: expr.args.map((a, i) => ({ ...a, value: values[i]! })),
        }),
      ];
    case "Compare":
      if (expr.rights.length > 1) return undefined;
      return [[expr.left, ...expr.rights], ([left, ...rights]) => ({ ...expr, left: left!, rights })];
    default:
      return undefined;
  }
}

/** `yield from`: hands on what is sent and thrown to a generator, and takes what it returns. */
function* delegated(ev: Evaluator, value: Value): Body<Value> {
  if (value instanceof Unknown)
    throw new EvaluationError(`the values of this generator are not known: ${value.reason}`, value.place ?? ev.place);
  if (!(value instanceof PySuspended)) {
    for (const item of ev.iterate(value)) {
      ev.step();
      yield item;
    }
    return null;
  }
  let result = value.next();
  while (!result.done) {
    let sent: Value;
    try {
      sent = yield result.value;
    } catch (error) {
      if (!(error instanceof PyError)) throw error;
      if (error.type === "GeneratorExit") {
        value.close();
        throw error;
      }
      result = value.throw(error);
      continue;
    }
    result = sent === null ? value.next() : value.send(sent);
  }
  return result.value;
}
