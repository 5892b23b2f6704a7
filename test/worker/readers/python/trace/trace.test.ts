import assert from "node:assert/strict";
import { UserError } from "../../../../../src/worker/formats/errors";
import type { Model, ModelFile } from "../../../../../src/worker/readers/model";
import { fixture, modelNamed, read, readTorch } from "../reading";

interface Reference {
  readonly parameters: number;
  readonly state: readonly [key: string, shape: number[], sum: number][];
  readonly inputs: readonly number[][];
  readonly outputs: Readonly<Record<string, number[]>>;
}

function outputs(model: Model, options: Parameters<Model["trace"]>[0] = {}): Record<string, readonly number[]> {
  return Object.fromEntries([...model.trace(options).graph.outputs].map(([name, node]) => [name, node.shape]));
}

describe("python reader against PyTorch", () => {
  const references = JSON.parse(fixture("models.json")) as Record<string, Reference>;
  let opened: ModelFile;
  before(async () => {
    opened = await read(fixture("models.py"));
  });

  it("finds no problem in the file", () => {
    assert.deepEqual(opened.problems, []);
    assert.deepEqual(new Set(opened.models.map((m) => m.className)), new Set(Object.keys(references)));
  });

  for (const [name, reference] of Object.entries(references)) {
    it(`${name}: parameters, state dict, inferred inputs and outputs`, () => {
      const model = modelNamed(opened, name);
      assert.equal(model.root.parameters, reference.parameters);
      assert.deepEqual(
        model.stateDict.map((p) => [p.path, p.shape]),
        reference.state.map(([key, shape]) => [key, shape]),
      );
      const traced = model.trace();
      assert.deepEqual(
        traced.inputs.map((i) => i.shape),
        reference.inputs,
      );
      assert.deepEqual(traced.problems, []);
      assert.deepEqual(outputs(model), reference.outputs);
      const paths = new Set(model.stateDict.map((p) => p.path));
      for (const p of traced.graph.parameters) assert.ok(paths.has(p.attrs.path), p.attrs.path);
    });

    it(`${name}: initial values of torch.manual_seed(7)`, () => {
      const values = modelNamed(opened, name).initialize(7);
      const model = modelNamed(opened, name);
      for (const [key, , sum] of reference.state) {
        const info = model.stateDict.find((p) => p.path === key)!;
        if (info.initializer.kind === "graph") continue;
        const tensor = values.get(info.tiedTo ?? key);
        assert.ok(tensor, key);
        const total = [...(tensor.data as Float32Array)].reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(total - sum) <= 1e-4 * Math.max(1, Math.abs(sum)), `${key}: ${total} against ${sum}`);
      }
    });
  }

  it("knows what the integer input indexes, and where example inputs come from", () => {
    assert.deepEqual(modelNamed(opened, "GPT").trace().inputs, [
      { name: "idx", shape: [2, 8], dtype: "int64", below: 23 },
    ]);
    assert.equal(modelNamed(opened, "GPT").trace().inputsFrom, "inferred from transformer.wte");
    assert.match(modelNamed(opened, "Autoencoder").trace().inputsFrom, /^the call at line \d+$/);
  });

  it("replaces the batch size, and takes the inputs it is given", () => {
    assert.deepEqual(outputs(modelNamed(opened, "MLP"), { batch: 7 }), { output: [7, 4] });
    const inputs = [{ name: "idx", shape: [3, 5], dtype: "int64" as const }];
    assert.deepEqual(outputs(modelNamed(opened, "GPT"), { inputs }), { output_0: [3, 5, 23] });
    const both = [...inputs, { name: "targets", shape: [3, 5], dtype: "int64" as const }];
    assert.deepEqual(outputs(modelNamed(opened, "GPT"), { inputs: both }), { output_0: [3, 5, 23], output_1: [] });
    assert.equal(modelNamed(opened, "GPT").trace({ inputs }).inputsFrom, "given");
  });

  it("refuses inputs that forward does not have", () => {
    const inputs = [{ name: "y", shape: [3], dtype: "float32" as const }];
    assert.throws(() => modelNamed(opened, "MLP").trace({ inputs }), /forward has no input "y"; it takes x/);
    assert.throws(() => modelNamed(opened, "MLP").trace({ inputs: [] }), /needs the input "x"/);
  });

  it("has dropout in training only, and gives the same graph twice", () => {
    const model = modelNamed(opened, "MLP");
    const ops = (training: boolean) => model.trace({ training }).graph.nodes.map((n) => n.op);
    assert.ok(!ops(false).includes("dropout"));
    assert.equal(ops(true).filter((op) => op === "dropout").length, 2);
    assert.deepEqual(ops(false), ops(false));
  });

  it("places each node at the line it comes from", () => {
    const line =
      fixture("models.py")
        .split("\n")
        .findIndex((l) => l.includes("att = F.softmax(")) + 1;
    const nodes = modelNamed(opened, "CausalSelfAttention").trace().graph.nodes;
    assert.deepEqual(
      nodes.filter((n) => n.op === "softmax").map((n) => n.place?.line),
      [line],
    );
  });
});

