import type { BinaryOp, CompareOp, Expr } from "../../syntax/ast";
import { dictSet, equal, keyOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { arithmetic, isNumeric, numberOf } from "../../values/numbers";
import { PyRange } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyDict, PyFloat, PyList, PyNamespace, PySet, PyTuple, type Value } from "../../values/values";
import type { Scope } from "../scope";
import { plainFunctionOf } from "./plainFunctions";

/** Expressions over plain data as functions: numbers, strings, and Python's own containers. */

/** Thrown where plain code does not support an operation. */
export const NOT_PLAIN = Symbol("not plain");

/** The names that a loop uses, each in a slot of its own. */
export interface Frame {
  readonly ev: Evaluator;
  readonly scope: Scope;
  readonly slots: (Value | undefined)[];
  /** Slots whose values the scope does not have yet. */
  readonly written: Set<number>;
}
export type Code = (frame: Frame) => Value;

export class Slots {
  /** Statements compiled so far. */
  statements = 0;
  readonly names: string[] = [];

  of(name: string): number {
    const known = this.names.indexOf(name);
    return known >= 0 ? known : this.names.push(name) - 1;
  }
}

function leave(): never {
  throw NOT_PLAIN;
}

type Items = PyList | PyTuple;

function isItems(value: Value): value is Items {
  return (value instanceof PyList || value instanceof PyTuple) && value.subclass === undefined;
}

/** A dict that is no class of the source, nor one with defaults. */
function isDict(value: Value): value is PyDict {
  return value instanceof PyDict && value.constructor === PyDict && value.subclass === undefined;
}

export function plainTruth(value: Value): boolean {
  if (typeof value === "boolean") return value;
  if (value === null) return false;
  if (isNumeric(value)) return numberOf(value) !== 0;
  if (typeof value === "string") return value !== "";
  if (isItems(value)) return value.items.length > 0;
  return isDict(value) ? value.entries.size > 0 : leave();
}

function place(items: readonly Value[], key: Value): number {
  if (typeof key !== "number") return leave();
  const at = key < 0 ? key + items.length : key;
  return at >= 0 && at < items.length ? at : leave();
}

export function plainItem(object: Value, key: Value): Value {
  if (isItems(object)) return object.items[place(object.items, key)]!;
  if (!isDict(object) || key instanceof Unknown) return leave();
  return object.entries.get(keyOf(key))?.value ?? missing(object, key);
}

/** None is a value, too. */
function missing(dict: PyDict, key: Value): Value {
  return dict.entries.has(keyOf(key)) ? null : leave();
}

/** `object[key] = value`. */
export function setPlainItem(object: Value, key: Value, value: Value): void {
  if (object instanceof PyList && object.subclass === undefined) object.items[place(object.items, key)] = value;
  else if (isDict(object) && !(key instanceof Unknown)) dictSet(object, key, value);
  else leave();
}

export function plainArithmetic(op: BinaryOp, left: Value, right: Value): Value {
  if (typeof left === "number" && typeof right === "number" && (op === "+" || op === "-" || op === "*")) {
    const result = op === "+" ? left + right : op === "-" ? left - right : left * right;
    if (Number.isSafeInteger(result)) return result + 0;
  }
  if (!isNumeric(left) || !isNumeric(right)) return leave();
  if (op === "/") {
    const divisor = numberOf(right);
    return divisor === 0 ? leave() : new PyFloat(numberOf(left) / divisor);
  }
  return arithmetic(op, left, right);
}

function isScalar(value: Value): boolean {
  return value === null || typeof value !== "object" || value instanceof PyFloat;
}

function compared(op: CompareOp, left: Value, right: Value): boolean {
  if (op === "in" || op === "not in") {
    if (left instanceof Unknown) return leave();
    const within = isDict(right) || (right instanceof PySet && right.subclass === undefined);
    const found = within
      ? right.entries.has(keyOf(left))
      : isItems(right) && isScalar(left)
        ? holds(right, left)
        : leave();
    return found === (op === "in");
  }
  if (isNumeric(left) && isNumeric(right)) {
    const [a, b] = [numberOf(left), numberOf(right)];
    switch (op) {
      case "<":
        return a < b;
      case "<=":
        return a <= b;
      case ">":
        return a > b;
      case ">=":
        return a >= b;
      case "==":
        return a === b;
      case "!=":
        return a !== b;
    }
  }
  if (!isScalar(left) || !isScalar(right)) return leave();
  if (op === "==" || op === "!=") return (equal(left, right) === true) === (op === "==");
  return leave();
}

