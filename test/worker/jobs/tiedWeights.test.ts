import assert from "node:assert/strict";
import { UserError } from "../../../src/worker/formats/errors";
import { planAdapter } from "../../../src/worker/jobs/adapter";
import { injectLora } from "../../../src/worker/passes/lora";
import type { Model } from "../../../src/worker/readers/model";
import { openModelFile } from "../../../src/worker/readers/open";

const SOURCE = `
import torch
from torch import nn

class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.mix = nn.Linear(6, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.mix(self.embed(tokens)))

class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 4)
        self.right = nn.Linear(4, 4)
        self.right.weight = self.left.weight
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.left(x) + self.right(x))
`;

describe("adapters on tied weights", () => {
  const named = async (name: string): Promise<Model> => {
    const { models } = await openModelFile("/models/tied.py", SOURCE);
    return models.find((model) => model.className === name)!;
  };

  it("an output head tied to the embedding gets its adapter, and the embedding none", async () => {
    const model = await named("LanguageModel");
    const { targets, config } = planAdapter(model, { targetModules: ["head"], rank: 2 });
    const adapted = injectLora(model.trace().graph, targets, config);
    assert.deepEqual(
      adapted.parameters.map((p) => p.attrs.path).filter((path) => path.includes("lora")),
      ["head.lora_A.weight", "head.lora_B.weight"],
    );
    assert.equal(adapted.nodes.filter((node) => node.op === "gather").length, 1);
  });

  it("refuses an adapter on one of two linear layers that share a weight", async () => {
    const model = await named("Twins");
    assert.throws(
      () => planAdapter(model, { targetModules: ["right"], rank: 2 }),
      (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^right and left share one weight/);
        return true;
      },
    );
    assert.equal(planAdapter(model, { targetModules: ["last"], rank: 2 }).targets.length, 1);
  });
});
