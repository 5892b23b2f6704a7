import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../../../../src/worker/formats/errors";
import { loadTensor, readTensors, writeSafetensors } from "../../../../src/worker/formats/safetensors";
import { float32, type Tensor, type TensorRef } from "../../../../src/worker/formats/tensor";
import { mergedTensors } from "../../../../src/worker/jobs/export/merge";
import { openModel } from "../../../../src/worker/jobs/opened";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { CONVERSIONS, TRANSFORMERS } from "../../readers/python/imports/transformers";

const steps = (shape: readonly number[], from: number): Tensor =>
  float32(
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => from + i),
  );

/** Of TinyModel at width 4. */
const TINY = new Map([
  ["fc.weight", steps([2, 4], 100)],
  ["fc.bias", steps([2], 200)],
  ["head.weight", steps([2, 4], 300)],
  ["head.bias", steps([2], 400)],
]);

const SOURCE = `import copy
import torch
from torch import nn
from transformers import AutoModel, TinyModel
model = AutoModel.from_pretrained("tiny")
labeled = TinyModel.from_pretrained("headless")
bare = TinyModel.from_pretrained("bare")
wide = TinyModel.from_pretrained("wide")
class Net(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.out = nn.Linear(2, 1)
net = Net(TinyModel.from_pretrained("tiny"))
class Wrapped(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.A = nn.Parameter(torch.zeros(4, 1))
changed = TinyModel.from_pretrained("tiny").to(torch.float32)
changed.fc = Wrapped(changed.fc)
changed.head = nn.Linear(4, 5)
for p in changed.fc.linear.parameters():
    p.requires_grad = False
again = TinyModel.from_pretrained("tiny")
nn.init.normal_(again.head.weight)
half = TinyModel.from_pretrained("tiny").half()
converted = TinyModel.from_pretrained("converted")
class Layers(TinyModel):
    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.ModuleList([copy.deepcopy(self.fc) for _ in range(2)])
copies = nn.Sequential(Layers.from_pretrained("copies"))
`;

