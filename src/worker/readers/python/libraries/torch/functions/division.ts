import { isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import { is, type Node } from "../../../../../graph/node";

/**
 * Division with a rounded quotient, and what it leaves, as PyTorch defines both: a floored quotient's remainder has the
 * divisor's sign, a truncated one's the dividend's. Whole numbers are divided as whole numbers, so that none is rounded.
 */

/** Toward zero. */
export function truncate(x: Node): Node {
  const zero = build.scalar(0, x.dtype);
  return build.where(build.binary("less", x, zero), build.unary("ceil", x), build.unary("floor", x));
}

export function truncatedDivide(x: Node, y: Node): Node {
  return isFloating(x.dtype) ? truncate(build.div(x, y)) : build.div(x, divisor(y));
}

/** An engine's division of whole numbers by 0 may end its process; PyTorch's is an error, so the result is nobody's. */
function divisor(y: Node): Node {
  if (is(y, "constant") && Array.from(y.attrs.data, Number).every((v) => v !== 0)) return y;
  return build.where(build.binary("equal", y, build.scalar(0, y.dtype)), build.scalar(1, y.dtype), y);
}

export function floorDivide(x: Node, y: Node): Node {
  if (!isFloating(x.dtype)) {
    const by = divisor(y);
    const quotient = build.div(x, by);
    const rest = build.sub(x, build.mul(quotient, by));
    return build.sub(quotient, build.cast(apart(rest, by), x.dtype));
  }
  const [a, b] = wide(x, y);
  const rest = floatRest(a, b);
  // (a - rest) / b is whole but for its rounding.
  const quotient = build.sub(build.div(build.sub(a, rest), b), build.cast(apart(rest, b), a.dtype));
  const whole = build.unary("round", quotient);
  if (isOrdinary(b)) return build.cast(whole, x.dtype);
  const byZero = build.binary("equal", b, build.scalar(0, b.dtype));
  return build.cast(build.where(byZero, build.div(a, b), whole), x.dtype);
}

/** torch.remainder and `%`. */
export function remainder(x: Node, y: Node): Node {
  if (!isFloating(x.dtype)) {
    const by = divisor(y);
    const rest = build.sub(x, build.mul(build.div(x, by), by));
    return build.where(apart(rest, by), build.add(rest, by), rest);
  }
  const [a, b] = wide(x, y);
  const rest = floatRest(a, b);
  return build.cast(build.where(apart(rest, b), build.add(rest, b), rest), x.dtype);
}

/** torch.fmod. */
export function fmod(x: Node, y: Node): Node {
  if (!isFloating(x.dtype)) {
    const by = divisor(y);
    return build.sub(x, build.mul(build.div(x, by), by));
  }
  const [a, b] = wide(x, y);
  return build.cast(floatRest(a, b), x.dtype);
}

/** Quotients of float32 are exact in float64 up to 2^29, and with them what they leave. */
function wide(x: Node, y: Node): [Node, Node] {
  return [build.cast(x, "float64"), build.cast(y, "float64")];
}

/** a - b trunc(a / b); a finite number leaves itself when it is divided by an infinite one. */
function floatRest(a: Node, b: Node): Node {
  const rest = build.sub(a, build.mul(truncate(build.div(a, b)), b));
  if (isOrdinary(b)) return rest;
  const infinity = build.scalar(Number.POSITIVE_INFINITY, a.dtype);
  const byInfinity = build.binary("equal", build.unary("abs", b), infinity);
  const finite = build.binary("less", build.unary("abs", a), infinity);
  return build.where(build.binary("and", byInfinity, finite), a, rest);
}

/** Whether the divisor is written in the source, as finite numbers other than 0. */
function isOrdinary(divisor: Node): boolean {
  const y = is(divisor, "cast") ? divisor.inputs[0]! : divisor;
  return is(y, "constant") && Array.from(y.attrs.data, Number).every((v) => v !== 0 && Number.isFinite(v));
}

/** Something is left, and its sign is not the divisor's. */
function apart(rest: Node, by: Node): Node {
  const zero = build.scalar(0, rest.dtype);
  const left = build.unary("not", build.binary("equal", rest, zero));
  const signs = build.binary("equal", build.binary("less", rest, zero), build.binary("less", by, zero));
  return build.binary("and", left, build.unary("not", signs));
}
