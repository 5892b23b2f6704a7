import type { DType } from "./dtype";
import { allocate, type Tensor } from "./tensor";

/**
 * Conversions between element types as PyTorch's `Tensor.to(dtype)` makes them: to a narrower floating type by rounding
 * to the nearest value, ties to even; from floating to whole numbers by dropping the fraction; to bool by `!= 0`.
 */

/** Throws a RangeError when a value has no counterpart: NaN or a number too large for a type of whole numbers. */
export function convert(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const from = numbersOf(tensor);
  const to = allocate(dtype, tensor.shape);
  const length = from.length;
  if (dtype === "float16" || dtype === "bfloat16") {
    const narrow = dtype === "float16" ? floatToHalf : floatToBfloat16;
    for (let i = 0; i < length; i++) to.data[i] = narrow(from[i]!);
  } else if (dtype === "bool") {
    for (let i = 0; i < length; i++) to.data[i] = from[i] === 0 ? 0 : 1;
  } else if (dtype === "float32" || dtype === "float64") {
    (to.data as Float32Array | Float64Array).set(from);
  } else if (to.data instanceof BigInt64Array) {
    for (let i = 0; i < length; i++) to.data[i] = BigInt(inRange(from[i]!, dtype));
  } else {
    for (let i = 0; i < length; i++) to.data[i] = inRange(from[i]!, dtype);
  }
  return to;
}

/** The values as a new or the tensor's own Float32Array. float64 and large whole numbers are rounded to the nearest. */
export function toFloat32(tensor: Tensor): Float32Array {
  return convert(tensor, "float32").data as Float32Array;
}

/** The values of an int64 (or any) tensor as numbers. Throws a RangeError beyond 2^53, where numbers skip integers. */
export function toNumbers(tensor: Tensor): number[] {
  if (tensor.data instanceof BigInt64Array) {
    for (const value of tensor.data) {
      if (!Number.isSafeInteger(Number(value))) throw new RangeError(`${value} is too large to be an exact number`);
    }
  }
  return Array.from(numbersOf(tensor));
}

/** Every value as a number: exact but for int64 beyond 2^53. */
function numbersOf(tensor: Tensor): Exclude<Tensor["data"], BigInt64Array> {
  const { data, dtype } = tensor;
  if (data instanceof BigInt64Array) return Float64Array.from(data, Number);
  if (dtype !== "float16" && dtype !== "bfloat16") return data;
  const widened = new Float32Array(data.length);
  const bits = new Uint32Array(widened.buffer);
  if (dtype === "bfloat16") for (let i = 0; i < data.length; i++) bits[i] = data[i]! << 16;
  else for (let i = 0; i < data.length; i++) bits[i] = HALF_TO_FLOAT[data[i]!]!;
  return widened;
}

type WholeNumbers = "int64" | "int32" | "int16" | "int8" | "uint8";

/** Least value of each type, and the first too large. */
const RANGES: Readonly<Record<WholeNumbers, readonly [number, number]>> = {
  int64: [-(2 ** 63), 2 ** 63],
  int32: [-(2 ** 31), 2 ** 31],
  int16: [-(2 ** 15), 2 ** 15],
  int8: [-128, 128],
  uint8: [0, 256],
};

function inRange(value: number, dtype: WholeNumbers): number {
  const whole = Math.trunc(value);
  const [least, end] = RANGES[dtype];
  if (!(whole >= least && whole < end)) throw new RangeError(`${value} does not fit in ${dtype}`);
  return whole;
}

// One value at a time: a float's bits are seen through these.
const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** A float16's value. */
export function halfToFloat(half: number): number {
  scratchBits[0] = HALF_TO_FLOAT[half & 0xffff]!;
  return scratch[0]!;
}

/** The bits of the nearest float16, ties to even; beyond 65,519.99… infinity. */
export function floatToHalf(value: number): number {
  const bits = oddFloatBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // From 65520 = (2 - 2^-11) * 2^15 on, the nearest would need an exponent that float16 does not have.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the result is subnormal: a count of 2^-24, to which adding 0.5 rounds in float32's own mantissa.
  if (magnitude < 0x38800000) {
    scratchBits[0] = magnitude;
    scratch[0] = scratch[0]! + 0.5;
    return sign | (scratchBits[0]! - 0x3f000000);
  }
  // The exponent's bias changes from 127 to 15; 13 bits go. Adding 0xfff and the last bit kept rounds ties to even.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** A bfloat16's value. */
export function bfloat16ToFloat(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0]!;
}

/** The bits of the nearest bfloat16, ties to even. */
export function floatToBfloat16(value: number): number {
  const bits = oddFloatBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) & 0x8000) | 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/**
 * The float32 bits of a double, rounded to odd: an inexact value takes the neighbor whose last bit is 1. Rounding that
 * to a narrower type gives what rounding the double at once would, which rounding to nearest twice does not
 * (Boldo and Melquiond, "When double rounding is odd", 2005).
 */
function oddFloatBits(value: number): number {
  scratch[0] = value;
  const float = scratch[0]!;
  const bits = scratchBits[0]!;
  if (float === value || Number.isNaN(value) || (bits & 1) === 1) return bits;
  return Math.abs(float) > Math.abs(value) ? bits - 1 : bits + 1;
}

/** float32 bits of each of the 65,536 halves. */
const HALF_TO_FLOAT = Uint32Array.from({ length: 0x10000 }, (_, half) => {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  scratch[0] = fraction * 2 ** -24;
  return sign | scratchBits[0]!;
});
