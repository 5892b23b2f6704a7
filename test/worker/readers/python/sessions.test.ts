import { strict as assert } from "node:assert";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printGraph } from "../../../../src/worker/graph/print";
import { ReaderMemory } from "../../../../src/worker/readers/memory";
import type { Model, ModelFile, ReadOptions } from "../../../../src/worker/readers/model";
import { openModelFile } from "../../../../src/worker/readers/open";
import { writeFiles } from "./reading";

/** Draws random numbers, draws noise, counts by id(), keeps state of the standard library, and compiles loops. */
const DRAWING = `
import argparse, contextlib, torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=8)
width = parser.parse_args().width
token = object()

class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(width, width + id(token))
        self.scale = nn.Parameter(torch.randn(width) * 0.5)
        self.register_buffer("table", torch.tensor([float(i) / (i % 40) if i % 40 else 0.0 for i in range(64)]))
        with contextlib.suppress(KeyError):
            {}["missing"]
        torch.randn(5)  # moves the stream on
        self.last = nn.Linear(width, 2)

    def forward(self, x):
        self.table += 1
        return self.last(x * self.scale + torch.randn_like(x))

net = Noisy()
`;

const OTHER = `
import argparse, torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
tokens = [object() for _ in range(5)]
numbers = [id(each) for each in tokens]

class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(parser.parse_args().depth)])
        self.head = nn.Linear(4, numbers[-1])
        self.start = nn.Parameter(torch.rand(4))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + torch.rand(4)
        return self.head(x + self.start)
`;

/** Everything that a reading tells of a model. */
function told(model: Model): unknown {
  const { graph, problems } = model.trace();
  return {
    name: model.className,
    layers: model.root,
    shapes: model.stateDict.map(({ path, shape, initializer }) => [path, shape, initializer.kind]),
    values: [...model.initialize(7)].map(([name, { data }]) => [name, Array.from(data as Float32Array)]),
    graph: printGraph(graph),
    problems,
  };
}

const all = ({ models, problems }: ModelFile): unknown => ({ models: models.map(told), problems });
const read = (file: string, text: string): Promise<ModelFile> => openModelFile(file, text);

describe("readings of one process", () => {
  it("draw, trace and count from the beginning, whatever was read before", async () => {
    const [drawing, other] = [all(await read("/a.py", DRAWING)), all(await read("/b.py", OTHER))];
    for (let again = 0; again < 2; again++) {
      assert.deepEqual(all(await read("/b.py", OTHER)), other);
      assert.deepEqual(all(await read("/a.py", DRAWING)), drawing);
    }
  });

  it("see nothing of each other when one is asked while the other is read", async () => {
    const [drawing, other] = [all(await read("/a.py", DRAWING)), all(await read("/b.py", OTHER))];
    const [a, b] = await Promise.all([read("/a.py", DRAWING), read("/b.py", OTHER)]);
    const [ofA, ofB] = [a.models.map(told), b.models.map(told)];
    assert.deepEqual({ models: a.models.map(told), problems: a.problems }, drawing);
    assert.deepEqual({ models: b.models.map(told), problems: b.problems }, other);
    assert.deepEqual([ofA, ofB], [a.models.map(told), b.models.map(told)]);
  });

  it("number objects by id() from 1 on", async () => {
    for (let again = 0; again < 2; again++) {
      const { models } = await read("/a.py", DRAWING);
      const noisy = models.find((m) => m.className === "Noisy")!;
      assert.equal(noisy.root.children[0]!.outFeatures, 9);
    }
  });

  it("give a function no configuration that hydra gave it before its decorator was another one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lora-lens-sessions-"));
    const memory = new ReaderMemory();
    const main = `
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, 2)

@hydra.main(config_path="conf", config_name="net", version_base=None)
def main(cfg):
    return Net(cfg.width)
`;
    const width = async (first: string, options?: Partial<ReadOptions>) => {
      const text = `import torch.nn as nn\n${first}\n${main}`;
      const { models } = await openModelFile(join(folder, "train.py"), text, { open: true, ...options });
      return models.find((m) => m.className === "Net")!.root.children[0]!.inFeatures;
    };
    try {
      writeFiles(folder, { "conf/net.yaml": "width: 12\n" });
      assert.equal(await width("import hydra", { memory }), 12);
      assert.equal(await width("import somewhere_else as hydra", { memory }), undefined);
      assert.equal(await width("import somewhere_else as hydra"), undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
