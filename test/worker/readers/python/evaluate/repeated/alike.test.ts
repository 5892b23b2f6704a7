import assert from "node:assert/strict";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../../../../src/worker/formats/convert";
import type { Tensor } from "../../../../../../src/worker/formats/tensor";
import { openModel, runOnce, valuesFor } from "../../../../../../src/worker/jobs/opened";
import { ReaderMemory } from "../../../../../../src/worker/readers/memory";
import { walkModules } from "../../../../../../src/worker/readers/model";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";
import { summarize } from "../../../../../../src/worker/readers/summary";
import { fixture, messages, modelNamed, readTorch } from "../../reading";

const memory = new ReaderMemory();

interface Reference {
  readonly modules: readonly (readonly [path: string, kind: string])[];
  readonly parameters: number;
  readonly trainable: number;
  readonly state: readonly (readonly [path: string, shape: readonly number[], sum: number])[];
  readonly frozen: readonly string[];
  readonly output?: number;
}

const HEADER = "import torch\nimport torch.nn as nn\n";
const programs = fixture("alike.txt").split("---\n");
const references: Readonly<Record<string, Reference>> = JSON.parse(fixture("alike.json"));

describe("modules that one call makes repeatedly", function () {
  this.timeout(30_000);

  for (const program of programs) {
    const title = program.slice(2, program.indexOf("\n"));
    it(`${title}: modules, weights and output are PyTorch's`, async () => {
      const opened = await readTorch(program);
      const reference = references[title]!;
      assert.deepEqual(
        messages(opened).filter((text) => /error|unknown|not evaluated/.test(text)),
        [],
      );
      const model = modelNamed(opened, "Net");
      assert.deepEqual(
        [...walkModules(model.root)].map(({ path, kind }) => [path, kind]),
        reference.modules,
      );
      assert.equal(model.root.parameters, reference.parameters);
      assert.equal(model.root.trainable ?? model.root.parameters, reference.trainable);
      assert.deepEqual(
        model.stateDict.map(({ path, shape }) => [path, shape]),
        reference.state.map(([path, shape]) => [path, shape]),
      );
      assert.deepEqual(
        model.stateDict.filter(({ frozen }) => frozen).map(({ path }) => path),
        reference.frozen,
      );
      const { values } = await openModel({ file: "model.py", text: HEADER + program, class: "Net", seed: 3 });
      for (const [path, , sum] of reference.state) close(total(values.get(path) as Tensor), sum, path);
      if (reference.output === undefined) return;
      const x = Float32Array.from({ length: 8 }, (_, i) => -1 + (2 * i) / 7);
      const { graph } = model.trace({ inputs: [{ name: "x", shape: [2, 4], dtype: "float32" }] });
      const feeds = new Map<string, Tensor>([["x", { dtype: "float32", shape: [2, 4], data: x }]]);
      const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, valuesFor(graph, values), feeds);
      close(total([...outputs.values()][0]!), reference.output, "the output");
    });
  }

  it("have an unknown size after an undecidable if that may have changed it", async () => {
    const opened = await readTorch(`
class Expert(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.up = nn.Linear(4, size.width)
class Size:
    def __init__(self):
        self.width = 3
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        size = Size()
        self.experts = nn.ModuleList()
        for i in range(6):
            if i == 4 and input():
                size.width = 5
            self.experts.append(Expert(size))
`);
    const { root } = modelNamed(opened, "Net");
    const up = [...walkModules(root)].filter(({ kind }) => kind === "Linear").map(({ outFeatures }) => outFeatures);
    assert.deepEqual(up, [3, 3, 3, 3, undefined, undefined]);
  });

  it("each report an attribute that freezes nothing", async () => {
    const opened = await readTorch(`
class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(4, 3)
        self.up.requires_grad = False
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([Expert() for _ in range(5)])
        list(self.experts[3].parameters())
`);
    const { root } = modelNamed(opened, "Net");
    const up = [...walkModules(root)].filter(({ kind }) => kind === "Linear");
    assert.deepEqual(
      up.map(({ freezesNothingAt }) => freezesNothingAt?.line),
      [9, 9, 9, 9, 9],
    );
  });

  it("are models of a script besides their class if it changes them, but not if it only reads them", async () => {
    const opened = await readTorch(`
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(4, 4)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([Part() for _ in range(4)])
        self.head = nn.Linear(4, 2)
def make():
    nets = [Net() for _ in range(4)]
    nets[3].head.requires_grad_(False)
    return nets[3]
seen = Net()
print(seen.parts[2].up.weight)
changed = make()
`);
    assert.deepEqual(
      opened.models.map(({ className, root }) => [className, root.parameters, root.trainable]),
      [
        ["Part", 20, undefined],
        ["Net", 90, undefined],
        ["changed", 90, 80],
      ],
    );
  });

  it("that are a script's models are told from one that was changed", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Sequential(nn.Linear(4, 4)) for _ in range(4)])
        self.head = nn.Linear(4, 2)
