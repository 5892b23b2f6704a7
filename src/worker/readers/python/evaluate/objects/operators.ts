import { tensorOperator } from "../../libraries/torch";
import type { BinaryOp, UnaryOp } from "../../syntax/ast";
import { dictSet, setOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { TENSOR_STEPS } from "../../values/limits";
import { arithmetic, int, isNumeric, numberOf } from "../../values/numbers";
import { classOf, NOT_IMPLEMENTED, plain, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  PyClass,
  PyDict,
  PyError,
  PyFloat,
  PyList,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";
import { truthyOf } from "./iteration";
import { percentFormat } from "./text";

const METHODS: Record<BinaryOp, string> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "truediv",
  "//": "floordiv",
  "%": "mod",
  "**": "pow",
  "@": "matmul",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "lshift",
  ">>": "rshift",
};

const UNARY_METHODS = { "-": "__neg__", "+": "__pos__", "~": "__invert__" } as const;

/** `left op right`. */
export function binaryOperation(ev: Evaluator, op: BinaryOp, a: Value, b: Value): Value {
  if (a instanceof Unknown) return a.derived();
  if (b instanceof Unknown) return b.derived();
  const own = ev.special(a, `__${METHODS[op]}__`);
  if (own && classOf(a) !== undefined && !(a instanceof PyClass)) {
    const result = ev.call(own, [b]);
    if (!isNotImplemented(result)) return result;
  }
  const [left, right] = [plain(a), plain(b)];
  if (isNumeric(left) && isNumeric(right)) return arithmetic(op, left, right);
  if (left instanceof PyTensor && right instanceof PyObject) {
    // A complex tensor is an object with operators of its own.
    const reflected = ev.special(right, `__r${METHODS[op]}__`);
    if (reflected) return ev.call(reflected, [left]);
  }
  if (left instanceof PyTensor || right instanceof PyTensor) return onTensors(ev, op, [left, right]);
  const result = onContainers(ev, op, left, right);
  if (result !== undefined) return result;
  const reflected = ev.special(b, `__r${METHODS[op]}__`);
  if (reflected) {
    const result = ev.call(reflected, [a]);
    if (!isNotImplemented(result)) return result;
  }
  // `int | None`: a union is the tuple that isinstance() takes.
  if (op === "|" && [left, right].every((v) => v === null || v instanceof PyClass || v instanceof PyTuple)) {
    return new PyTuple([left, right].flatMap((v) => (v instanceof PyTuple ? v.items : [v])));
  }
  throw new PyError("TypeError", `unsupported operand type(s) for ${op}: '${typeName(left)}' and '${typeName(right)}'`);
}

/** What an operator's method gives back when it does not know the other operand. */
export function isNotImplemented(value: Value): boolean {
  return value === NOT_IMPLEMENTED;
}

/** An operator of which at least one operand is a tensor. */
function onTensors(ev: Evaluator, op: string, operands: readonly Value[]): Value {
  for (const operand of operands) ev.alike.reads(operand);
  const { recorder, source, span } = ev;
  ev.step(TENSOR_STEPS);
  const body = (): Value => tensorOperator(op, operands, ev);
  return recorder ? recorder.operator(source, op, operands, span, body) : body();
}

function onContainers(ev: Evaluator, op: BinaryOp, left: Value, right: Value): Value | undefined {
  ev.alike.reads(left);
  ev.alike.reads(right);
  if (typeof left === "string") {
    ev.alike.readsWhole(right);
    if (op === "%") return percentFormat(ev, left, right);
    if (op === "+" && typeof right === "string") {
      ev.allot(left.length + right.length, "a string");
      return left + right;
    }
    if (op === "*" && typeof right === "number") return repeatText(ev, left, right);
    if (op === "+") throw new PyError("TypeError", `can only concatenate str (not "${typeName(right)}") to str`);
  }
  if (typeof right === "string" && typeof left === "number" && op === "*") return repeatText(ev, right, left);
  if (left instanceof PyList && right instanceof PyList && op === "+") {
    ev.allot(left.items.length + right.items.length, "a list");
    return new PyList([...left.items, ...right.items]);
  }
  if (left instanceof PyTuple && right instanceof PyTuple && op === "+") {
    ev.allot(left.items.length + right.items.length, "a tuple");
    return new PyTuple([...left.items, ...right.items]);
  }
  if (op === "*") {
    const [sequence, count] = isNumeric(left) ? [right, left] : [left, right];
    if (
      (sequence instanceof PyList || sequence instanceof PyTuple) &&
      (typeof count === "number" || typeof count === "boolean")
    ) {
      const items = repeat(ev, sequence.items, Number(count));
      return sequence instanceof PyList ? new PyList(items) : new PyTuple(items);
    }
  }
  if (left instanceof PySet && right instanceof PySet) return onSets(op, left, right);
  if (left instanceof PyDict && right instanceof PyDict && op === "|") {
    const dict = new PyDict();
    for (const source of [left, right]) for (const { key, value } of source.entries.values()) dictSet(dict, key, value);
    return dict;
  }
  return undefined;
}

function repeatText(ev: Evaluator, text: string, count: number): string {
  ev.allot(text.length * Math.max(0, count), "a string");
  return text.repeat(Math.max(0, count));
}

function repeat(ev: Evaluator, items: readonly Value[], count: number): Value[] {
  ev.allot(items.length * Math.max(0, count), "a list");
  const out: Value[] = [];
  for (let i = 0; i < count; i++) for (const item of items) out.push(item);
  return out;
}

export function onSets(op: string, left: PySet, right: PySet): PySet | undefined {
  const a = [...left.entries];
  switch (op) {
    case "|":
      return setOf([...left.entries.values(), ...right.entries.values()]);
    case "&":
      return setOf(a.filter(([key]) => right.entries.has(key)).map(([, v]) => v));
    case "-":
      return setOf(a.filter(([key]) => !right.entries.has(key)).map(([, v]) => v));
    case "^":
      return setOf([
        ...a.filter(([key]) => !right.entries.has(key)).map(([, v]) => v),
        ...[...right.entries].filter(([key]) => !left.entries.has(key)).map(([, v]) => v),
      ]);
    default:
      return undefined;
  }
}

/** `left op= right`: lists, dicts, sets and tensors change in place. */
export function augmented(ev: Evaluator, op: BinaryOp, left: Value, right: Value): Value {
  if (left instanceof Unknown) return left.derived();
  if (left instanceof PyList || left instanceof PyDict || left instanceof PySet || left instanceof PyTensor)
    ev.alike.writes(left);
  ev.alike.reads(right);
  if (left instanceof PyTensor && !(right instanceof Unknown)) return onTensors(ev, `${op}=`, [left, right]);
  if (left instanceof PyList && op === "+") {
    if (right instanceof Unknown) return right.derived();
    for (const item of [...ev.iterate(right)]) left.items.push(item);
    ev.allot(left.items.length, "a list");
    return left;
  }
  if (left instanceof PyDict && right instanceof PyDict && op === "|") {
    for (const { key, value } of right.entries.values()) dictSet(left, key, value);
    return left;
  }
  if (right instanceof Unknown) return right.derived();
  if (left instanceof PySet && right instanceof PySet && "|&-^".includes(op)) {
    const result = onSets(op, left, right)!;
    left.entries.clear();
    for (const [key, value] of result.entries) left.entries.set(key, value);
    return left;
  }
  const method = ev.special(left, `__i${METHODS[op]}__`);
  const result = method ? ev.call(method, [right]) : NOT_IMPLEMENTED;
  return isNotImplemented(result) ? binaryOperation(ev, op, left, right) : result;
}

export function unaryOperation(ev: Evaluator, op: UnaryOp, given: Value): Value {
  if (given instanceof Unknown) return given.derived();
  const own = op === "not" ? undefined : ev.special(given, UNARY_METHODS[op]);
  if (own) return ev.call(own, []);
  const operand = plain(given);
  if (op === "not") {
    const truth = truthyOf(ev, operand);
    return truth instanceof Unknown ? truth : !truth;
  }
  if (operand instanceof PyTensor) {
    ev.alike.reads(operand);
    return tensorOperator(op, [operand], ev);
  }
  if (operand instanceof PyFloat && op !== "~") return new PyFloat(op === "-" ? -operand.value : operand.value);
  if (isNumeric(operand) && !(operand instanceof PyFloat)) {
    const n = numberOf(operand);
    return int(op === "-" ? -n : op === "~" ? -n - 1 : n);
  }
  throw new PyError("TypeError", `bad operand type for unary ${op}: '${typeName(operand)}'`);
}
