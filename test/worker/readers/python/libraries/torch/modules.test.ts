import assert from "node:assert/strict";
import type { Model } from "../../../../../../src/worker/readers/model";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";

const PROLOGUE = `import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict

`;

/** The file's last model, of a class whose `__init__` and `forward` have the given lines. */
async function read(init: readonly string[], forward: readonly string[] = ["return x"], before = ""): Promise<Model> {
  const body = (lines: readonly string[]) => lines.map((line) => `        ${line}\n`).join("");
  const source = `${PROLOGUE}${before}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
${body(init)}
    def forward(self, x):
${body(forward)}`;
  const file = await pythonReader.open("model.py", source);
  const model = file.models.at(-1);
  assert.ok(model, file.problems.map((p) => p.message).join("; "));
  return model;
}

const paths = (model: Model): string[] =>
  model.stateDict.map((p) => `${p.path} ${p.shape.map((d) => d ?? "?").join(",")}`);
const float = (...shape: number[]) => ({ inputs: [{ name: "x", shape, dtype: "float32" as const }] });

describe("torch.nn modules", () => {
  it("name containers' entries as PyTorch does", async () => {
    const model = await read([
      "self.a = nn.Sequential(OrderedDict([('first', nn.Linear(2, 3)), ('act', nn.ReLU())]))",
      "self.b = nn.ModuleList([nn.Linear(1, 1) for _ in range(2)])",
      "self.b.append(nn.Linear(2, 2, bias=False))",
      "self.b.insert(0, nn.Identity())",
      "self.c = nn.ModuleDict({'k': nn.PReLU()})",
      "self.d = nn.ParameterList([nn.Parameter(torch.zeros(2)), torch.ones(3)])",
      "self.e = self.b[1:][-1]",
    ]);
    assert.deepEqual(paths(model), [
      "a.first.weight 3,2",
      "a.first.bias 3",
      "b.1.weight 1,1",
      "b.1.bias 1",
      "b.2.weight 1,1",
      "b.2.bias 1",
      "b.3.weight 2,2",
      "c.k.weight 1",
      "d.0 2",
      "d.1 3",
      "e.weight 2,2",
    ]);
    assert.deepEqual(model.stateDict.at(-1)?.tiedTo, "b.3.weight");
  });

  it("build one linear node a Linear, and no node for dropout in evaluation", async () => {
    const model = await read(
      ["self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2, bias=False))"],
      ["return self.net(x)"],
    );
    const ops = model.trace(float(3, 4)).graph.nodes.map((n) => n.op);
    assert.deepEqual(ops, ["input", "parameter", "parameter", "linear", "relu", "parameter", "linear"]);
    const training = model.trace({ ...float(3, 4), training: true }).graph.nodes.map((n) => n.op);
    assert.ok(training.includes("dropout"));
  });

  it("carry the source line of the call", async () => {
    const model = await read(["self.fc = nn.Linear(4, 2)"], ["y = x * 2", "return self.fc(y)"]);
    const node = model.trace(float(1, 4)).graph.output("output");
    assert.equal(node.op, "linear");
    assert.equal(node.place?.line, 14);
  });

  it("keep a layer whose dimension is unknown", async () => {
    const model = await read(["self.fc = nn.Linear(size(), 3)"], ["return self.fc(x)"], "from config import size\n");
    assert.deepEqual(paths(model), ["fc.weight 3,?", "fc.bias 3"]);
    assert.equal(model.root.parameters, undefined);
    assert.throws(() => model.trace(float(1, 4)), /config/);
  });

  it("tell values computed in the constructor from drawn ones", async () => {
    const model = await read([
      "self.register_buffer('mask', torch.tril(torch.ones(4, 4)))",
      "self.register_buffer('rope', torch.arange(3.0), persistent=False)",
      "self.w = nn.Parameter(torch.randn(2, 3) * 0.02)",
      "self.g = nn.Parameter(torch.full((3,), 0.5), requires_grad=False)",
    ]);
    assert.deepEqual(
      model.stateDict.map((p) => [p.path, p.buffer, p.initializer.kind]),
      [
        ["w", false, "normal"],
        ["g", false, "constant"],
        ["mask", true, "graph"],
      ],
    );
    assert.deepEqual(model.stateDict[0]?.initializer, { kind: "normal", mean: 0, std: 0.02 });
  });

  it("keep None among a list's modules, which forward unpacks", async () => {
    const model = await read(
      ["self.blocks = nn.ModuleList([nn.ModuleList([nn.Linear(3, 3), None, nn.ReLU()])])"],
      ["for a, b, c in self.blocks:", "    x = c(a(x)) if b is None else b(x)", "return x"],
    );
    assert.deepEqual(model.trace(float(2, 3)).graph.output("output").op, "relu");
    assert.deepEqual(paths(model), ["blocks.0.0.weight 3,3", "blocks.0.0.bias 3"]);
  });

  it("count layers that cannot run, and say so when they are called", async () => {
    const model = await read(
      ["self.norm = nn.InstanceNorm1d(3)", "self.loss = nn.CTCLoss()"],
      ["return self.loss(x, x, x, x)"],
    );
    assert.throws(() => model.trace(float(1, 3, 9)), /CTCLoss is not supported in forward/);
  });

  it("show a class derived from Linear as a linear layer of that name", async () => {
    const source = `${PROLOGUE}class Scaled(nn.Linear):
    pass
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = Scaled(4, 5, bias=False)
    def forward(self, x):
        return self.fc(x)
`;
    const model = (await pythonReader.open("model.py", source)).models.find((m) => m.className === "M")!;
    const { kind, inFeatures, outFeatures, bias, weight } = model.root.children[0]!;
    assert.deepEqual([kind, inFeatures, outFeatures, bias], ["Scaled", 4, 5, false]);
    assert.deepEqual(weight, { path: "fc.weight", fanInFanOut: false });
  });
});

