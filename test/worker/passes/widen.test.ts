import assert from "node:assert/strict";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { convert } from "../../../src/worker/formats/convert";
import { float32, type Tensor } from "../../../src/worker/formats/tensor";
import * as b from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import { runOnce } from "../../../src/worker/jobs/opened";
import { castStored } from "../../../src/worker/passes/storedDtypes";
import { inFloat32 } from "../../../src/worker/passes/widen";

/** (x · wᵀ + 1000) − 1000 in `dtype`: in half precision what is added is lost. */
function cancelling(dtype: "float16" | "bfloat16"): Graph {
  const x = b.input("x", [1, 2], dtype);
  const product = b.linear(x, b.parameter("w", [1, 2], dtype));
  const big = b.full(1000, [1], dtype);
  return new Graph("cancelling", [x], new Map([["y", b.sub(b.add(product, big), big)]]));
}

const W = float32([1, 2], [0.5, 0.25]);

async function resultOf(graph: Graph, weight: Tensor, x: Tensor): Promise<number> {
  const engine = onnxruntimeEngine("cpu");
  const outputs = await runOnce(engine, graph, new Map([["w", weight]]), new Map([["x", x]]));
  return Number(convert(outputs.get("y")!, "float32").data[0]);
}

describe("dtypes of a graph", () => {
  for (const dtype of ["float16", "bfloat16"] as const) {
    it(`computed in float32 keep the precision that ${dtype} loses, and keep inputs and parameters unchanged`, async () => {
      const [w, x] = [convert(W, dtype), convert(float32([1, 2], [0.125, 0.25]), dtype)];
      const graph = cancelling(dtype);
      assert.notEqual(await resultOf(graph, w, x), 0.125);
      const wide = inFloat32(graph);
      assert.equal(await resultOf(wide, w, x), 0.125);
      assert.equal(wide.output("y").dtype, "float32");
      const computed = wide.nodes.filter(({ op }) => op !== "parameter" && op !== "input");
      const operands = computed.filter(({ op }) => op !== "cast").flatMap(({ inputs }) => inputs);
      assert.ok([...computed, ...operands].every((node) => node.dtype === "float32"));
      assert.deepEqual([wide.parameters[0]!.dtype, wide.inputs[0]!.dtype], [dtype, dtype]);
    });

    it(`of parameters are those of their values: ${dtype} in a float32 model is cast, not refused`, async () => {
      const x = b.input("x", [1, 2], "float32");
      const graph = new Graph("g", [x], new Map([["y", b.linear(x, b.parameter("w", [1, 2], "float32"))]]));
      const stored = castStored(graph, () => dtype);
      assert.equal(stored.parameters[0]!.dtype, dtype);
      assert.equal(await resultOf(stored, convert(W, dtype), float32([1, 2], [0.125, 0.25])), 0.125);
      assert.equal(castStored(graph, () => "float32").output("y"), graph.output("y"));
    });
  }
});
