import type { Expr, Stmt } from "../../syntax/ast";
import type { Evaluator } from "../../values/evaluator";
import type { Value } from "../../values/values";
import { augmented } from "../objects/operators";
import type { Scope } from "../scope";
import { assignSafely, isChain, isIndex } from "./branches";
import { evaluate, safely } from "./expressions";

/** `target += operand` in two halves: a generator may stand still between them. */

type AugAssignStmt = Extract<Stmt, { kind: "AugAssign" }>;

interface Augmentation {
  readonly statement: AugAssignStmt;
  /** The target, its parts evaluated. */
  readonly target: Expr;
  readonly before: Value;
}

/** The first half of `target += ...`: what the target holds. */
export function augmentationOf(ev: Evaluator, scope: Scope, statement: AugAssignStmt): Augmentation {
  let { target } = statement;
  const before = safely(ev, () => {
    target = evaluatedOnce(ev, scope, target);
    return evaluate(ev, scope, target);
  });
  return { statement, target, before };
}

/** The second half, once the operand is known. */
export function augment(
  ev: Evaluator,
  scope: Scope,
  { statement, target, before }: Augmentation,
  operand: Value,
): void {
  ev.span = statement;
  const after = safely(ev, () => augmented(ev, statement.op, before, operand));
  assignSafely(ev, scope, target, after);
}

/** The target with values for those of its parts that may give another value the second time, or change something. */
function evaluatedOnce(ev: Evaluator, scope: Scope, target: Expr): Expr {
  if (target.kind !== "Attribute" && target.kind !== "Subscript") return target;
  const object = isChain(target.object) ? target.object : held(target.object, evaluate(ev, scope, target.object));
  if (target.kind === "Attribute") return object === target.object ? target : { ...target, object };
  const index = isIndex(target.index) ? target.index : held(target.index, evaluate(ev, scope, target.index));
  return object === target.object && index === target.index ? target : { ...target, object, index };
}

/** An expression that stands for the other, whose value is known. */
export const held = (expr: Expr, value: Value): Expr => ({
  kind: "Constant",
  value,
  start: expr.start,
  end: expr.end,
});