for i in range(5):
    model = Net()
list(model.parts[3].parameters())
same = model
model = Net()
model.parts[1][0].requires_grad_(False)
`);
    assert.deepEqual(
      opened.models.map(({ className, root }) => [className, root.trainable ?? root.parameters]),
      [
        ["Net", 90],
        ["model", 70],
      ],
    );
  });

  it("are listed where each call makes them", async () => {
    const opened = await readTorch(`
class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(2, 2)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.ModuleList([Expert() for _ in range(4)])
        self.b = nn.ModuleList([
            Expert() for _ in range(4)])
`);
    const [net] = opened.models.filter(({ className }) => className === "Net");
    const lines = [...walkModules(net!.root)].filter(({ kind }) => kind === "Expert").map(({ place }) => place.line);
    assert.deepEqual(lines, [12, 12, 12, 12, 14, 14, 14, 14]);
  });

  it("move with their lines as a file is edited", async () => {
    const source = `${HEADER}class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(2, 2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([Expert() for _ in range(5)])

size = 1
class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(size, 2)
`;
    const texts = [
      source,
      source.replace("class Expert", "\n\nclass Expert"),
      source.replace("class Net", "\nclass Net"),
    ];
    for (const text of [...texts, source.replace("size = 1", "size = 2"), source]) {
      const edited = summarize(await pythonReader.open("/nowhere/edited.py", text, { open: true, memory }));
      assert.deepEqual(edited, summarize(await pythonReader.open("/nowhere/edited.py", text)));
    }
  });

  it("are listed in seconds when there are tens of thousands", async () => {
    const { className, root, problems } = modelNamed(await readTorch(many(64, 512)), "Net");
    const linear = [...walkModules(root)].filter(({ kind }) => kind === "Linear");
    assert.deepEqual([className, problems, linear.length], ["Net", [], 64 * (512 * 2 + 1)]);
    assert.equal(linear.at(-1)!.path, "layers.63.experts.511.down");
    assert.equal(root.parameters, 64 * (512 * 2 * (8 * 16) + 8 * 512));
    assert.equal(new Set(linear.map(({ path }) => path)).size, linear.length);
  }).timeout(10_000);

  it("are not traced when there are too many for one graph, which the editor and a trace report", async () => {
    const net = modelNamed(await readTorch(many(64, 512)), "Net");
    const why = /^Net\.forward is not traced: it has more than 30,000 modules, too many for one graph/;
    assert.throws(() => net.trace(), { message: why });
    const { problem, hints } = net.shapes!();
    assert.deepEqual([problem?.severity, problem?.place.line, hints], ["information", 18, []]);
    assert.match(problem!.message, why);
  });

  it("are refused when there are too many", async () => {
    const opened = await readTorch(many(64, 4000));
    assert.ok(
      messages(opened).some((text) =>
        /more than 400,000 modules|steps and [\d,]+ modules: this takes more steps/.test(text),
      ),
      messages(opened).join("\n"),
    );
  });
});

function many(layers: number, experts: number): string {
  return `
class Expert(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.dim, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.dim, bias=False)
class Block(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        self.index = index
        self.gate = nn.Linear(config.dim, config.experts, bias=False)
        self.experts = nn.ModuleList([Expert(config) for _ in range(config.experts)])
class Config:
    dim, hidden, experts = 8, 16, ${experts}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        config = Config()
        self.layers = nn.ModuleList([Block(config, i) for i in range(${layers})])
`;
}

const total = (tensor: Tensor): number => toFloat32(tensor).reduce((a, b) => a + b, 0);

function close(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  );
}
