import { strict as assert } from "node:assert";
import { chooseEngine } from "../../../../../../src/worker/engines/choose";
import { toFloat32 } from "../../../../../../src/worker/formats/convert";
import { float32 } from "../../../../../../src/worker/formats/tensor";
import { runOnce } from "../../../../../../src/worker/jobs/opened";
import { openModelFile } from "../../../../../../src/worker/readers/open";

const SOURCE = `
import math, torch
from torch import nn

class PositionalEncoding(nn.Module):
    def __init__(self, d_model=8, max_len=10):
        super().__init__()
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        pe[1::3, 2::4] = 7
        self.register_buffer("pe", pe.unsqueeze(0), persistent=False)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]

model = PositionalEncoding()
model(torch.zeros(1, 10, 8))
`;

describe("assignment to strided slices", () => {
  it("makes the sinusoidal positional encoding as people write it", async () => {
    const { models } = await openModelFile("/models/positional.py", SOURCE);
    const { graph } = models[0]!.trace();
    const { engine } = await chooseEngine("onnxruntime-cpu");
    const feeds = new Map([["x", float32([1, 10, 8], new Float32Array(80))]]);
    const output = toFloat32((await runOnce(engine, graph, new Map(), feeds)).get("output")!);
    for (let t = 0; t < 10; t++) {
      for (let i = 0; i < 8; i++) {
        const angle = t * 10000 ** (-(i - (i % 2)) / 8);
        const replaced = t % 3 === 1 && i % 4 === 2;
        const expected = replaced ? 7 : i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
        assert.ok(Math.abs(output[8 * t + i]! - expected) < 1e-5, `position ${t}, dimension ${i}`);
      }
    }
  });
});
