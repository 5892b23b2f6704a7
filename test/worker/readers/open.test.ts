import assert from "node:assert/strict";
import { UserError } from "../../../src/worker/formats/errors";
import { chooseModel, isModelFile, openModelFile } from "../../../src/worker/readers/open";
import { summarize } from "../../../src/worker/readers/summary";

const SOURCE = `import torch.nn as nn
class Block(nn.Module):
    def __init__(self, d=4):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.fc = nn.Linear(d, d, bias=False)
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.emb = nn.Embedding(10, 4)
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(4, n)
`;

describe("opening a model file", () => {
  it("refuses unknown formats and unreadable files with a message", async () => {
    assert.equal(isModelFile("a/b.py"), true);
    assert.equal(isModelFile("a/b.txt"), false);
    await assert.rejects(
      openModelFile("weights.onnx"),
      (e) => e instanceof UserError && /PyTorch source \(\.py\).*not \.onnx/.test(e.message),
    );
    await assert.rejects(
      openModelFile("/does/not/exist.py"),
      (e) => e instanceof UserError && /there is no such file/.test(e.message),
    );
  });

  it("chooses the model that is not part of another, or the named one", async () => {
    const opened = await openModelFile("m.py", SOURCE);
    assert.equal(chooseModel(opened).className, "Net");
    assert.equal(chooseModel(opened, "Block").className, "Block");
    assert.throws(() => chooseModel(opened, "Nope"), /no model Nope; it has Block, Net/);
    assert.throws(
      () => chooseModel({ file: "m.py", models: [], problems: [] }),
      /no class that derives from torch\.nn\.Module/,
    );
  });

  it("summarizes layers, not containers, with null where nothing is known", async () => {
    const summary = summarize(await openModelFile("m.py", SOURCE));
    const net = summary.models.find((m) => m.class === "Net")!;
    assert.equal(net.line, 7);
    assert.equal(net.parameters, null);
    assert.deepEqual(
      net.layers.map((l) => [l.path, l.kind, l.inFeatures, l.outFeatures, l.bias, l.parameters, l.line]),
      [
        ["emb", "Embedding", 10, 4, null, 40, 10],
        ["blocks.0.norm", "LayerNorm", null, null, null, 8, 5],
        ["blocks.0.fc", "Linear", 4, 4, false, 16, 6],
        ["blocks.1.norm", "LayerNorm", null, null, null, 8, 5],
        ["blocks.1.fc", "Linear", 4, 4, false, 16, 6],
        ["drop", "Dropout", null, null, null, 0, 12],
        ["out", "Linear", 4, null, true, null, 13],
      ],
    );
    assert.equal(summary.problems.length, 1);
    assert.equal(JSON.stringify(JSON.parse(JSON.stringify(summary))), JSON.stringify(summary));
  });
});
