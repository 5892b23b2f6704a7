import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import type { DType } from "../../../../../../src/worker/formats/dtype";
import { allocate, type Tensor } from "../../../../../../src/worker/formats/tensor";
import { readTorch } from "../../reading";

interface Described {
  readonly shape: number[];
  readonly dtype: DType;
  readonly values: (number | boolean)[];
}
type Result = { readonly program: readonly string[] } & (Described | { readonly error: string });
const fixture: { inputs: Record<string, Described>; results: Result[] } = JSON.parse(
  readFileSync("test/fixtures/torch/views.json", "utf8"),
);
const inputs = Object.entries(fixture.inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
const engine = onnxruntimeEngine("cpu");

async function modelOf(body: readonly string[]) {
  const lines = body.map((line) => `        ${line}\n`).join("");
  const file = await readTorch(`
class Model(nn.Module):
    def forward(self, ${inputs.map((i) => i.name).join(", ")}):
${lines}        return r
`);
  const [model] = file.models;
  assert.ok(model, file.problems.map((p) => p.message).join("; "));
  return model;
}

describe("changes in place are seen through every view, as in PyTorch", () => {
  for (const expected of fixture.results) {
    it(expected.program.join("; "), async () => {
      const model = await modelOf(expected.program);
      if ("error" in expected) {
        assert.throws(() => model.trace({ inputs }));
        return;
      }
      // Twice: what one trace changes must not be there in the next.
      model.trace({ inputs });
      const { graph } = model.trace({ inputs });
      const node = graph.output("output");
      assert.deepEqual([node.shape, node.dtype], [expected.shape, expected.dtype]);
      const executable = await engine.compile(graph, { parameters: new Map() });
      const feeds = new Map(graph.inputs.map((i) => [i.attrs.name, tensorOf(fixture.inputs[i.attrs.name]!)]));
      const result = (await executable.run(feeds)).get("output")!;
      const { data } = await result.read();
      result.dispose();
      await executable.dispose();
      for (const [i, value] of expected.values.entries()) {
        const close = Math.abs(Number(data[i]) - Number(value)) <= 2e-6 * Math.max(1, Math.abs(Number(value)));
        assert.ok(close, `element ${i} is ${data[i]}, PyTorch's is ${value}`);
      }
    });
  }

  it("says so where a view is not followed, instead of giving a stale value", async () => {
    // Whether reshape copies depends on the strides of a sum of transposed tensors.
    const model = await modelOf(["s = x.transpose(1, 2) + x.transpose(1, 2)", "y = s.reshape(-1)", "y += 1", "r = s"]);
    assert.throws(() => model.trace({ inputs }), /may share memory/);
  });

  it("refuses to change a parameter through a view of it in forward", async () => {
    const file = await readTorch(`
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 4)
    def forward(self, x):
        self.l.weight[0].zero_()
        return self.l(x)
`);
    assert.throws(() => file.models[0]!.trace({ inputs: inputs.slice(0, 1) }), /l\.weight in place is not supported/);
  });

  it("starts each trace from the tensors as they were constructed", async () => {
    const file = await readTorch(`
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = torch.zeros(2, 3, 4)
        self.calls = []
    def forward(self, x):
        self.cache += 1
        self.calls.append(x)
        return x + self.cache * len(self.calls)
`);
    const texts = [1, 2].map(() => {
      const { graph } = file.models[0]!.trace({ inputs: inputs.slice(0, 1) });
      return graph.nodes.map((n) => n.op).join(" ");
    });
    assert.equal(texts[0], texts[1]);
    assert.equal(texts[0]!.split(" ").filter((op) => op === "add").length, 2);
  });
});

function tensorOf({ shape, dtype, values }: Described): Tensor {
  const tensor = allocate(dtype, shape);
  for (const [i, value] of values.entries()) {
    if (tensor.data instanceof BigInt64Array) tensor.data[i] = BigInt(Number(value));
    else tensor.data[i] = Number(value);
  }
  return tensor;
}