describe("python reader: forward that fails", () => {
  it("names the line, the shapes and the inputs", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(17, 2)
    def forward(self, x):
        return self.b(self.a(x))
`);
    assert.throws(
      () => modelNamed(opened, "Net").trace(),
      (error: unknown) =>
        error instanceof UserError &&
        error.place?.line === 11 &&
        /^Net\.forward cannot be traced with x float32 \[2, 8\] \(inferred from a\): line 11: RuntimeError: mat1 and mat2 shapes cannot be multiplied \(2x16 and 17x2\)/.test(
          error.message,
        ),
    );
  });

  it("explains an output that is unknown", async () => {
    const opened = await readTorch(`
import helpers
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
    def forward(self, x):
        return helpers.activate(self.a(x))
`);
    assert.throws(() => modelNamed(opened, "Net").trace(), /output is unknown: the import of helpers was not followed/);
  });

  it("reports a missing attribute and a missing forward in Python's words", async () => {
    const opened = await readTorch(`
class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
    def forward(self, x):
        return self.fc(x)
class B(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
`);
    assert.throws(() => modelNamed(opened, "A").trace(), /line 10: AttributeError: 'A' object has no attribute 'fc'/);
    assert.throws(
      () => modelNamed(opened, "B").trace(),
      /NotImplementedError: Module \[B\] is missing the required "forward" function/,
    );
  });

  it("ends an endless loop in forward, and can be traced again afterwards", async () => {
    const opened = await readTorch(
      `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.loop = True
    def forward(self, x, n=1):
        self.count = getattr(self, "count", 0) + 1
        while self.loop and n == 1:
            n = 1
        return self.a(x)
`,
      { steps: 20_000 },
    );
    const net = modelNamed(opened, "Net");
    assert.throws(() => net.trace(), /evaluation stopped here/);
    assert.throws(() => net.trace(), /evaluation stopped here/);
  });

  it("uses a call in the file with constants, at the top level and through a variable", async () => {
    const opened = await readTorch(`
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
    def forward(self, x, scale, flag=False):
        if flag:
            return self.a(x) * scale, x
        return self.a(x)
net = Net()
batch = 3
x = torch.rand(batch, 2, 8)
out = net(x, 0.5, flag=True)
`);
    const traced = modelNamed(opened, "Net").trace();
    assert.equal(traced.inputsFrom, "the call at line 16");
    assert.deepEqual(traced.inputs, [{ name: "x", shape: [3, 2, 8], dtype: "float32" }]);
    assert.deepEqual([...traced.graph.outputs.keys()], ["output_0", "output_1"]);
  });

  it("does not go on with a tensor that a skipped loop would have changed in place", async () => {
    const opened = await readTorch(`
class Sums(nn.Module):
    def forward(self, x, index):
        total = torch.zeros(3, 4)
        for i in torch.unique(index):
            total.add_(x * i)
        return total
Sums()(torch.randn(3, 4), torch.tensor([0, 2]))
class Fills(nn.Module):
    def forward(self, x, index):
        total = torch.zeros(3, 4)
        for i in torch.unique(index):
            torch.mul(x, i, out=total)
        return total
Fills()(torch.randn(3, 4), torch.tensor([0, 2]))
`);
    for (const name of ["Sums", "Fills"]) {
      assert.throws(() => modelNamed(opened, name).trace(), /output is unknown: .*unique is not supported/);
    }
  });

  it("infers the main input of a forward whose parameters are all optional, and a decoder's", async () => {
    const opened = await readTorch(`
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None):
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("exactly one")
        return self.embed(input_ids)
class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
    def forward(self, input_ids=None, decoder_input_ids=None):
        return self.encoder(input_ids).sum(1, keepdim=True) + self.encoder(decoder_input_ids)
class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
    def forward(self, scale=2.0):
        return self.weight * scale
`);
    const inputs = (name: string) =>
      modelNamed(opened, name)
        .trace()
        .inputs.map(({ name, shape }) => [name, shape]);
    assert.deepEqual(inputs("Encoder"), [["input_ids", [2, 16]]]);
    assert.deepEqual(inputs("Both"), [
      ["input_ids", [2, 16]],
      ["decoder_input_ids", [2, 16]],
    ]);
    assert.deepEqual(inputs("Constant"), []);
  });

  it("calls forward from a module's own __call__ through super()", async () => {
    const opened = await readTorch(`
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs)
    def forward(self, x):
        return self.fc(x)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer()
    def forward(self, x):
        return self.layer(x)
`);
    assert.deepEqual(outputs(modelNamed(opened, "Net")), { output: [2, 3] });
  });
});
