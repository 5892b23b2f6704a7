import * as build from "../../../../graph/build";
import type { Node } from "../../../../graph/node";
import { conditionOf, SelectedLength, wrapNode } from "../../libraries/torch";
import type { Expr, Stmt } from "../../syntax/ast";
import type { Evaluator } from "../../values/evaluator";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyDict, PyList, PyTensor, type Value } from "../../values/values";
import { Guard } from "../guard";
import type { Scope } from "../scope";
import { evaluateSafely } from "./expressions";

/**
 * Code that runs only where a condition holds that depends on data: `if mask.any(): ...`, or the rest of a loop's turn
 * after `if idx.numel() == 0: continue`. It is run in any case, and what it changes keeps its old value where the
 * condition does not hold, so that the graph is right for every input.
 */

export function predicated<C extends string>(
  ev: Evaluator,
  scope: Scope,
  condition: Node,
  body: () => C,
): C | "normal" {
  const names = new Map(scope.names);
  const sizes = new Map([...names.values()].map((value) => [value, sizeOf(value)]));
  const outer = ev.guard;
  const guard = new Guard();
  ev.guard = guard;
  let completion: C;
  try {
    completion = body();
  } finally {
    ev.guard = outer;
  }
  if (completion === "break" || completion === "return") {
    throw new EvaluationError(
      `whether this code reaches ${completion} depends on data, which a graph cannot express`,
      ev.place,
    );
  }
  for (const [storage, before] of guard.before) {
    const after = storage.node;
    if (outer && !outer.before.has(storage)) outer.before.set(storage, before);
    if (before && after && after !== before) storage.node = build.where(condition, after, before);
  }
  for (const [name, after] of [...scope.names]) {
    const before = names.get(name);
    if (before === after && sizes.get(after) === sizeOf(after)) continue;
    scope.names.set(name, merged(condition, name, before, after, ev));
  }
  return "normal";
}

function sizeOf(value: Value): number {
  if (value instanceof PyList) return value.items.length;
  return value instanceof PyDict ? value.entries.size : 0;
}

function merged(condition: Node, name: string, before: Value | undefined, after: Value, ev: Evaluator): Value {
  const [x, y] = [before, after].map((v) => (v instanceof PyTensor ? v.node : undefined));
  const alike = x && y && x.dtype === y.dtype && x.shape.join() === y.shape.join();
  if (alike && before !== after) return wrapNode(build.where(condition, y, x));
  return new Unknown(`${name} is changed only where a condition holds that depends on data`, ev.place);
}

/** The condition as a bool node, where it depends on data; `value` is what the test was evaluated to. */
export function dataCondition(ev: Evaluator, scope: Scope, test: Expr, value: Value): Node | undefined {
  if (value instanceof PyTensor) return conditionOf(value);
  if (value instanceof SelectedLength) return anyOf(value.mask);
  if (!(value instanceof Unknown)) return undefined;
  if (test.kind === "Unary" && test.op === "not") {
    const negated = dataCondition(ev, scope, test.operand, quietly(ev, scope, test.operand));
    return negated && build.unary("not", negated);
  }
  if (test.kind !== "Compare" || test.ops.length !== 1) return undefined;
  const length = quietly(ev, scope, test.left);
  const [right] = test.rights;
  if (!(length instanceof SelectedLength) || right?.kind !== "Constant") return undefined;
  const asked = `${test.ops[0]} ${String(right.value)}`;
  if (["> 0", "!= 0", ">= 1"].includes(asked)) return anyOf(length.mask);
  return ["== 0", "< 1", "<= 0"].includes(asked) ? build.unary("not", anyOf(length.mask)) : undefined;
}

/** The value of a condition that is evaluated again where it is no condition on data. */
export function quietly(ev: Evaluator, scope: Scope, expr: Expr): Value {
  let value: Value = null;
  ev.collect(() => {
    value = evaluateSafely(ev, scope, expr);
  });
  return value;
}

function anyOf(mask: Node): Node {
  return build.cast(build.reduceAll("max", build.cast(mask, "int32")), "bool");
}

/** `if ...: continue`, which skips the rest of a loop's turn. */
export function skipsTurn(statement: Stmt): statement is Extract<Stmt, { kind: "If" }> {
  if (statement.kind !== "If" || statement.otherwise.length > 0) return false;
  return statement.body.length === 1 && statement.body[0]!.kind === "Continue";
}
