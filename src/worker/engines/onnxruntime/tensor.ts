import type * as Ort from "onnxruntime-node";
import { convert } from "../../formats/convert";
import type { DType } from "../../formats/dtype";
import { type Tensor, tensorFromBytes } from "../../formats/tensor";
import { input } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { EngineTensor } from "../engine";
import { lower } from "./lower";
import { borderType } from "./lowering";

/** A result of ONNX Runtime, kept as it came: in host memory, or in the GPU's. */
export class OrtTensor implements EngineTensor {
  constructor(
    private readonly ort: typeof Ort,
    readonly value: Ort.Tensor,
    readonly shape: readonly number[],
    readonly dtype: DType,
  ) {}

  async read(): Promise<Tensor> {
    const host = this.value.location === "gpu-buffer" ? await this.download() : this.value;
    const { buffer, byteOffset, byteLength } = host.data as Exclude<Ort.Tensor["data"], string[]>;
    // A copy: the engine's own memory goes with dispose().
    const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();
    return convert(tensorFromBytes(borderType(this.dtype), this.shape, bytes), this.dtype);
  }

  /**
   * onnxruntime-node 1.30 ends the process when a GPU tensor is asked for its data, but sessions share their device, and
   * their results can be had in host memory: so a session that does nothing brings it over.
   */
  private async download(): Promise<Ort.Tensor> {
    const x = input("x", this.shape, this.dtype);
    const copy = lower(new Graph("download", [x], new Map([["y", x]])));
    const session = await this.ort.InferenceSession.create(copy.encode([]), {
      executionProviders: ["webgpu", "cpu"],
      logSeverityLevel: 4,
    });
    try {
      const results = await session.run({ [copy.inputs.get("x")!.name]: this.value });
      return results[copy.outputs.get("y")!.name] as Ort.Tensor;
    } finally {
      await session.release();
    }
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
