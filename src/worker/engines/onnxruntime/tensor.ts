import type * as Ort from "onnxruntime-node";
import { convert } from "../../formats/convert";
import type { DType } from "../../formats/dtype";
import { type Tensor, tensorFromBytes } from "../../formats/tensor";
import type { EngineTensor } from "../engine";
import { borderType } from "./lowering";

/** A result of ONNX Runtime, kept as it came: in host memory, or in the GPU's. */
export class OrtTensor implements EngineTensor {
  constructor(
    readonly value: Ort.Tensor,
    readonly shape: readonly number[],
    readonly dtype: DType,
  ) {}

  async read(): Promise<Tensor> {
    const data = (await this.value.getData()) as ArrayBufferView;
    // A copy: the engine's own memory goes with dispose().
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    return convert(tensorFromBytes(borderType(this.dtype), this.shape, bytes), this.dtype);
  }

  dispose(): void {
    this.value.dispose();
  }
}

/** Views a tensor of ours as one of ONNX Runtime's; copies only bfloat16, which is widened. */
export function toOrt(ort: typeof Ort, tensor: Tensor): Ort.Tensor {
  const { dtype, shape, data } = tensor.dtype === "bfloat16" ? convert(tensor, "float32") : tensor;
  return new ort.Tensor(dtype as Exclude<Ort.Tensor.Type, "string">, data, shape) as Ort.Tensor;
}
