import assert from "node:assert/strict";
import { join } from "node:path";
import { onnxruntimeEngine } from "../../../../../src/worker/engines/onnxruntime/engine";
import { toFloat32 } from "../../../../../src/worker/formats/convert";
import { allocate, type Tensor } from "../../../../../src/worker/formats/tensor";
import { openModel, runOnce, valuesFor } from "../../../../../src/worker/jobs/opened";
import type { ModelFile } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { summarize } from "../../../../../src/worker/readers/summary";
import { fixture, fixtures, messages, modelNamed, readTorch } from "../reading";

interface Reference {
  readonly line: number;
  readonly parameters: number;
  readonly trainable: number;
  readonly state: readonly [key: string, shape: number[], sum: number][];
  readonly input?: readonly number[];
  readonly output: readonly number[];
}

/** Numbers in equal steps, as make_named.py feeds them. */
function steps(shape: readonly number[], dtype: "float32" | "int64"): Tensor {
  const tensor = allocate(dtype, shape);
  const { data } = tensor;
  for (let i = 0; i < data.length; i++) {
    if (data instanceof BigInt64Array) data[i] = BigInt(i);
    else data[i] = -1 + (2 * i) / (data.length - 1);
  }
  return tensor;
}

describe("modules that a file makes under a name", () => {
  const references = JSON.parse(fixture("named.json")) as Record<string, Reference>;
  /** An instance that is as its class is shown, a part of another, and what is no model. */
  const left = ["net", "encoder", "layer", "loss", "main.criterion"];
  let opened: ModelFile;
  before(async () => {
    opened = await openModelFile(join(fixtures, "named.py"));
  });

  it("are models beside the classes, each at its name", () => {
    assert.deepEqual(messages(opened), []);
    const named = Object.entries(references).filter(([name]) => !left.includes(name));
    assert.deepEqual(
      opened.models.filter(({ root, className }) => root.kind !== className).map((m) => [m.className, m.place.line]),
      named.map(([name, { line }]) => [name, line] as const).sort(([, a], [, b]) => a - b),
    );
  });

  for (const [name, reference] of Object.entries(references)) {
    if (left.includes(name)) continue;
    it(`${name} has PyTorch's state dict and initial values, and gives PyTorch's output`, async () => {
      const model = modelNamed(opened, name);
      assert.equal(model.root.parameters, reference.parameters);
      assert.deepEqual(
        model.stateDict.map(({ path, shape }) => [path, shape]),
        reference.state.map(([path, shape]) => [path, shape]),
      );
      const trained = model.stateDict.filter(
        ({ buffer, frozen, tiedTo }) => !buffer && !frozen && tiedTo === undefined,
      );
      const size = ({ shape }: (typeof trained)[number]) => shape.reduce<number>((n, d) => n * d!, 1);
      assert.equal(
        trained.reduce((sum, entry) => sum + size(entry), 0),
        reference.trainable,
      );
      const file = join(fixtures, "named.py");
      const { values } = await openModel({ file, class: name, seed: 7 });
      for (const [path, , sum] of reference.state) {
        const total = toFloat32(values.get(path) as Tensor).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(total - sum) <= 1e-4 * Math.max(1, Math.abs(sum)), `${path}: ${total} against ${sum}`);
      }
      assert.ok(reference.input);
      const dtype = name === "gpt" ? "int64" : "float32";
      const [input] = model.trace().inputs;
      const { graph } = model.trace({ inputs: [{ name: input!.name, shape: reference.input, dtype }] });
      const feeds = new Map([[input!.name, steps(reference.input, dtype)]]);
      const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, valuesFor(graph, values), feeds);
      const output = toFloat32([...outputs.values()][0]!);
      for (const [i, expected] of reference.output.entries())
        assert.ok(Math.abs(output[i]! - expected) < 1e-5, `${i}: ${output[i]} against ${expected}`);
    });
  }

  it("are traced for the editor, also if their code is in another file of the project", () => {
    const traced = opened.models.filter((m) => m.shapes!().graph !== undefined).map((m) => m.className);
    const others = opened.models.map((m) => m.className).filter((name) => !traced.includes(name));
    assert.deepEqual(others, []);
  });

  it("shapes that do not fit in a Sequential are an error at its layer", async () => {
    const file = await readTorch("bad = nn.Sequential(\n  nn.Linear(64, 128),\n  nn.Linear(127, 10),\n)\nprint()\n");
    const { problem } = modelNamed(file, "bad").shapes!();
    assert.equal(problem?.severity, "error");
    assert.equal(problem.place.line, 6);
    assert.match(problem.message, /2x128 and 127x10/);
  });

  it("are called by their name, wherever the name refers to them", async () => {
    const file = await readTorch(
      [
        "small = nn.Sequential(nn.Linear(4, 2))",
        "small(torch.randn(9, 4))",
        "large = nn.Sequential(nn.Linear(8, 2))",
        "def run():",
        "  return large(torch.randn(5, 8))",
        "def other(large):",
        "  return large(torch.randn(3, 3))",
        "def inner():",
        "  large = nn.Sequential(nn.Linear(7, 1))",
        "  return large(torch.randn(6, 7))",
        "small = small.to('cpu')",
      ].join("\n"),
    );
    const inputs = (name: string) =>
      modelNamed(file, name)
        .trace()
        .inputs.map(({ shape }) => shape);
    assert.deepEqual([inputs("small"), inputs("large"), inputs("inner.large")], [[[9, 4]], [[5, 8]], [[6, 7]]]);
  });

  it("keep the sizes of weights that are loaded from files that are not read", async () => {
    const file = await readTorch(
      [
        "import tensorflow as tf",
        "class Norm(nn.Module):",
        "  def __init__(self):",
        "    super().__init__()",
        "    self.scale = nn.Parameter(torch.ones(4))",
        "  def forward(self, x):",
        "    return x * self.scale",
        "def load(path):",
        "  params = {'blocks': [{} for _ in range(2)]}",
        "  for name, _ in tf.train.list_variables(path):",
        "    target = params",
        "    for key in name.split('/')[:-1]:",
        "      target = target.setdefault(key, {})",
        "    target[name] = tf.train.load_variable(path, name)",
        "  return params",
        "params = load('model.ckpt')",
        "model = nn.Sequential(nn.Linear(3, 4), Norm())",
        "model[0].weight = nn.Parameter(torch.tensor(params['w']))",
        "model[1].scale = nn.Parameter(torch.tensor(params['g']))",
      ].join("\n"),
    );
    assert.deepEqual(messages(file), []);
    const model = modelNamed(file, "model");
    assert.equal(model.root.parameters, 3 * 4 + 4 + 4);
    assert.deepEqual(
      [...model.trace().graph.outputs.values()].map(({ shape }) => shape),
      [[2, 4]],
    );
  });

  it("are listed in the file's summary by their name, with their kind", async () => {
    const { models } = summarize(await readTorch("net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())\n"));
    assert.deepEqual(
      models.map(({ class: name, kind, line }) => ({ name, kind, line })),
      [{ name: "net", kind: "Sequential", line: 4 }],
    );
  });
});
