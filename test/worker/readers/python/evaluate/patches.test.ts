import assert from "node:assert/strict";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { fixture, fixtures, messages, modelNamed } from "../reading";

const memory = new ReaderMemory();

interface Script {
  readonly source: string;
  readonly models: Readonly<Record<string, [key: string, shape: number[]][]>>;
}

describe("assignments to names of imported modules", () => {
  const folder = join(fixtures, "patches");
  const prelude = fixture("patches/prelude.py");
  const open = (source: string) => openModelFile(join(folder, "script.py"), prelude + source);

  for (const { source, models } of JSON.parse(fixture("patches/patches.json")) as Script[]) {
    it(`affect objects made afterwards, as in Python: ${source.trim().split("\n").slice(0, 3).join(" / ")}`, async () => {
      const file = await open(source);
      assert.deepEqual(messages(file), []);
      for (const [name, state] of Object.entries(models)) {
        const found = modelNamed(file, name).stateDict.map(({ path, shape }) => [path, shape]);
        assert.deepEqual(found, state, name);
      }
    });
  }

  const problems = async (source: string) =>
    (await open(source)).problems.map(({ place, severity, message }) => `${place.line} ${severity} ${message}`);

  it("do not affect the next reading or other files", async () => {
    const plain = async (name: string) => {
      const file = await openModelFile(join(folder, name));
      return file.models.map(({ className, stateDict }) => [className, stateDict.map(({ path }) => path)]);
    };
    const before = [await plain("lit/model.py"), await plain("lit/named.py")];
    const patched = await open("nn.Linear = LoRALinear\nlit.model.Attention = LoRAAttention\nmodel = Block(6)\n");
    assert.deepEqual([await plain("lit/model.py"), await plain("lit/named.py")], before);
    const { stateDict } = modelNamed(await open("model = nn.Sequential(Block(6), nn.Linear(2, 2))\n"), "model");
    assert.deepEqual(
      stateDict.map(({ path }) => path),
      ["attn.qkv.weight", "attn.qkv.bias", "out.weight", "out.bias"]
        .map((path) => `0.${path}`)
        .concat("1.weight", "1.bias"),
    );
    // What was read before keeps what it was made with.
    assert.ok(modelNamed(patched, "model").stateDict.some(({ path }) => path === "attn.lora.weight"));
  });

  it("end when a function's model has been made, and apply again when it is traced", async () => {
    const file = await open(`def main():
    lit.model.act = lambda x: x.mean(-1, keepdim=True).expand(*x.shape) * 2
    model = Block(6)
    return model
model = Block(6)
`);
    assert.deepEqual(messages(file), []);
    const ops = (name: string) => [...modelNamed(file, name).trace().graph.nodes].map(({ op }) => op);
    assert.deepEqual([ops("main.model").includes("relu"), ops("model").includes("relu")], [false, true]);
  });

  it("are traced: a method of another file's class, and of a class of torch", async () => {
    for (const patch of [
      "Attention.forward = double",
      "lit.model.Attention.forward = double",
      "nn.Linear.forward = double",
    ]) {
      const file = await open(`def double(self, x):\n    return x * 2\n${patch}\nmodel = Attention(6)\n`);
      assert.deepEqual(messages(file), []);
      const { graph } = modelNamed(file, "model").trace({ inputs: [{ name: "x", shape: [2, 6], dtype: "float32" }] });
      assert.ok(![...graph.nodes].some(({ op }) => op === "matmul" || op === "linear"), patch);
    }
  });

  it("are reported where they are not followed, also in other files and in trials, with the replacement that is ignored", async () => {
    assert.deepEqual(await problems("import bnb\nnn.Linear = bnb.nn.Linear4bit\nmodel = Block(6)\n"), [
      "13 warning torch.nn.Linear is replaced here by an unknown value (the import of bnb was not followed); models are read without the replacement",
    ]);
    assert.deepEqual(await problems("nn.Module.__call__ = lambda self, x: x\nmodel = Block(6)\n"), [
      "12 warning Module.__call__ is replaced here, which is not followed; models are read without the replacement",
    ]);
    assert.deepEqual(
      await problems("def main():\n    torch.Tensor.cuda = lambda x: x\n    model = Block(6)\n    return model\n"),
      ["13 warning Tensor.cuda is replaced here, which is not followed; models are read without the replacement"],
    );
    assert.deepEqual(
      await problems("import torch.nn.functional as F\nF.linear = lambda x, w, b: x\nmodel = Block(6)\n"),
      [
        "13 warning torch.nn.functional.linear is replaced here: the code that is read uses the replacement, but PyTorch's own layers do not",
      ],
    );
    assert.deepEqual(await problems("del nn.Linear\nmodel = Block(6)\n"), [
      "12 warning del torch.nn.Linear is not evaluated; models are read as if the name were still there",
    ]);
    assert.deepEqual(await problems("with patch('lit.model.Attention'):\n    model = Block(6)\n"), [
      "12 warning lit.model.Attention is replaced here by an unknown value (a mock replaces it); models are read without the replacement",
    ]);
    assert.deepEqual(await problems("with patch('lit.nowhere.Attention', LoRAAttention):\n    model = Block(6)\n"), [
      "12 warning the target of patch() is unknown here (lit.nowhere is not known to the reader); models are read without the replacement",
    ]);
  });

  it("affect every class of an open file, until they are deleted", async () => {
    const net =
      "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.block = Block(6)\n";
    const patch = "lit.model.Attention = LoRAAttention\n";
    const count = async (text: string) => {
      const { models } = await openModelFile(join(folder, "script.py"), prelude + text, { open: true, memory });
      return models.map((m) => m.root.parameters);
    };
    assert.deepEqual(await count(net), [168]);
    assert.deepEqual(await count(net + patch), [180]);
    assert.deepEqual(await count(`${net}#\n${patch}`), [180]);
    assert.deepEqual(await count(`${net}#\n`), [168]);
    assert.deepEqual(await count(`${net}patch_all(rank=3)\n`), [186]);
    assert.deepEqual(await count(`${net}patch_all(rank=4)\n`), [192]);
  });

  it("by a module's own statements last, although the statements first run for one of several models", async () => {
    const layer = (name: string) =>
      `class ${name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(width(), 2)
`;
    const source = `def width():
    from lit.sizes import Sizes
    return Sizes.width
${layer("First")}${layer("Second")}`;
    const { models, problems } = await open(source);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      models.map((m) => m.root.parameters),
      [16, 16],
    );
  });

  it("to flags of torch are not reported", async () => {
    const flags =
      "torch.backends.cudnn.benchmark = True\ntorch.backends.cuda.matmul.allow_tf32 = True\nimport sys\nsys.path = []\n";
    assert.deepEqual(await problems(`${flags}model = Block(6)\n`), []);
  });
});
