import { type DType, isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import { is, type Node } from "../../../../../graph/node";
import { PyError } from "../../../values/values";
import { scalarTypeName } from "../tensor/tensor";
import { floorDivide, remainder } from "./division";

/** Bitwise operations, whose ops a graph does not have: by arithmetic on whole numbers in two's complement. */

const BITS: Partial<Readonly<Record<DType, number>>> = { uint8: 8, int8: 8, int16: 16, int32: 32, int64: 64 };

function bitsOf(x: Node, name: string): number {
  const bits = BITS[x.dtype];
  if (bits !== undefined) return bits;
  const type = isFloating(x.dtype) ? "RuntimeError" : "NotImplementedError";
  throw new PyError(type, `"${name}_cpu" not implemented for '${scalarTypeName(x.dtype)}'`);
}

export function bitwise(op: "and" | "or" | "xor", x: Node, y: Node): Node {
  if (x.dtype === "bool") {
    return op === "xor" ? build.unary("not", build.binary("equal", x, y)) : build.binary(op, x, y);
  }
  const width = bitsOf(x, `bitwise_${op}`);
  if (op === "and") {
    // The lowest bits of a number are what a power of two leaves of it.
    for (const [value, mask] of [
      [x, y],
      [y, x],
    ] as const) {
      const low = numberOf(mask);
      if (low !== undefined && low >= 0 && Number.isInteger(Math.log2(low + 1)) && low < 2 ** 31) {
        return build.cast(remainder(build.cast(value, "int64"), build.scalar(low + 1, "int64")), x.dtype);
      }
    }
  }
  return fromBits(op, toBits(x, width), toBits(y, width), width, x.dtype);
}

const numberOf = (node: Node): number | undefined =>
  is(node, "constant") && node.attrs.data.length === 1 ? Number(node.attrs.data[0]) : undefined;

/** The bits in a last dimension of their own, lowest first, as int64; a signed number's sign is its last bit. */
function toBits(x: Node, width: number): Node {
  const wide = build.cast(x, "int64");
  const column = build.reshape(wide, [...x.shape, 1]);
  const unsigned = x.dtype === "uint8" ? width : width - 1;
  const bits = remainder(floorDivide(column, powers(unsigned)), build.scalar(2, "int64"));
  if (unsigned === width) return bits;
  const sign = build.cast(build.binary("less", column, build.scalar(0, "int64")), "int64");
  return build.concat([bits, sign], x.shape.length);
}

const powers = (count: number): Node =>
  build.constant(
    BigInt64Array.from({ length: count }, (_, i) => 1n << BigInt(i)),
    [count],
    "int64",
  );

function fromBits(op: "and" | "or" | "xor", a: Node, b: Node, width: number, dtype: DType): Node {
  const both = build.mul(a, b);
  const sum = build.add(a, b);
  const bits = op === "and" ? both : build.sub(sum, op === "or" ? both : build.mul(both, build.scalar(2, "int64")));
  // In two halves: an engine may add whole numbers up in floating point, where 2^53 is the most it can tell.
  const low = weighted(bits, 0, Math.min(width, 32), dtype !== "uint8" && width <= 32);
  if (width <= 32) return build.cast(low, dtype);
  const high = weighted(bits, 32, width, true);
  return build.add(build.mul(high, build.scalar(2 ** 32, "int64")), low);
}

/** The number that the bits from `from` to `to` are; the last of a signed one counts negative. */
function weighted(bits: Node, from: number, to: number, signed: boolean): Node {
  const axis = bits.shape.length - 1;
  const weights = BigInt64Array.from({ length: to - from }, (_, i) => 1n << BigInt(i));
  if (signed) weights[to - from - 1]! *= -1n;
  const part = build.narrow(bits, axis, from, to);
  return build.reduce("sum", build.mul(part, build.constant(weights, [to - from], "int64")), [axis], false);
}

/** x times a power of two; what is shifted out is gone. */
export function shiftLeft(x: Node, by: Node): Node {
  const width = bitsOf(x, "lshift");
  const factor = build.cast(build.binary("pow", build.scalar(2, "int64"), clipped(by, width)), x.dtype);
  return build.where(outside(by, width), build.scalar(0, x.dtype), build.mul(x, factor));
}

/** Keeps the sign, as PyTorch's `>>` does. */
export function shiftRight(x: Node, by: Node): Node {
  const width = bitsOf(x, "rshift");
  // The whole width leaves what the width less one does: the sign.
  const most = Math.min(width - 1, 62);
  const clip = build.where(outside(by, most), build.scalar(most, "int64"), build.cast(by, "int64"));
  const divisor = build.binary("pow", build.scalar(2, "int64"), clip);
  return build.cast(floorDivide(build.cast(x, "int64"), divisor), x.dtype);
}

const clipped = (by: Node, width: number): Node =>
  build.where(outside(by, width), build.scalar(0, "int64"), build.cast(by, "int64"));
function outside(by: Node, width: number): Node {
  const wide = build.cast(by, "int64");
  const negative = build.binary("less", wide, build.scalar(0, "int64"));
  return build.binary("or", negative, build.binary("less", build.scalar(width - 1, "int64"), wide));
}
