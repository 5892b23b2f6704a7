import { compare, equal, keyOf } from "./equality";
import type { Evaluator } from "./evaluator";
import { contains, truthyOf } from "./iteration";
import { tensorOperator } from "./torch";
import { PyTensor, Unknown, type Value } from "./values";

const REFLECTED: Record<string, [own: string, other: string]> = {
  "==": ["__eq__", "__eq__"],
  "!=": ["__ne__", "__ne__"],
  "<": ["__lt__", "__gt__"],
  "<=": ["__le__", "__ge__"],
  ">": ["__gt__", "__lt__"],
  ">=": ["__ge__", "__le__"],
};

/** `left op right` for the comparison operators, `in` and `is`. */
export function compareValues(ev: Evaluator, op: string, left: Value, right: Value): Value {
  switch (op) {
    case "is":
    case "is not": {
      if (left instanceof Unknown) return left.derived();
      if (right instanceof Unknown) return right.derived();
      const same =
        left === right ||
        (isImmutable(left) && isImmutable(right) && keyOf(left) === keyOf(right) && typeof left === typeof right);
      return same === (op === "is");
    }
    case "in":
    case "not in": {
      const found = contains(ev, right, left);
      return found instanceof Unknown ? found : found === (op === "in");
    }
  }
  if (left instanceof Unknown) return left.derived();
  if (right instanceof Unknown) return right.derived();
  if (left instanceof PyTensor || right instanceof PyTensor) {
    if ((left === null || right === null) && (op === "==" || op === "!=")) return op === "!=";
    return tensorOperator(op, [left, right], ev);
  }
  const [own, other] = REFLECTED[op]!;
  const method = ev.special(left, own);
  if (method) return ev.call(method, [right]);
  const reflected = ev.special(right, other);
  if (reflected) return ev.call(reflected, [left]);
  if (op === "==" || op === "!=") {
    const eq = op === "!=" ? ev.special(left, "__eq__") : undefined;
    const same = eq ? truthyOf(ev, ev.call(eq, [right])) : equal(left, right);
    return same instanceof Unknown ? same : same === (op === "==");
  }
  const order = compare(op, left, right);
  if (order instanceof Unknown) return order;
  return op === "<" ? order < 0 : op === "<=" ? order <= 0 : op === ">" ? order > 0 : order >= 0;
}

function isImmutable(value: Value): boolean {
  return value === null || typeof value !== "object";
}
