import { tensorOperator } from "../../libraries/torch";
import { compare, equal, isSame, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { Unknown } from "../../values/unknown";
import { PyList, PyTensor, PyTuple, type Value } from "../../values/values";
import { contains, truthyOf } from "./iteration";
import { isNotImplemented } from "./operators";

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
        isSame(left, right) ||
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
  for (const side of [left, right]) if (typeof side === "object" && side !== null) ev.alike.readsWhole(side);
  if (left instanceof PyTensor || right instanceof PyTensor) {
    if ((left === null || right === null) && (op === "==" || op === "!=")) return op === "!=";
    return tensorOperator(op, [left, right], ev);
  }
  const [own, other] = REFLECTED[op]!;
  const method = ev.special(left, own);
  if (method) {
    const result = ev.call(method, [right]);
    if (!isNotImplemented(result)) return result;
  }
  if (op === "!=") {
    const same = compareValues(ev, "==", left, right);
    const truth = same instanceof Unknown ? same : truthyOf(ev, same);
    return truth instanceof Unknown ? truth : !truth;
  }
  const reflected = ev.special(right, other);
  if (reflected) {
    const result = ev.call(reflected, [left]);
    if (!isNotImplemented(result)) return result;
  }
  if (op === "==") return equalItems(ev, left, right);
  const order = compare(op, left, right);
  if (order instanceof Unknown) return order;
  return op === "<" ? order < 0 : op === "<=" ? order <= 0 : op === ">" ? order > 0 : order >= 0;
}

/** `==` of containers whose items may have an `__eq__` of their own. */
function equalItems(ev: Evaluator, left: Value, right: Value): boolean | Unknown {
  const bothLists = left instanceof PyList && right instanceof PyList;
  const bothTuples = left instanceof PyTuple && right instanceof PyTuple;
  if (!bothLists && !bothTuples) return equal(left, right);
  if (left.items.length !== right.items.length) return false;
  for (const [i, item] of left.items.entries()) {
    ev.step();
    const other = right.items[i]!;
    if (item === other) continue;
    const same = compareValues(ev, "==", item, other);
    const truth = same instanceof Unknown ? same : truthyOf(ev, same);
    if (truth !== true) return truth;
  }
  return true;
}

function isImmutable(value: Value): boolean {
  return value === null || typeof value !== "object";
}
