import { DTYPE_BYTES, type DType } from "./dtype";

export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array // float16 and bfloat16: the raw bits
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array; // uint8, and bool as 0 or 1

/** A tensor in host memory, row-major and contiguous. `data.length` is the product of `shape`. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/**
 * Where a stored tensor's bytes lie: little-endian, row-major, contiguous at `offset` in `file`.
 * It has been checked against the file's size; the weights themselves have not been read.
 */
export interface TensorRef {
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor that is put together from others when it is wanted: what is larger than memory goes one by one. */
export interface DerivedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  load(): Promise<Tensor>;
}

/**
 * A tensor that is stored in blocks of small numbers with scales. `dtype` is what the model computes with, and `load` gives
 * the values in it; an engine with a kernel for the scheme may read the blocks instead.
 */
export interface QuantizedTensor extends DerivedTensor {
  readonly quantized: {
    /** Names the blocks' layout: "Q4_0", "nf4". */
    readonly scheme: string;
    /** The blocks as they lie in the file, as bytes. */
    readonly blocks: TensorRef;
  };
}

/** A tensor wherever it is: in memory, in a file, made from such, or quantized. */
export type StoredTensor = Tensor | TensorRef | DerivedTensor | QuantizedTensor;

const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Product of the dimensions; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export function byteLengthOf(tensor: { dtype: DType; shape: readonly number[] }): number {
  return sizeOf(tensor.shape) * DTYPE_BYTES[tensor.dtype];
}

export function allocate(dtype: DType, shape: readonly number[]): Tensor {
  return { dtype, shape, data: new ARRAYS[dtype](sizeOf(shape)) };
}

/** Views `bytes` as a tensor; copies only when they are not aligned for the dtype. */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const width = DTYPE_BYTES[dtype];
  const length = sizeOf(shape);
  if (bytes.byteLength !== length * width) {
    throw new RangeError(`${bytes.byteLength} bytes cannot be a ${dtype} tensor of shape [${shape.join(", ")}]`);
  }
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return { dtype, shape, data: new ARRAYS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, length) };
}

export function bytesOf(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** A float32 tensor over the given values. */
export function float32(shape: readonly number[], values: ArrayLike<number>): Tensor {
  const data = values instanceof Float32Array ? values : Float32Array.from(values);
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`${data.length} values for shape [${shape.join(", ")}]`);
  }
  return { dtype: "float32", shape, data };
}

/** An int64 tensor over whole numbers. */
export function int64(shape: readonly number[], values: ArrayLike<number>): Tensor {
  const data = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) data[i] = BigInt(values[i]!);
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`${data.length} values for shape [${shape.join(", ")}]`);
  }
  return { dtype: "int64", shape, data };
}
