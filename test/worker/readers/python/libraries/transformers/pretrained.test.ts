import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseModel, openModelFile } from "../../../../../../src/worker/readers/open";
import { summarize } from "../../../../../../src/worker/readers/summary";
import { TRANSFORMERS } from "../../imports/transformers";
import { messages, writeFiles } from "../../reading";

const tiny = (width: number, more: object = {}) => JSON.stringify({ model_type: "tiny", width, ...more });

describe("from_pretrained", () => {
  const { HF_HUB_CACHE } = process.env;
  let folder: string;

  const write = (files: Record<string, string>): void => writeFiles(folder, files);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-pretrained-"));
    process.env.HF_HUB_CACHE = join(folder, "hub");
    write(TRANSFORMERS);
  });
  afterEach(() => {
    if (HF_HUB_CACHE === undefined) delete process.env.HF_HUB_CACHE;
    else process.env.HF_HUB_CACHE = HF_HUB_CACHE;
    rmSync(folder, { recursive: true });
  });

  const read = (source: string) => {
    write({ "m.py": `import torch\nfrom transformers import *\n${source}\n` });
    return openModelFile(join(folder, "m.py"), undefined, { packages: [join(folder, "site")] });
  };
  const sizes = async (source: string) => {
    const file = await read(source);
    assert.deepEqual(messages(file), []);
    return file.models.map(({ className, root }) => [
      className,
      root.kind,
      ...root.children.map((child) => `${child.inFeatures}→${child.outFeatures}`),
    ]);
  };

  it("takes the sizes from the named folder, for a class and for an auto class", async () => {
    write({ "checkpoints/a/config.json": tiny(8), "checkpoints/b/config.json": tiny(10, { factor: 0.3 }) });
    assert.deepEqual(
      await sizes(`a = TinyModel.from_pretrained("checkpoints/a")\nb = AutoModel.from_pretrained("./checkpoints/b")`),
      [
        ["a", "TinyModel", "8→4", "8→2"],
        ["b", "TinyModel", "10→3", "10→2"],
      ],
    );
  });

  it("finds a repository of the Hub in the cache: the named commit, else any", async () => {
    write({
      "hub/models--org--tiny/refs/main": "aaaa1111",
      "hub/models--org--tiny/snapshots/aaaa1111/config.json": tiny(6),
      "hub/models--org--tiny/snapshots/bbbb2222/config.json": tiny(4),
      "hub/models--other/snapshots/cccc3333/config.json": tiny(2),
    });
    assert.deepEqual(
      await sizes(`main = AutoModel.from_pretrained("org/tiny", device_map="auto")
old = AutoModel.from_pretrained("org/tiny", revision="bbbb2222")
other = TinyModel.from_pretrained("other")`),
      [
        ["main", "TinyModel", "6→3", "6→2"],
        ["old", "TinyModel", "4→2", "4→2"],
        ["other", "TinyModel", "2→1", "2→2"],
      ],
    );
  });

  it("is followed in functions and main guards, with their changes of the model", async () => {
    write({
      "a/config.json": tiny(8),
      "makers.py":
        "from transformers import TinyModel, TinyConfig\ndef build(n):\n    return TinyModel(TinyConfig(width=n))\n",
    });
    assert.deepEqual(
      await sizes(`from torch import nn
from makers import build
def main(path="a"):
    model = AutoModel.from_pretrained(path).to("cuda")
    model.head = nn.Linear(8, 5)
    fresh = AutoModel.from_config(TinyConfig(width=4))
    own = build(6)
    text = open(path).read()
if __name__ == "__main__":
    guarded = TinyModel.from_pretrained("a", num_labels=3)
    main()`),
      [
        ["main.model", "TinyModel", "8→4", "8→5"],
        ["main.fresh", "TinyModel", "4→2", "4→2"],
        ["main.own", "TinyModel", "6→3", "6→2"],
        ["guarded", "TinyModel", "8→4", "8→3"],
      ],
    );
  });

  it("gives an instance of the file's own class that is loaded, which is the file's main model", async () => {
    write({ "a/config.json": tiny(8) });
    const own = "class Own(TinyModel):\n    def forward(self, x):\n        return self.head(x)\n";
    for (const [source, name] of [
      ['model = Own.from_pretrained("a")', "model"],
      ['if __name__ == "__main__":\n    model = Own.from_pretrained("a")', "model"],
      ['def main():\n    model = Own.from_pretrained("a", num_labels=2)\n    return model', "main.model"],
    ] as const) {
      const file = await read(own + source);
      const { models } = summarize(file);
      assert.deepEqual(
        models.map(({ class: each, kind, loads }) => [each, kind, loads]),
        [
          ["Own", undefined, undefined],
          [name, "Own", ["a"]],
        ],
        source,
      );
      assert.equal(chooseModel(file).className, name);
    }
  });

  it("reports the loaded checkpoint, also of a model's parts", async () => {
    write({ "a/config.json": tiny(8) });
    const { models } = summarize(
      await read(`from torch import nn
model = AutoModel.from_pretrained("a")
both = nn.Sequential(TinyModel.from_pretrained("a"), TinyModel(TinyConfig()))
other = TinyModel(TinyConfig())`),
    );
    assert.deepEqual(
      models.map(({ class: name, loads }) => [name, loads]),
      [
        ["model", ["a"]],
        ["both", ["a"]],
        ["other", undefined],
      ],
    );
  });

  it("applies arguments that change the configuration, and takes a given configuration", async () => {
    write({ "a/config.json": tiny(8) });
    const file = await read(`config = AutoConfig.from_pretrained("a", width=12)
own = TinyConfig.from_pretrained("a")
model = AutoModel.from_pretrained("a", num_labels=7, torch_dtype=torch.bfloat16)
other = AutoModel.from_pretrained("elsewhere", config=config)
same = TinyModel.from_pretrained("elsewhere", config=own)`);
    assert.deepEqual(messages(file), []);
    const heads = file.models.map(({ root }) => `${root.children[1]!.inFeatures}→${root.children[1]!.outFeatures}`);
    assert.deepEqual(heads, ["8→7", "12→2", "8→2"]);
    assert.deepEqual([...new Set(file.models[0]!.stateDict.map(({ dtype }) => dtype))], ["bfloat16"]);
  });

  it("reports missing checkpoints, and ignores training and data", async () => {
    write({ "a/config.json": tiny(8) });
    const file = await read(`tokenizer = AutoTokenizer.from_pretrained("org/gone")
model = AutoModel.from_pretrained("org/gone")
trainer = Trainer(model)
trainer.train()
far = AutoModel.from_pretrained("/${folder}/a")
up = AutoModel.from_pretrained("../../hub/models--x/../y")`);
    const told = file.problems.map(({ severity, place, message }) => `${severity} ${place.line} ${message}`);
    assert.equal(told.length, 3);
    assert.match(told[0]!, /^information 4 the layers of this model are not shown: "org\/gone" is neither a folder/);
    assert.match(told[1]!, /^information 7 /);
    assert.match(told[2]!, /^information 8 /);
    assert.deepEqual(file.models, []);
  });

  it("reports an invalid configuration", async () => {
    write({ "bad/config.json": "{", "unknown/config.json": '{"model_type": "novel"}' });
    const file = await read(`a = AutoModel.from_pretrained("bad")\nb = AutoModel.from_pretrained("unknown")`);
    assert.match(messages(file)[0]!, /bad\/config\.json is not used as the model's configuration: it is not JSON/);
    assert.match(messages(file)[1]!, /the installed transformers has no model of type "novel"/);
  });
});