describe("weights of what the code loads", () => {
  const at = temporaryFolder();

  beforeEach(async () => {
    const files: Record<string, string> = { ...TRANSFORMERS, ...CONVERSIONS, "m.py": SOURCE };
    for (const name of ["tiny", "headless", "bare", "wide", "converted", "copies"])
      files[`${name}/config.json`] = JSON.stringify({ model_type: "tiny", width: name === "wide" ? 6 : 4 });
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(at(name)), { recursive: true });
      await writeFile(at(name), text);
    }
    await writeSafetensors(at("blob"), TINY);
    // As Hugging Face's cache keeps them.
    for (const name of ["tiny", "wide"]) await symlink(at("blob"), at(`${name}/model.safetensors`));
    const body = [...TINY].filter(([key]) => key.startsWith("fc"));
    await writeSafetensors(
      at("headless/model.safetensors"),
      new Map(body.map(([key, value]) => [`base.${key}`, value])),
    );
  });

  const CONVERTED = new Map([
    ["dense.bias", steps([2], 200)],
    ["dense.weight", steps([2, 4], 100)],
    ["head.bias", steps([2], 400)],
    ["rows.0.part", steps([4], 300)],
    ["rows.1.part", steps([4], 304)],
    ["score.weight", steps([3], 500)],
  ]);

  /** The values that came from files, by path, where they are from, and the paths of the others. */
  const open = async (name: string) => {
    const { values, weights } = await openModel({ file: at("m.py"), class: name, packages: [at("site")] });
    const refs = new Map<string, TensorRef>();
    for (const [path, value] of values) if ("file" in value) refs.set(path, value);
    const read = [...(await readTensors(refs))].map(([path, { data }]) => [path, [...(data as Float32Array)]] as const);
    const { from, initialized } = weights;
    return { from, initialized, read, drawn: [...values.keys()].filter((path) => !refs.has(path)) };
  };
  const stored = (prefix = "") =>
    [...TINY].map(([path, { data }]) => [prefix + path, [...(data as Float32Array)]] as const);

  it("are in the folder that it names, also through links", async () => {
    const from = at("tiny/model.safetensors");
    assert.deepEqual(await open("model"), { from, initialized: [], read: stored(), drawn: [] });
  });

  it("are those of a loaded part; the rest gets PyTorch's initial values", async () => {
    assert.deepEqual(await open("Net"), {
      from: at("tiny/model.safetensors"),
      initialized: ["out.weight", "out.bias"],
      read: stored("body."),
      drawn: ["out.weight", "out.bias"],
    });
  });

  it("may lack a head, which is then initialized at random", async () => {
    const { from, initialized, read, drawn } = await open("labeled");
    assert.deepEqual(read, stored().slice(0, 2));
    assert.deepEqual(drawn, ["head.weight", "head.bias"]);
    assert.deepEqual(initialized, ["head.weight", "head.bias"]);
    assert.match(from, /without the prefix "base\." of its keys$/);
  });

  it("stay with a loaded module when it is wrapped, but not when it is replaced or initialized again", async () => {
    const changed = await open("changed");
    assert.deepEqual(
      changed.read,
      stored()
        .slice(0, 2)
        .map(([path, data]) => [path.replace("fc.", "fc.linear."), data]),
    );
    assert.deepEqual(changed.drawn.sort(), ["fc.A", "head.bias", "head.weight"]);
    const again = await open("again");
    assert.deepEqual(again.drawn, ["head.weight"]);
    const half = await open("half");
    assert.deepEqual(half.drawn, []);
  });

  it("are reported when missing, and refused when they have another size", async () => {
    const { from, read } = await open("bare");
    assert.deepEqual(read, []);
    assert.equal(from, "PyTorch's default initialization, seed 0; bare holds a configuration and no weights");
    await assert.rejects(
      open("wide"),
      (error) =>
        error instanceof UserError &&
        /"fc\.weight" has shape \[2, 4\], but in wide it has \[3, 6\]/.test(error.message),
    );
  });

  it("are converted as the library converts them, and a merge writes the checkpoint's own tensors and names", async () => {
    await writeSafetensors(at("converted/model.safetensors"), CONVERTED);
    const opened = await openModel({ file: at("m.py"), class: "converted", packages: [at("site")] });
    assert.match(opened.weights.from, /keys converted as in transformers$/);
    assert.deepEqual(opened.weights.unused, ["score.weight"]);
    assert.match(opened.weights.notes.join(), /not in the model: "score\.weight"/);
    for (const [path, { data }] of TINY)
      assert.deepEqual((await loadTensor(opened.values.get(path)!)).data, data, path);

    const changed = new Map([
      ["fc.weight", steps([2, 4], 7)],
      ["head.weight", steps([2, 4], 20)],
    ]);
    const merged = new Map<string, readonly number[]>();
    for (const [key, tensor] of mergedTensors(opened, changed))
      merged.set(key, [...((await loadTensor(tensor)).data as Float32Array)]);
    const expected = new Map([...CONVERTED].map(([key, { data }]) => [key, [...(data as Float32Array)]] as const));
    expected.set("dense.weight", [7, 8, 9, 10, 11, 12, 13, 14]);
    expected.set("rows.0.part", [20, 21, 22, 23]);
    expected.set("rows.1.part", [24, 25, 26, 27]);
    assert.deepEqual(merged, expected);
  });

  it("of layers that are copies of one another are each layer's own", async () => {
    const layers = ["layers.0", "layers.1"].flatMap((path, i) => [
      [`${path}.weight`, steps([2, 4], 1000 * (i + 1))] as const,
      [`${path}.bias`, steps([2], 50 * (i + 1))] as const,
    ]);
    await writeSafetensors(at("copies/model.safetensors"), new Map([...TINY, ...layers]));
    const { read, initialized } = await open("copies");
    assert.deepEqual(initialized, []);
    const found = new Map(read);
    for (const [path, { data }] of layers) assert.deepEqual(found.get(`0.${path}`), [...(data as Float32Array)], path);
  });

  it("without a tensor that the model needs are an error that names it, unless it is allowed", async () => {
    const lacking = new Map([...CONVERTED].filter(([key]) => key !== "dense.bias"));
    await writeSafetensors(at("converted/model.safetensors"), lacking);
    const choice = { file: at("m.py"), class: "converted", packages: [at("site")] };
    await assert.rejects(
      openModel(choice),
      (error) =>
        error instanceof UserError &&
        /lacks "fc\.bias" of converted and has "score\.weight", .* random.*--allow-missing/.test(error.message),
    );
    const opened = await openModel({ ...choice, allowMissing: ["fc"] });
    assert.deepEqual(opened.weights.initialized, ["fc.bias"]);
    assert.match(opened.weights.notes[0]!, /Not in the weights, so initialized at random \(seed 0\): "fc\.bias"/);
    assert.throws(
      () => mergedTensors(opened, new Map([["fc.bias", steps([2], 0)]])),
      (error) => error instanceof UserError && /fc\.bias is not in the weights/.test(error.message),
    );
    assert.ok(!mergedTensors(opened, new Map()).has("fc.bias"), "nothing random is written");
  });
});
