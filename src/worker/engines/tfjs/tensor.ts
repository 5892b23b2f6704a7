import type * as Tf from "@tensorflow/tfjs";
import { convert } from "../../formats/convert";
import { type DType, isFloating } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { sizeOf, type Tensor } from "../../formats/tensor";
import type { EngineTensor } from "../engine";

/** TensorFlow.js computes in three types; ours map onto them. */
export function tfType(dtype: DType): "float32" | "int32" | "bool" {
  return isFloating(dtype) ? "float32" : dtype === "bool" ? "bool" : "int32";
}

/** A result in TensorFlow.js' memory. */
export class TfTensor implements EngineTensor {
  constructor(
    readonly value: Tf.Tensor,
    readonly shape: readonly number[],
    readonly dtype: DType,
  ) {}

  async read(): Promise<Tensor> {
    const data = (await this.value.data()) as Float32Array | Int32Array | Uint8Array;
    // A copy: the back end may hand out its own array.
    const copy = data.slice();
    return convert({ dtype: tfType(this.dtype), shape: this.shape, data: copy }, this.dtype);
  }

  dispose(): void {
    this.value.dispose();
  }
}

/**
 * Copies a tensor to TensorFlow.js, which has neither 64-bit nor half-precision types: floating types become float32,
 * whole numbers int32. Throws a UserError for a whole number beyond int32.
 */
export function toTf(tf: typeof Tf, tensor: Tensor, what: string): Tf.Tensor {
  const type = tfType(tensor.dtype);
  let data: Tensor["data"];
  try {
    data = convert(tensor, type).data;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`${what}: ${error.message}, the widest integer type of TensorFlow.js`);
  }
  return tf.tensor(data as Float32Array | Int32Array | Uint8Array, [...tensor.shape], type);
}

/** x repeated to `shape`, to which it broadcasts. */
export function broadcastTo(tf: typeof Tf, x: Tf.Tensor, shape: readonly number[]): Tf.Tensor {
  if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x;
  if (sizeOf(shape) === 0) return tf.zeros([...shape], x.dtype);
  const lead: number[] = new Array(shape.length - x.shape.length).fill(1);
  const from = [...lead, ...x.shape];
  const repeats = shape.map((d, i) => (from[i] === d ? 1 : d));
  return tf.tile(tf.reshape(x, from), repeats);
}
