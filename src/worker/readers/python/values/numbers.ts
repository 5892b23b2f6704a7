import type { BinaryOp } from "../syntax/ast";
import { Unknown } from "./unknown";
import { PyError, PyFloat, type Value } from "./values";

export type Numeric = number | boolean | PyFloat;

export function isNumeric(value: Value): value is Numeric {
  return typeof value === "number" || typeof value === "boolean" || value instanceof PyFloat;
}

export function numberOf(value: Numeric): number {
  return value instanceof PyFloat ? value.value : Number(value);
}

/** A whole number as Python's int, or unknown where a double no longer holds it exactly. */
export function int(value: number): Value {
  if (Number.isSafeInteger(value)) return value + 0;
  return new Unknown("a whole number beyond 2^53 is not computed");
}

/** Python's arithmetic of int, bool and float: exact where Python is exact. */
export function arithmetic(op: BinaryOp, left: Numeric, right: Numeric): Value {
  const a = numberOf(left);
  const b = numberOf(right);
  if (left instanceof PyFloat || right instanceof PyFloat) return floatArithmetic(op, a, b);
  switch (op) {
    case "+":
      return int(a + b);
    case "-":
      return int(a - b);
    case "*":
      return int(a * b);
    case "/":
      if (b === 0) throw new PyError("ZeroDivisionError", "division by zero");
      return new PyFloat(a / b);
    case "//": {
      if (b === 0) throw new PyError("ZeroDivisionError", "integer division or modulo by zero");
      return int(quotient(a, b));
    }
    case "%": {
      if (b === 0) throw new PyError("ZeroDivisionError", "integer modulo by zero");
      return int(modulo(a, b));
    }
    case "**":
      if (b < 0) {
        if (a === 0) throw new PyError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
        return new PyFloat(a ** b);
      }
      return int(a ** b);
    case "&":
    case "|":
    case "^": {
      const [x, y] = [BigInt(a), BigInt(b)];
      const bits = op === "&" ? x & y : op === "|" ? x | y : x ^ y;
      return typeof left === "boolean" && typeof right === "boolean" ? bits === 1n : int(Number(bits));
    }
    case "<<":
      if (b < 0) throw new PyError("ValueError", "negative shift count");
      return int(a * 2 ** b);
    case ">>":
      if (b < 0) throw new PyError("ValueError", "negative shift count");
      return int(Math.floor(a / 2 ** b));
    case "@":
      throw unsupported(op, left, right);
  }
}

function floatArithmetic(op: BinaryOp, a: number, b: number): Value {
  switch (op) {
    case "+":
      return new PyFloat(a + b);
    case "-":
      return new PyFloat(a - b);
    case "*":
      return new PyFloat(a * b);
    case "/":
      if (b === 0) throw new PyError("ZeroDivisionError", "float division by zero");
      return new PyFloat(a / b);
    case "//":
      if (b === 0) throw new PyError("ZeroDivisionError", "float floor division by zero");
      return new PyFloat(floatQuotient(a, b));
    case "%":
      if (b === 0) throw new PyError("ZeroDivisionError", "float modulo");
      return new PyFloat(modulo(a, b));
    case "**":
      if (a === 0 && b < 0) throw new PyError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
      if (a < 0 && !Number.isInteger(b)) return new Unknown("complex numbers are not supported");
      return new PyFloat(a ** b);
    default:
      throw new PyError("TypeError", `unsupported operand type(s) for ${op}: 'float' and 'float'`);
  }
}

/** Of whole numbers, rounded down. */
export function quotient(a: number, b: number): number {
  const remainder = a % b;
  const towardsZero = (a - remainder) / b;
  return remainder !== 0 && remainder < 0 !== b < 0 ? towardsZero - 1 : towardsZero;
}

/** What is left has the divisor's sign, zero too. */
export function modulo(a: number, b: number): number {
  const remainder = a % b;
  if (remainder === 0) return b < 0 ? -0 : 0;
  return remainder < 0 !== b < 0 ? remainder + b : remainder;
}

/** Of floats, rounded down. Zero has the sign of what was rounded. */
function floatQuotient(a: number, b: number): number {
  const rounded = Math.floor((a - modulo(a, b)) / b + 0.5);
  return rounded === 0 && (a < 0 || Object.is(a, -0)) !== b < 0 ? -0 : rounded;
}

function unsupported(op: string, left: Numeric, right: Numeric): PyError {
  const name = (v: Numeric) => (v instanceof PyFloat ? "float" : typeof v === "boolean" ? "bool" : "int");
  return new PyError("TypeError", `unsupported operand type(s) for ${op}: '${name(left)}' and '${name(right)}'`);
}

/** round(): the nearest decimal to the exact value, half to even, as Python does. */
export function roundHalfEven(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 60) return value;
  if (digits <= 0) {
    const unit = 10 ** -digits;
    const floor = Math.floor(value / unit);
    const rest = value / unit - floor;
    return (rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1) * unit;
  }
  // A double's decimal expansion is finite: a tie shows as a 5 with nothing but zeros after it.
  const exact = Math.abs(value).toFixed(Math.min(100, digits + 40));
  const cut = exact.indexOf(".") + 1 + digits;
  const isTie = /^50*$/.test(exact.slice(cut));
  const down = exact.slice(0, cut);
  const rounded = isTie && Number(down.at(-1)) % 2 === 0 ? Number(down) : Number(Math.abs(value).toFixed(digits));
  return value < 0 ? -rounded : rounded;
}

/** repr of a float: shortest digits that read back, always with a point or an exponent. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    const [mantissa, exponent] = value.toExponential().split("e") as [string, string];
    const digits = exponent.slice(1).padStart(2, "0");
    return `${mantissa}e${exponent[0]}${digits}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
