import { typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyError, PyTensor, type Runtime, type Value } from "../../values/values";
import { arithmetic, type BinaryOp, type Operands } from "./functions/arithmetic";
import { affine } from "./functions/elementwise";
import { matmul } from "./functions/products";
import { isNumber } from "./registry/arguments";
import { guarded } from "./registry/native";
import { replaceChecked, tensorMethods } from "./registry/table";
import { forgetValue, nodeOf, wrap } from "./tensor/tensor";
import { tied } from "./tensor/views";

const OPERATORS: Readonly<Record<string, BinaryOp>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "//": "floorDivide",
  "%": "remainder",
  "**": "pow",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "leftShift",
  ">>": "rightShift",
  "==": "equal",
  "!=": "notEqual",
  "<": "less",
  "<=": "lessEqual",
  ">": "greater",
  ">=": "greaterEqual",
};
const AUGMENTED = new Set(["+=", "-=", "*=", "/=", "//=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>=", "@="]);
const UNARY: Readonly<Record<string, string>> = { "-": "neg", "~": "bitwise_not", "+": "positive" };

/** `op` as Python writes it, on one or two operands of which at least one is a tensor. */
export function tensorOperator(op: string, operands: readonly Value[], runtime: Runtime): Value {
  const unknown = operands.find((o) => o instanceof Unknown);
  if (unknown) {
    const target = operands[0];
    if (AUGMENTED.has(op) && target instanceof PyTensor) forgetValue(target, unknown, runtime);
    return unknown;
  }
  const [left, right] = operands as [Value, Value | undefined];
  if (right === undefined && operands.length === 1) {
    const name = UNARY[op];
    if (name === "positive") return left;
    const method = name === undefined ? undefined : tensorMethods.get(name);
    if (!method) throw unsupported(op, operands, runtime);
    return method.body({ input: left }, runtime);
  }
  return guarded(runtime, () => {
    if (AUGMENTED.has(op) && left instanceof PyTensor) {
      const value = compute(op.slice(0, -1), [left, right ?? null], runtime);
      if (op === "@=") return value;
      return value instanceof PyTensor ? replaceChecked(left, nodeOf(value), runtime) : value;
    }
    return tied(op, compute(op, operands, runtime), operands);
  });
}

function compute(op: string, operands: readonly Value[], runtime: Runtime): Value {
  const [a, b] = operands as [Value, Value];
  if (op === "@") {
    if (!(a instanceof PyTensor) || !(b instanceof PyTensor)) throw unsupported(op, operands, runtime);
    return wrap(matmul(nodeOf(a, runtime), nodeOf(b, runtime)));
  }
  const name = OPERATORS[op];
  if (name === undefined || !isOperand(a) || !isOperand(b)) throw unsupported(op, operands, runtime);
  return wrap(affine(name, a, b, runtime) ?? arithmetic(name, a, b, runtime));
}

function isOperand(value: Value): value is Exclude<Operands, object> | PyTensor {
  return value instanceof PyTensor || isNumber(value);
}

function unsupported(op: string, operands: readonly Value[], runtime: Runtime): PyError {
  const types = operands.map((o) => `'${typeName(o)}'`).join(" and ");
  return new PyError("TypeError", `unsupported operand type(s) for ${op}: ${types}`, runtime.place);
}
