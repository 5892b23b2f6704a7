import { DTYPE_BYTES, type DType, isFloating } from "../../../../formats/dtype";
import { sizeOf } from "../../../../formats/tensor";
import { stridesOf } from "../../../../graph/shapes";
import type { Evaluator } from "../../values/evaluator";
import { int } from "../../values/numbers";
import { builtinClass, OBJECT, PyRange, plain, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyError, PyFloat, PyList, PyObject, PyTensor, PyTuple, type Value } from "../../values/values";
import { fold } from "../torch/tensor/fold";

/**
 * NumPy's arrays, as models use them to compute sizes and tables while they are built: real numbers, not symbols.
 * A scalar of NumPy is a Python number here: 64-bit ones behave as those do.
 */

export const ARRAY = builtinClass("ndarray", [OBJECT]);

/** A window on numbers in memory that other arrays may share, as NumPy's views do. */
export class PyArray extends PyObject {
  constructor(
    readonly memory: Float64Array,
    readonly shape: readonly number[],
    readonly dtype: DType,
    /** Counted in elements. */
    readonly strides: readonly number[] = stridesOf(shape),
    readonly offset = 0,
  ) {
    super(ARRAY, undefined);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Its numbers lie one after the other. */
  get contiguous(): boolean {
    const packed = stridesOf(this.shape);
    return this.shape.every((length, axis) => length === 1 || this.strides[axis] === packed[axis]);
  }

  /** Calls `act` with where in memory each row of the last axis lies; element `i` of all is its first. */
  rows(act: (start: number, stride: number, length: number, i: number) => void): void {
    const { shape, strides } = this;
    const last = shape.length - 1;
    if (last < 0) {
      act(this.offset, 0, 1, 0);
      return;
    }
    const [length, stride] = [shape[last]!, strides[last]!];
    let i = 0;
    const along = (axis: number, start: number): void => {
      if (axis === last) {
        act(start, stride, length, i);
        i += length;
      } else for (let n = 0; n < shape[axis]!; n++) along(axis + 1, start + n * strides[axis]!);
    };
    along(0, this.offset);
  }

  /** Where in memory its elements lie, the last axis fastest. */
  positions(): number[] {
    const at = new Array<number>(this.size);
    this.rows((start, stride, length, i) => {
      for (let n = 0; n < length; n++) at[i + n] = start + n * stride;
    });
    return at;
  }

  /** Its elements, the last axis fastest: a copy. */
  values(): Float64Array {
    const { memory, size, offset } = this;
    if (this.contiguous) return memory.slice(offset, offset + size);
    const values = new Float64Array(size);
    this.rows((start, stride, length, i) => {
      for (let n = 0; n < length; n++) values[i + n] = memory[start + n * stride]!;
    });
    return values;
  }

  /** The same to look at, which changes as the memory does. */
  seen(): Float64Array {
    const { memory, size, offset } = this;
    return this.contiguous ? memory.subarray(offset, offset + size) : this.values();
  }

  /** Another window on the same memory. */
  window(shape: readonly number[], strides: readonly number[], offset = this.offset): PyArray {
    return new PyArray(this.memory, shape, this.dtype, strides, offset);
  }
}

/** What a number becomes in memory of the dtype; whole numbers of few bits wrap around. */
export function stored(value: number, dtype: DType): number {
  if (dtype === "bool") return Number(value !== 0);
  if (dtype === "float32") return Math.fround(value);
  if (dtype === "float64") return value;
  const whole = Math.trunc(value) + 0;
  if (isFloating(dtype) || !Number.isSafeInteger(whole))
    throw new EvaluationError(
      isFloating(dtype)
        ? `NumPy's arrays of ${dtype} are not evaluated`
        : `${value} in an integer array is not computed`,
    );
  if (dtype === "int64") return whole;
  const bits = 8 * DTYPE_BYTES[dtype];
  return Number(dtype === "uint8" ? BigInt.asUintN(bits, BigInt(whole)) : BigInt.asIntN(bits, BigInt(whole)));
}

/** Elements of one array: 128 MB. Tables of positions have a million or two. */
const MAX_ELEMENTS = 1 << 24;

/** Refuses an array that is too long before it is made. */
export function allot(ev: Evaluator, elements: number): void {
  refuseTooLong(ev, elements);
  // Native work: some hundred elements are a step's.
  ev.step(1 + (elements >> 7));
}

function refuseTooLong(ev: Evaluator, elements: number): void {
  if (elements > MAX_ELEMENTS) {
    throw new EvaluationError(
      `an array of ${elements.toLocaleString("en-US")} elements is longer than the ${MAX_ELEMENTS.toLocaleString("en-US")} the reader holds`,
      ev.place,
    );
  }
}

/** @param values become the array's memory where they are doubles: nobody else may hold them. */
export function arrayOf(
  ev: Evaluator,
  values: readonly number[] | Float64Array,
  shape: readonly number[],
  dtype: DType,
): PyArray {
  allot(ev, values.length);
  const memory = values instanceof Float64Array ? values : new Float64Array(values);
  if (dtype !== "float64") for (let i = 0; i < memory.length; i++) memory[i] = stored(memory[i]!, dtype);
  return new PyArray(memory, shape, dtype);
}

/** An element as the Python number that NumPy's scalar behaves as. */
export function scalar(value: number, dtype: DType): Value {
  if (dtype === "bool") return value !== 0;
  return isFloating(dtype) ? new PyFloat(value) : int(value);
}

/** Functions of NumPy give numbers, not arrays without dimensions. */
export function unwrapped(array: PyArray): Value {
  return array.shape.length === 0 ? scalar(array.memory[array.offset]!, array.dtype) : array;
}

export function numberDType(value: number | boolean | PyFloat): DType {
  return typeof value === "boolean" ? "bool" : value instanceof PyFloat ? "float64" : "int64";
}

/** What `numpy.asarray` makes of a value: numbers, nested sequences of them, tensors whose values are known. */
export function toArray(ev: Evaluator, given: Value, dtype?: DType): PyArray {
  const value = plain(given);
  if (value instanceof PyArray) return dtype && dtype !== value.dtype ? converted(ev, value, dtype) : value;
  if (value instanceof PyTensor) return fromTensor(ev, value, dtype);
  const shape = shapeOf(ev, value);
  const size = sizeOf(shape);
  refuseTooLong(ev, size);
  const leaves = new Float64Array(size);
  let count = 0;
  const kinds = new Set<DType>();
  collect(value, 0);
  return arrayOf(ev, leaves, shape, dtype ?? [...kinds].reduce<DType | undefined>(widest, undefined) ?? "float64");

  function row(numbers: Float64Array, lengths: readonly number[], depth: number, kind: DType): void {
    if (lengths.length !== shape.length - depth || lengths.some((length, i) => length !== shape[depth + i])) ragged();
    kinds.add(kind);
    leaves.set(numbers, count);
    count += numbers.length;
  }

  function collect(part: Value, depth: number): void {
    const item = plain(part);
    const items = itemsOf(item);
    if (items instanceof Float64Array) row(items, [items.length], depth, "float64");
    else if (items) {
      if (items.length !== shape[depth]) ragged();
      for (const each of items) collect(each, depth + 1);
    } else if (item instanceof PyArray || item instanceof PyTensor) {
      const array = toArray(ev, item);
      row(array.values(), array.shape, depth, array.dtype);
    } else if (typeof item === "number" || typeof item === "boolean" || item instanceof PyFloat) {
      if (depth !== shape.length) ragged();
      kinds.add(numberDType(item));
      leaves[count++] = item instanceof PyFloat ? item.value : Number(item);
    } else {
      if (item instanceof Unknown) throw new EvaluationError(`an array's element is unknown: ${item.reason}`, ev.place);
      throw new EvaluationError(`arrays of ${typeName(item)} are not evaluated`, ev.place);
    }
  }
}

function ragged(): never {
  throw new PyError(
    "ValueError",
    "setting an array element with a sequence. The requested array has an inhomogeneous shape",
  );
}

/** The shape that the first of each level's items say. */
function shapeOf(ev: Evaluator, value: Value): number[] {
  const shape: number[] = [];
  for (let level = itemsOf(value); level; ) {
    shape.push(level.length);
    const first = level[0];
    if (first === undefined || typeof first === "number") break;
    if (first instanceof PyArray || first instanceof PyTensor) shape.push(...toArray(ev, first).shape);
    level = itemsOf(first);
  }
  return shape;
}

type Items = readonly Value[] | Float64Array;

function itemsOf(value: Value): Items | undefined {
  if (value instanceof PyList) return value.floats ?? value.items;
  if (value instanceof PyTuple) return value.items;
  return value instanceof PyRange ? [...value.items] : undefined;
}

function fromTensor(ev: Evaluator, tensor: PyTensor, dtype: DType | undefined): PyArray {
  const values = tensor.node && fold(tensor.node);
  if (!values)
    throw new EvaluationError(
      "an array needs the tensor's values, which are not known while the model is read",
      ev.place,
    );
  return arrayOf(ev, Float64Array.from(values), tensor.node!.shape, dtype ?? tensor.dtype);
}

export function converted(ev: Evaluator, array: PyArray, dtype: DType): PyArray {
  return arrayOf(ev, array.values(), array.shape, dtype);
}

/** The dtype of an operation on two arrays. https://numpy.org/doc/stable/reference/arrays.promotion.html */
export function widest(a: DType | undefined, b: DType): DType {
  if (a === undefined || a === b) return b;
  const [low, high] = isFloating(a) && !isFloating(b) ? [b, a] : [a, b];
  if (isFloating(high) && !isFloating(low)) {
    // A whole number of as many bits does not fit.
    return low === "bool" || DTYPE_BYTES[low] < DTYPE_BYTES[high] ? high : "float64";
  }
  if (a === "bool" || b === "bool") return a === "bool" ? b : a;
  if (!isFloating(a) && (a === "uint8" || b === "uint8")) {
    const other = a === "uint8" ? b : a;
    if (other === "int8") return "int16";
  }
  return DTYPE_BYTES[a] > DTYPE_BYTES[b] ? a : b;
}
