import assert from "node:assert/strict";
import type { Node } from "../../../src/worker/graph/node";
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
    const { layers } = planAdapter(model, { target_modules: ["head"], r: 2 });
    const adapted = injectLora(model.trace().graph, layers);
    assert.deepEqual(
      adapted.parameters.map((p) => p.attrs.path).filter((path) => path.includes("lora")),
      ["head.lora_A.weight", "head.lora_B.weight"],
    );
    assert.equal(adapted.nodes.filter((node) => node.op === "gather").length, 1);
  });

  it("one of two linear layers that share a weight gets its own adapter, and merging warns of the other", async () => {
    const model = await named("Twins");
    const { layers, injection } = planAdapter(model, { target_modules: ["right"], r: 2 });
    const adapted = injectLora(model.trace().graph, layers);
    assert.deepEqual(
      adapted.nodes
        .filter((node) => node.op === "matmul")
        .map((node) => (node.inputs[1] as Node<"parameter">).attrs.path),
      ["right.lora_B.weight"],
    );
    assert.match(
      injection.warnings!.join(),
      /right \(line 20\): the weight is also used elsewhere.*merged model differs/,
    );
    assert.equal(planAdapter(model, { target_modules: ["last"], r: 2 }).injection.warnings, undefined);
  });
});
