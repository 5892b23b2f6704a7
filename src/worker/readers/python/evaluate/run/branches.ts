import { assignedTargets, leaves } from "../../syntax/assigned";
import type { Expr, Stmt } from "../../syntax/ast";
import { walkStatements } from "../../syntax/walk";
import type { Evaluator } from "../../values/evaluator";
import { Unknown } from "../../values/unknown";
import { PyObject, type Value } from "../../values/values";
import { forgetAttribute, setUnlisted } from "../objects/forgotten";
import { type Completion, LimitError, type Scope } from "../scope";
import { assignTarget, evaluate, safely } from "./expressions";

/** What remains known when a statement's condition or value is unknown. */

/** Neither branch is taken; whatever either would have assigned is unknown from here on. */
export function undecided(
  ev: Evaluator,
  scope: Scope,
  what: "if" | "loop" | "match",
  reason: Unknown,
  blocks: readonly (readonly Stmt[])[],
  place: Expr | Stmt,
): Completion {
  const at = ev.source.place(place);
  const unknown = new Unknown(reason.reason, reason.place ?? at);
  let leavesLoop = false;
  let returns = false;
  const targets: Expr[] = [];
  for (const block of blocks) {
    targets.push(...assignedTargets(block));
    const ends = leaves(block);
    leavesLoop ||= ends.loop;
    returns ||= ends.function;
  }
  const onlyRaises = targets.length === 0 && !leavesLoop && !returns && blocks.every(isGuard);
  // Statements of a script that do not build or call a model are not worth a mark in the editor.
  const isScript = scope.kind === "module" || (ev.constructing === 0 && !ev.tracing);
  const silent = onlyRaises || (isScript && (what === "loop" || !blocks.some(definesClass)));
  if (!silent) ev.problem(`this ${what} is not evaluated: ${reason.reason}`, "warning", at);
  for (const target of targets) forget(ev, scope, target, unknown);
  for (const name of blocks.flatMap(namesGivenAttributes)) {
    const object = scope.lookup(name);
    if (object instanceof PyObject) setUnlisted(ev, object, unknown);
  }
  if (returns) scope.uncertain ??= unknown;
  return leavesLoop ? "break" : "normal";
}

function definesClass(block: readonly Stmt[]): boolean {
  return block.some(
    (s) => s.kind === "Class" || (s.kind === "If" && (definesClass(s.body) || definesClass(s.otherwise))),
  );
}

/** `if bad: raise ...`, or nothing: skipping it assumes nothing about the model. */
function isGuard(block: readonly Stmt[]): boolean {
  return block.every(
    (s) => s.kind === "Raise" || s.kind === "Pass" || s.kind === "Assert" || (s.kind === "Expr" && isReport(s.value)),
  );
}

function isReport(expr: Expr): boolean {
  if (expr.kind === "Constant") return true;
  if (expr.kind !== "Call") return false;
  const { callee } = expr;
  if (callee.kind === "Name") return callee.id === "print";
  return (
    callee.kind === "Attribute" && callee.object.kind === "Name" && /^(logger|logging|warnings)$/.test(callee.object.id)
  );
}

/** Of `setattr(self, key, value)` in the block: any attribute may be set. */
function namesGivenAttributes(block: readonly Stmt[]): string[] {
  const names: string[] = [];
  walkStatements(block, (s) => {
    if (s.kind !== "Expr" || s.value.kind !== "Call" || s.value.callee.kind !== "Name") return;
    const [object, key] = s.value.args.map(({ value }) => value);
    const isSet = s.value.callee.id === "setattr" && key?.kind !== "Constant";
    if (isSet && object?.kind === "Name") names.push(object.id);
  });
  return names;
}

/** Its value is unknown from here on. */
function forget(ev: Evaluator, scope: Scope, target: Expr, unknown: Unknown): void {
  if (target.kind === "Name") {
    scope.assign(target.id, unknown);
    return;
  }
  if (target.kind !== "Attribute" || !isChain(target.object)) return;
  const restore = ev.mark();
  try {
    forgetAttribute(ev, evaluate(ev, scope, target.object), target.name, unknown);
  } catch (error) {
    // The branch may not be taken: that it would fail is no mistake of the file's.
    const known = ev.understood(error);
    if (known instanceof LimitError) throw known;
    restore();
  }
}

/** Names, attributes and constant indices: nothing else of a branch that is not taken is evaluated. */
export function isChain(expr: Expr): boolean {
  if (expr.kind === "Name") return true;
  if (expr.kind === "Attribute") return isChain(expr.object);
  return expr.kind === "Subscript" && isChain(expr.object) && isIndex(expr.index);
}

export function isIndex(expr: Expr): boolean {
  if (expr.kind === "Unary") return isIndex(expr.operand);
  return expr.kind === "Constant" || expr.kind === "Name";
}

/** Assigns; where that cannot be evaluated, what was to change is unknown from here on. */
export function assignSafely(ev: Evaluator, scope: Scope, target: Expr, value: Value): void {
  const failed = safely(ev, () => {
    assignTarget(ev, scope, target, value);
    return null;
  });
  if (!(failed instanceof Unknown)) return;
  for (const changed of assignedTargets([assignment(target)])) forget(ev, scope, changed, failed);
}

/** An assignment to the target, for what asks which names a block assigns. */
export function assignment(target: Expr): Stmt {
  const { start, end } = target;
  return { kind: "Assign", targets: [target], value: { kind: "Constant", value: null, start, end }, start, end };
}