describe("errors are PyTorch's", () => {
  for (const [line, message] of [
    ["return self.fc(x)", /mat1 and mat2 shapes cannot be multiplied \(2x3 and 4x5\)/],
    ["return x.view(5)", /shape '\[5\]' is invalid for input of size 6/],
    ["return x.sum(3)", /Dimension out of range \(expected to be in range of \[-2, 1\], but got 3\)/],
    ["return x.long().mean()", /mean\(\): could not infer output dtype/],
    ["return torch.cat([x, x[:1].T])", /Sizes of tensors must match except in dimension 0/],
    ["return x.masked_fill(x.long(), 0)", /masked_fill_ only supports boolean masks/],
    ["return x[x > 0]", /output is a selection by a mask: its length depends on data/],
    ["return x[x.sum(1) > 0].cumsum(0)", /not through cumsum here/],
    ["return x[x.sum(1) > 0] + x", /not through add here/],
    ["return x[x.sum(1) > 0].softmax(0)", /not through softmax here/],
    ["return x[x.sum(1) > 0] + x[x.sum(1) > 1]", /not through add here/],
    ["return x[x.sum(1) > 0] / x[x.sum(1) > 0].shape[0]", /how many rows a mask selects depends on the data/],
    ["return x[5]", /index 5 is out of bounds for dimension 0 with size 2/],
    ["return x if x.sum() > 0 else -x", /the branch depends on the tensor's values/],
    ["return -(x > 0)", /Negation, the `-` operator, on a bool tensor/],
    ["return x.topk(4)", /selected index k out of range/],
    ["return x.long().add_(0.5)", /result type Float can't be cast to the desired output type Long/],
  ] as const) {
    it(line, async () => {
      const model = await read(["self.fc = nn.Linear(4, 5)"], [line]);
      assert.throws(() => model.trace(float(2, 3)), message);
    });
  }

  it("features that are not integers", async () => {
    const model = await read(["self.fc = nn.Linear(4.0, 5)"]);
    assert.match(model.problems.map((p) => p.message).join(), /TypeError: .*float/);
  });

  it("a module assigned before Module.__init__", async () => {
    const source = `${PROLOGUE}class M(nn.Module):\n    def __init__(self):\n        self.fc = nn.Linear(1, 1)\n`;
    const file = await pythonReader.open("model.py", source);
    const note = [...file.problems, ...file.models.flatMap((m) => m.problems)].map((p) => p.message).join();
    assert.match(note, /cannot assign module before Module.__init__\(\) call/);
  });
});

describe("representations and attributes of layers and tensors", () => {
  // PyTorch 2.13's values.
  const facts: readonly [string, string][] = [
    ["nn.Conv2d(3, 4, 3).transposed", "False"],
    ["nn.Conv2d(3, 4, 3).output_padding", "(0, 0)"],
    ["nn.Conv1d(1, 1, 1).output_padding", "(0,)"],
    ["nn.ConvTranspose1d(2, 2, 3).transposed", "True"],
    ["nn.ConvTranspose1d(2, 2, 3).output_padding", "(0,)"],
    ["torch.ones(2).element_size()", "4"],
    ["torch.ones(2, dtype=torch.float16).itemsize", "2"],
    ["torch.ones(2, dtype=torch.int64).element_size()", "8"],
    ["torch.ones(2, dtype=torch.bool).itemsize", "1"],
  ];
  for (const [expr, value] of facts) {
    it(`${expr} is ${value}`, async () => {
      const model = await read([`self.fc = nn.Linear(1, 2 if ${expr} == ${value} else 3)`]);
      assert.equal(model.root.children[0]?.outFeatures, 2);
    });
  }
});
