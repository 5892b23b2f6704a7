import type { CallExpr, Expr } from "../../syntax/ast";
import type { Evaluator } from "../../values/evaluator";
import { classOf, PySuper } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyClass, PyError, type Value } from "../../values/values";
import type { Scope } from "../scope";

/** `super()` and `super(type, object)`: without arguments it takes those of the method around it. */
export function superOf(ev: Evaluator, scope: Scope, expr: CallExpr, evaluate: (argument: Expr) => Value): Value {
  if (expr.args.length === 2) {
    const [type, self] = expr.args.map(({ value }) => evaluate(value));
    if (type instanceof Unknown) return type;
    return makeSuper(ev, expr, type as Value, self as Value);
  }
  for (let s: Scope | undefined = scope; s; s = s.parent) {
    if (s.owner?.type && s.receiver !== undefined) return makeSuper(ev, expr, s.owner.type, s.receiver);
  }
  ev.span = expr;
  throw new PyError("RuntimeError", "super(): no arguments");
}

function makeSuper(ev: Evaluator, expr: Expr, type: Value, self: Value): Value {
  ev.span = expr;
  // The receiver of a metaclass's method is a class, and an instance of the metaclass.
  const isOfMeta = self instanceof PyClass && type instanceof PyClass && !self.mro.includes(type);
  const selfType = self instanceof PyClass && !isOfMeta ? self : (classOf(self) ?? self);
  if (self instanceof Unknown) return self;
  if (!isClass(type) || !isClass(selfType)) {
    throw new PyError("TypeError", "super(type, obj): obj must be an instance or subtype of type");
  }
  return new PySuper(type, self, selfType);
}

function isClass(value: Value): value is Extract<Value, { mro: unknown }> {
  return typeof value === "object" && value !== null && "mro" in value;
}
