import { type DType, isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { PyError, type PyFloat, PyTensor, type Runtime } from "../../../values/values";
import { isNumber, numberDType, numberOf } from "../registry/arguments";
import { nodeOf, type Operand, operandOf, resultType, scalarTypeName } from "../tensor/tensor";
import { bitwise, shiftLeft, shiftRight } from "./bitwise";
import { floorDivide, remainder } from "./division";

/** Arithmetic and comparison with PyTorch's type promotion; Python numbers mix with tensors. */

export type Number = number | PyFloat | boolean;
export type Operands = PyTensor | Node | Number;

/** A Python number or a tensor, for promotion. */
function describe(value: Operands, runtime: Runtime | undefined): { node?: Node; number?: Number; operand: Operand } {
  if (isNumber(value)) return { number: value, operand: { dtype: numberDType(value), rank: "number" } };
  const node = value instanceof PyTensor ? nodeOf(value, runtime) : value;
  return { node, operand: operandOf(node) };
}

export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floorDivide"
  | "remainder"
  | "pow"
  | "maximum"
  | "minimum"
  | "equal"
  | "notEqual"
  | "less"
  | "lessEqual"
  | "greater"
  | "greaterEqual"
  | "and"
  | "or"
  | "xor"
  | "leftShift"
  | "rightShift";

/** Operands as nodes of their common dtype. */
export function promoted(values: readonly Operands[], runtime?: Runtime, floating = false): Node[] {
  const described = values.map((v) => describe(v, runtime));
  let dtype = resultType(described.map((d) => d.operand));
  if (floating && !isFloating(dtype)) dtype = "float32";
  return described.map((d) => (d.node ? build.cast(d.node, dtype) : build.scalar(numberOf(d.number!), dtype)));
}

export function arithmetic(op: BinaryOp, a: Operands, b: Operands, runtime?: Runtime): Node {
  if (op === "pow") return power(a, b, runtime);
  const [x, y] = promoted([a, b], runtime, op === "div") as [Node, Node];
  switch (op) {
    case "add":
      return x.dtype === "bool" ? build.binary("or", x, y) : build.add(x, y);
    case "mul":
      return x.dtype === "bool" ? build.binary("and", x, y) : build.mul(x, y);
    case "sub":
      if ([a, b].some((v) => v === true || v === false || (!isNumber(v) && v.dtype === "bool"))) {
        throw new PyError(
          "RuntimeError",
          `Subtraction, the \`-\` operator, with ${x.dtype === "bool" ? "two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead." : "a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."}`,
        );
      }
      return build.sub(x, y);
    case "div":
    case "maximum":
    case "minimum":
      return build.binary(op, x, y);
    case "floorDivide":
      return floorDivide(x, y);
    case "remainder":
      return remainder(x, y);
    case "equal":
    case "less":
    case "lessEqual":
      return build.binary(op, x, y);
    case "notEqual":
      return build.unary("not", build.binary("equal", x, y));
    case "greater":
      return build.binary("less", y, x);
    case "greaterEqual":
      return build.binary("lessEqual", y, x);
    case "and":
    case "or":
    case "xor":
      return bitwise(op, x, y);
    case "leftShift":
      return shiftLeft(x, y);
    case "rightShift":
      return shiftRight(x, y);
  }
}

/** Small constant exponents become products and roots, as PyTorch computes them. */
function power(a: Operands, b: Operands, runtime?: Runtime): Node {
  const [x, y] = promoted([a, b], runtime) as [Node, Node];
  if (isNumber(b) && !isNumber(a)) {
    const exponent = numberOf(b);
    if (!isFloating(x.dtype) && exponent < 0) {
      throw new PyError("RuntimeError", "Integers to negative integer powers are not allowed.");
    }
    switch (exponent) {
      case 1:
        return x;
      case 2:
        return build.mul(x, x);
      case 3:
        return build.mul(build.mul(x, x), x);
      case 0.5:
        if (!isFloating(x.dtype)) break;
        return build.unary("sqrt", x);
      case -0.5:
        return build.unary("reciprocal", build.unary("sqrt", x));
      case -1:
        return build.unary("reciprocal", x);
      case -2:
        return build.unary("reciprocal", build.mul(x, x));
    }
  }
  if (isNumber(b) && !isFloating(x.dtype) && Number.isInteger(numberOf(b))) return wholePower(x, numberOf(b));
  return build.binary("pow", x, y);
}

/** By squaring, so that what overflows wraps around. */
function wholePower(x: Node, exponent: number): Node {
  let result: Node | undefined;
  let square = x;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result ? build.mul(result, square) : square;
    if (left > 1) square = build.mul(square, square);
  }
  return result ?? build.full(1, x.shape, x.dtype);
}

/** x * number, in x's floating dtype. */
export function scale(x: Node, factor: number): Node {
  return factor === 1 ? x : build.mul(x, build.scalar(factor, x.dtype));
}

export function shift(x: Node, by: number): Node {
  return by === 0 ? x : build.add(x, build.scalar(by, x.dtype));
}

/** Operations that PyTorch computes in floating point whatever the input. */
export function floating(x: Node): Node {
  return isFloating(x.dtype) ? x : build.cast(x, "float32");
}

export function requireFloating(x: Node, what: string): Node {
  if (isFloating(x.dtype)) return x;
  throw new PyError("NotImplementedError", `"${what}" not implemented for '${scalarTypeName(x.dtype)}'`);
}

/** Halves are computed as float32 and rounded once, as PyTorch computes what takes several steps. */
export function widely(x: Node, body: (wide: Node) => Node): Node {
  const half = x.dtype === "float16" || x.dtype === "bfloat16";
  return half ? build.cast(body(build.cast(x, "float32")), x.dtype) : body(x);
}

export function filled(value: number, dtype: DType): Node {
  return build.scalar(value, dtype);
}
