import assert from "node:assert/strict";
import { printGraph } from "../../../../../src/worker/graph/print";
import { modelNamed, readTorch } from "../reading";

/** Three layers as LLaMA's source makes them, and the same of torch.nn. */
const source = (layers: Record<"embedding" | "column" | "row", string>): string => `
from fairscale.nn.model_parallel.layers import ColumnParallelLinear, ParallelEmbedding, RowParallelLinear
import fairscale.nn.model_parallel.initialize as fs_init
class M(nn.Module):
    def __init__(self):
        super().__init__()
        heads = 4 // fs_init.get_model_parallel_world_size()
        self.embedding = ${layers.embedding}
        self.column = ${layers.column}
        self.row = ${layers.row}
    def forward(self, x):
        return self.row(self.column(self.embedding(x)))
`;

async function described(text: string): Promise<{ state: unknown; graph: string }> {
  const model = modelNamed(await readTorch(text), "M");
  const { graph } = model.trace({ inputs: [{ name: "x", shape: [2, 3], dtype: "int64", below: 10 }] });
  return { state: model.stateDict.map(({ path, shape }) => [path, shape]), graph: printGraph(graph) };
}

describe("fairscale's model-parallel layers", () => {
  it("are Linear and Embedding on one device", async () => {
    const parallel = await described(
      source({
        embedding: "ParallelEmbedding(10, 8, init_method=lambda x: x)",
        column: "ColumnParallelLinear(8, heads * 3, bias=False, gather_output=False, init_method=lambda x: x)",
        row: "RowParallelLinear(12, 8, input_is_parallel=True)",
      }),
    );
    const plain = await described(
      source({ embedding: "nn.Embedding(10, 8)", column: "nn.Linear(8, 12, bias=False)", row: "nn.Linear(12, 8)" }),
    );
    assert.deepEqual(parallel, plain);
  });
});
