import assert from "node:assert/strict";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import { float32, type Tensor } from "../../../../../../src/worker/formats/tensor";
import type { Graph } from "../../../../../../src/worker/graph/graph";
import { differentiate } from "../../../../../../src/worker/passes/autodiff";
import type { Model } from "../../../../../../src/worker/readers/model";
import { modelNamed, readTorch } from "../../reading";

/** What forward does beside computing: drawing random numbers, changing buffers, converting, cutting gradients off. */

const engine = onnxruntimeEngine("cpu");

async function model(init: readonly string[], forward: readonly string[], after = ""): Promise<Model> {
  const body = (lines: readonly string[]) => lines.map((line) => `        ${line}\n`).join("");
  const source = `class M(nn.Module):
    def __init__(self):
        super().__init__()
${body(init)}
    def forward(self, x):
${body(forward)}
${after}`;
  return modelNamed(await readTorch(source), "M");
}
const inputs = [{ name: "x", shape: [2, 3], dtype: "float32" as const }];

async function run(graph: Graph, values: Readonly<Record<string, Tensor>>): Promise<number[][]> {
  const executable = await engine.compile(graph, { parameters: new Map(Object.entries(values)) });
  const feeds = new Map(graph.inputs.map(({ attrs }) => [attrs.name, values[attrs.name]!]));
  const outputs = [...(await executable.run(feeds)).values()];
  const read: number[][] = [];
  for (const output of outputs) {
    read.push(Array.from((await output.read()).data as Float32Array, Number));
    output.dispose();
  }
  await executable.dispose();
  return read;
}
const x = float32([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));

describe("random numbers in forward", () => {
  it("are an input of the graph that says how they are drawn, and not an input of the model", async () => {
    const vae = await model(["pass"], ["eps = torch.randn_like(x)", "return x + 2 * eps"]);
    const { graph, inputs: given, problems } = vae.trace({ inputs });
    assert.deepEqual(
      graph.inputs.map(({ attrs }) => [attrs.name, attrs.noise]),
      [
        ["x", undefined],
        ["noise.0", "normal"],
      ],
    );
    assert.deepEqual(
      given.map((i) => i.name),
      ["x"],
    );
    assert.match(problems.map((p) => p.message).join(), /each run draws new ones/);
    const noise = float32([2, 3], Float32Array.of(0, 1, 0, -1, 0, 0.5));
    assert.deepEqual(await run(graph, { x, "noise.0": noise }), [[1, 4, 3, 2, 5, 7]]);
  });

  it("have the same names whenever the model is traced", async () => {
    const noisy = await model(["pass"], ["return x + torch.rand(3) + torch.rand(3)"]);
    for (let i = 0; i < 2; i++) {
      const names = noisy.trace({ inputs }).graph.inputs.map(({ attrs }) => attrs.name);
      assert.deepEqual(names, ["x", "noise.0", "noise.1"]);
    }
  });

  it("are drawn in place too: stochastic depth", async () => {
    const dropped = await model(["pass"], ["return x * x.new_empty((2, 1)).bernoulli_(0.5)"]);
    const uniform = float32([2, 1], Float32Array.of(0.4, 0.6));
    const { graph } = dropped.trace({ inputs });
    assert.deepEqual(await run(graph, { x, "noise.0": uniform }), [[1, 2, 3, 0, 0, 0]]);
  });
});

describe("buffers that forward changes", () => {
  it("are seen changed by that call, and unchanged by the next trace", async () => {
    const counting = await model(
      ["self.register_buffer('seen', torch.zeros(3))", "self.register_buffer('steps', torch.zeros(()))"],
      ["self.seen[:2] += x.sum(0)[:2]", "self.steps += 1", "return self.seen * self.steps"],
    );
    for (let i = 0; i < 2; i++) {
      const { graph, problems } = counting.trace({ inputs });
      const seen = float32([3], Float32Array.of(10, 20, 30));
      const result = await run(graph, { x, seen, steps: float32([], Float32Array.of(1)) });
      assert.deepEqual(result, [[30, 54, 60]]);
      assert.match(problems.map((p) => p.message).join(), /buffer seen is changed in forward/);
    }
  });

  it("but a parameter may not change", async () => {
    const changing = await model(
      ["self.w = nn.Parameter(torch.ones(3))"],
      ["self.w.data.mul_(2)", "return x * self.w"],
    );
    assert.throws(() => changing.trace({ inputs }), /changing the parameter w in place is not supported in forward/);
  });
});

describe("precision that the source chooses", () => {
  it("is the state dict's and the result's", async () => {
    const half = await model(
      ["self.a = nn.Linear(3, 2).half()", "self.b = nn.Linear(2, 1)"],
      ["return self.b(self.a(x.half()).float())"],
    );
    assert.deepEqual(
      half.stateDict.map((p) => [p.path, p.dtype]),
      [
        ["a.weight", "float16"],
        ["a.bias", "float16"],
        ["b.weight", "float32"],
        ["b.bias", "float32"],
      ],
    );
    assert.equal(half.trace({ inputs }).graph.output("output").dtype, "float32");
  });

  it("may be chosen by the script", async () => {
    const script = 'net = M().to("cpu", torch.bfloat16)\n';
    const whole = await model(["self.a = nn.Linear(3, 2)"], ["return self.a(x)"], script);
    assert.equal(whole.stateDict[0]!.dtype, "bfloat16");
    const traced = whole.trace();
    assert.deepEqual([traced.inputs[0]!.dtype, traced.graph.output("output").dtype], ["bfloat16", "bfloat16"]);
  });

  it("does not change in forward", async () => {
    const late = await model(["self.a = nn.Linear(3, 2)"], ["return self.a.half()(x.half())"]);
    assert.throws(() => late.trace({ inputs }), /weight cannot become float16 in forward/);
  });
});

it("detach gives the value without its gradient", async () => {
  const cut = await model(["pass"], ["return (x * x.detach()).sum()"]);
  const { graph } = cut.trace({ inputs });
  const gradient = differentiate(graph, graph.output("output"), [graph.inputs[0]!]).get(graph.inputs[0]!)!;
  assert.deepEqual(await run(graph.withOutputs([["gradient", gradient]]), { x }), [[1, 2, 3, 4, 5, 6]]);
});

it("names what a graph cannot hold", async () => {
  for (const [line, message] of [
    ["return torch.vmap(torch.relu)(x)", /torch\.vmap is not supported: write the batch as a dimension/],
    ["return torch.fft.rfft(x)", /torch\.fft\.rfft is not supported: a graph has no Fourier transform/],
    ["return nn.utils.rnn.pack_padded_sequence(x, [3, 3])", /give the layer a padded tensor/],
  ] as const) {
    const refused = await model(["pass"], [line]);
    assert.throws(() => refused.trace({ inputs }), message);
  }
});