function holds({ items }: Items, wanted: Value): boolean {
  return items.some((item) => (isScalar(item) ? equal(item, wanted) === true : leave()));
}

/** The function of an expression. */
export function compile(expr: Expr, slots: Slots): Code {
  switch (expr.kind) {
    case "Constant": {
      const { value } = expr;
      return () => value;
    }
    case "Name": {
      const slot = slots.of(expr.id);
      return ({ slots: values }) => values[slot] ?? (values[slot] === null ? null : leave());
    }
    case "Tuple":
    case "List": {
      const items = expr.items.map((item) => compile(item, slots));
      if (expr.kind === "List") return (frame) => new PyList(items.map((item) => item(frame)));
      return (frame) => new PyTuple(items.map((item) => item(frame)));
    }
    case "Subscript": {
      const [object, key] = [compile(expr.object, slots), compile(expr.index, slots)];
      return (frame) => plainItem(object(frame), key(frame));
    }
    case "Binary": {
      const { op } = expr;
      const [left, right] = [compile(expr.left, slots), compile(expr.right, slots)];
      return (frame) => plainArithmetic(op, left(frame), right(frame));
    }
    case "Unary": {
      const { op } = expr;
      const operand = compile(expr.operand, slots);
      if (op === "not") return (frame) => !plainTruth(operand(frame));
      if (op === "-") return (frame) => plainArithmetic("*", -1, operand(frame));
      return leave();
    }
    case "Bool": {
      const stops = expr.op === "or";
      const [left, right] = [compile(expr.left, slots), compile(expr.right, slots)];
      return (frame) => {
        const value = left(frame);
        return plainTruth(value) === stops ? value : right(frame);
      };
    }
    case "Compare": {
      const [op, ...more] = expr.ops;
      if (op === undefined || more.length > 0) return leave();
      const [left, right] = [compile(expr.left, slots), compile(expr.rights[0]!, slots)];
      return (frame) => compared(op, left(frame), right(frame));
    }
    case "Conditional": {
      const [test, yes, no] = [expr.test, expr.whenTrue, expr.otherwise].map((e) => compile(e, slots)) as [
        Code,
        Code,
        Code,
      ];
      return (frame) => (plainTruth(test(frame)) ? yes(frame) : no(frame));
    }
    case "Call":
      return compileCall(expr, slots);
    default:
      return leave();
  }
}

/** `abs(x)`, `math.sin(x)`: the functions that plain code knows, found by the values that the names have. */
function compileCall(expr: Extract<Expr, { kind: "Call" }>, slots: Slots): Code {
  const { callee } = expr;
  if (!expr.simple) return leave();
  const args = expr.args.map(({ value }) => compile(value, slots));
  const found = compileCallee(callee, slots);
  return (frame) => {
    const fn = plainFunctionOf(found(frame));
    return fn?.(args.map((arg) => arg(frame))) ?? leave();
  };
}

export function compileCallee(callee: Expr, slots: Slots): Code {
  if (callee.kind === "Name") return compile(callee, slots);
  if (callee.kind !== "Attribute" || callee.object.kind !== "Name") return leave();
  const { name } = callee;
  const object = compile(callee.object, slots);
  return (frame) => {
    const module = object(frame);
    // A module whose names are evaluated as they are asked for is a class of its own.
    return (
      (module instanceof PyNamespace && module.constructor === PyNamespace ? module.get(name) : undefined) ?? leave()
    );
  };
}

/** The length of what a loop goes over, where it can be gone over again. */
export function plainLength(value: Value): number | undefined {
  if (value instanceof PyRange) return value.length;
  return isItems(value) ? value.items.length : undefined;
}

export function plainElement(value: Value, i: number): Value {
  if (value instanceof PyRange) return value.first + i * value.step;
  return isItems(value) ? value.items[i]! : leave();
}
