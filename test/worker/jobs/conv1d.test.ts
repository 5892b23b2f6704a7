import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { readHeader, readTensors } from "../../../src/worker/formats/safetensors";
import { float32 } from "../../../src/worker/formats/tensor";
import { planAdapter } from "../../../src/worker/jobs/adapter";
import { merge } from "../../../src/worker/jobs/export/merge";
import { saveAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { targetableLayers } from "../../../src/worker/lora/targets/targets";
import { injectLora } from "../../../src/worker/passes/lora";
import { openModelFile } from "../../../src/worker/readers/open";

/** GPT-2's layers as Hugging Face writes them: linear, with a weight stored [in, out]. */
const SOURCE = `
import torch
from torch import nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf))
        nn.init.normal_(self.weight, std=0.02)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        size_out = x.size()[:-1] + (self.nf,)
        x = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return x.view(size_out)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc = Conv1D(32, 8)
        self.c_proj = Conv1D(8, 32)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.c_proj(torch.tanh(self.c_fc(x))))


Block()(torch.randn(2, 3, 8))
`;

describe("Hugging Face's Conv1D", () => {
  const block = async () => {
    const { models } = await openModelFile("/models/block.py", SOURCE);
    return models.find((model) => model.className === "Block")!;
  };

  it("is a layer to adapt, with its features in the order of a linear layer", async () => {
    assert.deepEqual(
      targetableLayers(await block()).map(({ path, inFeatures, outFeatures, weight }) => [
        path,
        inFeatures,
        outFeatures,
        weight,
      ]),
      [
        ["c_fc", 8, 32, { path: "c_fc.weight", fanInFanOut: true }],
        ["c_proj", 32, 8, { path: "c_proj.weight", fanInFanOut: true }],
        ["head", 8, 5, undefined],
      ],
    );
  });

  it("gets adapters [r, in] and [out, r], and fan_in_fan_out tells PEFT how the weight is stored", async () => {
    const model = await block();
    const { config, layers } = planAdapter(model, { r: 4 });
    assert.equal(config.fan_in_fan_out, true);
    assert.equal(planAdapter(model, { r: 4, target_modules: ["head"] }).config.fan_in_fan_out, false);
    const shapes = injectLora(model.trace().graph, layers)
      .parameters.filter((node) => node.attrs.path.includes("lora"))
      .map((node) => [node.attrs.path, [...node.shape]]);
    assert.deepEqual(shapes, [
      ["c_fc.lora_A.weight", [4, 8]],
      ["c_fc.lora_B.weight", [32, 4]],
      ["c_proj.lora_A.weight", [4, 32]],
      ["c_proj.lora_B.weight", [8, 4]],
    ]);
  });

  it("is merged as it is stored: W[in, out] + scaling (B A) transposed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-"));
    try {
      const file = join(folder, "block.py");
      await writeFile(file, SOURCE);
      const model = await block();
      const { config } = planAdapter(model, { r: 1, lora_alpha: 3, target_modules: ["c_fc"] });
      const a = Float32Array.from({ length: 8 }, (_, i) => i - 3);
      const b = Float32Array.from({ length: 32 }, (_, o) => o / 16);
      await saveAdapter(
        join(folder, "adapter"),
        config,
        new Map([
          ["c_fc.lora_A.weight", float32([1, 8], a)],
          ["c_fc.lora_B.weight", float32([32, 1], b)],
        ]),
      );
      const output = join(folder, "merged.safetensors");
      const never = new AbortController().signal;
      await merge(
        { kind: "merge", model: { file, class: "Block", seed: 0 }, adapterFolder: join(folder, "adapter"), output },
        { onProgress: () => {}, signal: never, stop: never },
      );
      const merged = toFloat32((await readTensors((await readHeader(output)).tensors)).get("c_fc.weight")!);
      const base = toFloat32(model.initialize(0).get("c_fc.weight")!);
      for (let i = 0; i < 8; i++) {
        for (let o = 0; o < 32; o++) {
          const delta = merged[i * 32 + o]! - base[i * 32 + o]!;
          assert.ok(Math.abs(delta - 3 * b[o]! * a[i]!) < 1e-5, `[${i}, ${o}]`);
        }
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
