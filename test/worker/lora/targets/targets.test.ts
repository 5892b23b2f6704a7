import assert from "node:assert/strict";
import { injectionFor, injectionOf } from "../../../../src/worker/lora/adapter/injection";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { defaultTargets } from "../../../../src/worker/lora/targets/defaults";
import { matchTargets, outputHead } from "../../../../src/worker/lora/targets/targets";
import { layerUses } from "../../../../src/worker/lora/targets/uses";
import { openModelFile } from "../../../../src/worker/readers/open";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { modelNamed, readTorch, writeFiles } from "../../readers/python/reading";

const SOURCE = `
class Attention(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention(8)
        self.classifier = nn.Linear(8, 2)
`;

describe("output head", () => {
  it("is the last Linear of a whole model", async () => {
    assert.equal(outputHead(modelNamed(await readTorch(SOURCE), "Net"))!.path, "classifier");
  });

  it("does not exist for a class that is only part of another", async () => {
    assert.equal(outputHead(modelNamed(await readTorch(SOURCE), "Attention")), undefined);
  });

  it("is the last Linear of the same class where it is a model by itself", async () => {
    const alone = SOURCE.slice(0, SOURCE.indexOf("class Net"));
    assert.equal(outputHead(modelNamed(await readTorch(alone), "Attention"))!.path, "out");
  });

  it("is not another Linear where the last one's size is unknown", async () => {
    const unknown = SOURCE.replace("nn.Linear(8, 2)", "nn.Linear(8, classes)").replace(
      "class Attention",
      "from missing import classes\nclass Attention",
    );
    const net = modelNamed(await readTorch(unknown), "Net");
    assert.equal(outputHead(net), undefined);
    assert.deepEqual(
      defaultTargets(net, undefined).layers.map(({ path }) => path),
      ["attention.qkv", "attention.out"],
    );
  });
});

describe("target modules as a regular expression", () => {
  const config = (target_modules: string) => loraConfig({ r: 1, target_modules });

  it("is matched against the whole path", async () => {
    const net = modelNamed(await readTorch(SOURCE), "Net");
    const matched = matchTargets(net, config("attention\\.(qkv|out)"));
    assert.deepEqual(
      matched.map(({ path }) => path),
      ["attention.qkv", "attention.out"],
    );
  });

  it("is refused when it takes too long to match", async () => {
    const name = `${"a".repeat(60)}c`;
    const source = `class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.${name} = nn.Linear(8, 8)\n`;
    const net = modelNamed(await readTorch(source), "Net");
    assert.throws(() => matchTargets(net, config("(a+)+b")), { name: "UserError", message: /takes longer than 1 s/ });
  });
});

describe("target modules that are not linear layers", () => {
  const NET = `
class Mine(nn.Embedding):
    pass

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)

class Net(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.emb = nn.Embedding(9, 4)
        self.mine = Mine(9, 4)
        self.conv = nn.Conv2d(3, 4, 2)
        self.attention = nn.MultiheadAttention(4, 2)
        self.block = Block()
        self.weighted = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.open = nn.Linear(size, 4)
        self.bilinear = nn.Bilinear(4, 4, 2)
        self.pool = nn.Linear(4, 4)
`;
  const choose = async (target_modules: string | readonly string[], exclude: readonly string[] | null = null) =>
    matchTargets(
      modelNamed(await readTorch(NET), "Net"),
      loraConfig({ r: 1, target_modules, exclude_modules: exclude }),
    ).map(({ path }) => path);

  for (const [name, message] of [
    ["emb", /select emb \(Embedding, line 17\) of Net: PEFT adapts Embedding, but LoRA Lens does not yet/],
    ["mine", /select mine \(Mine, line 18\) of Net: PEFT adapts Embedding, but/],
    ["conv", /PEFT adapts Conv2d, but LoRA Lens does not yet/],
    ["attention", /PEFT adapts MultiheadAttention, but LoRA Lens does not yet/],
    ["block", /PEFT has no adapter for Block/],
    ["block.norm", /PEFT has no adapter for LayerNorm/],
    ["bilinear", /PEFT has no adapter for Bilinear/],
    ["weighted", /the weight of ParametrizedLinear is computed from others/],
    ["open", /the size of open is unknown/],
  ] as const) {
    it(`are refused together with one that is: ${name}`, async () => {
      await assert.rejects(choose(["fc", name]), { name: "UserError", message });
    });
  }

  it("are refused when a regular expression matches them with the layers within", async () => {
    await assert.rejects(
      choose("block.*"),
      /select block \(Block, line 21\), block.norm \(LayerNorm, line 12\) of Net/,
    );
    assert.deepEqual(await choose("block\\.fc"), ["block.fc"]);
  });

  it("are left out by excluding them", async () => {
    assert.deepEqual(await choose("block.*", ["block", "norm"]), ["block.fc"]);
    await assert.rejects(choose(["fc"], ["block.fc"]), /match no layer that is not excluded/);
  });

  it("take what is a linear layer within MultiheadAttention", async () => {
    assert.deepEqual(await choose(["out_proj"]), ["attention.out_proj"]);
  });
});

describe("names that match no module while others do", () => {
  it("are reported, for target and excluded modules", async () => {
    const net = modelNamed(await readTorch(SOURCE), "Net");
    const config = loraConfig({ r: 1, target_modules: ["qkv", "quv"], exclude_modules: ["heads", "out"] });
    assert.deepEqual(injectionOf(net, config, layerUses(net)).summary.warnings, [
      "No module of Net is called quv, of the target modules.",
      "No module of Net is called heads, of the excluded modules.",
    ]);
    assert.equal(
      injectionOf(net, loraConfig({ r: 1, target_modules: ["qkv"] }), layerUses(net)).summary.warnings,
      undefined,
    );
  });
});

describe("all-linear", () => {
  it("takes the last layer of a plain module, too, and is written as the layers", async () => {
    const net = modelNamed(await readTorch(SOURCE), "Net");
    const { config, targets } = injectionOf(net, loraConfig({ r: 1, target_modules: "All-Linear" }), layerUses(net));
    assert.deepEqual(
      targets.map(({ path }) => path),
      ["attention.qkv", "attention.out", "classifier"],
    );
    assert.deepEqual(config.target_modules, ["qkv", "out", "classifier"]);
  });

  it("is not the default, which leaves out the head, reports that and names its layers", async () => {
    const net = modelNamed(await readTorch(SOURCE), "Net");
    const { config, summary } = injectionFor(net, { r: 1 }, layerUses(net));
    assert.deepEqual(config.target_modules, ["qkv", "out"]);
    assert.deepEqual(summary.leftOut, [{ path: "classifier", why: "the output head" }]);
    assert.equal(injectionFor(net, { r: 1, target_modules: "all-linear" }, layerUses(net)).summary.leftOut, undefined);
  });

  /** As transformers has it; the default looks for lm_head. */
  const HUB = {
    "site/transformers/__init__.py": "from .modeling_utils import PreTrainedModel\n",
    "site/transformers/modeling_utils.py": `from torch import nn
class PreTrainedModel(nn.Module):
    def __init__(self, config=None):
        super().__init__()
    def get_output_embeddings(self):
        return self.lm_head if hasattr(self, "lm_head") else None
`,
  };
  const MODELS = `
from torch import nn
from transformers import PreTrainedModel

class Body(PreTrainedModel):
    def __init__(self):
        super().__init__(None)
        self.fc = nn.Linear(4, 4)

class Lm(PreTrainedModel):
    def __init__(self):
        super().__init__(None)
        self.lm_head = nn.Linear(4, 9)
        self.body = Body()
        self.extra = nn.Linear(4, 4)

class Own(PreTrainedModel):
    def __init__(self):
        super().__init__(None)
        self.body = Body()
        self.cls = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 9))
    def get_output_embeddings(self):
        return self.cls[1]

class Classifies(PreTrainedModel):
    def __init__(self):
        super().__init__(None)
        self.body = Body()
        self.classifier = nn.Linear(4, 3)

class Asks(PreTrainedModel):
    def __init__(self):
        super().__init__(None)
        self.fc = nn.Linear(4, 4)
        self.head = nn.Linear(4, 4)
    def get_output_embeddings(self):
        return elsewhere.find(self)

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.lm_head = nn.Linear(4, 9)
    def get_output_embeddings(self):
        return self.lm_head
`;
  const inFolder = temporaryFolder();
  const chosen = async (name: string, task_type: string | null = null) => {
    writeFiles(inFolder("."), { ...HUB, "m.py": MODELS });
    const opened = await openModelFile(inFolder("m.py"), MODELS, { packages: [inFolder("site")] });
    return matchTargets(modelNamed(opened, name), loraConfig({ target_modules: "all-linear", task_type })).map(
      ({ path }) => path,
    );
  };

  it("leaves out the layer that get_output_embeddings of a transformers model returns, wherever it is", async () => {
    assert.deepEqual(await chosen("Lm"), ["body.fc", "extra"]);
    assert.deepEqual(await chosen("Own"), ["body.fc", "cls.0"]);
    assert.deepEqual(await chosen("Own", "SEQ_CLS"), ["body.fc", "cls.0"]);
    assert.deepEqual(await chosen("Body"), ["fc"]);
  });

  it("leaves out the classifier of a model of transformers for classifying sequences alone", async () => {
    assert.deepEqual(await chosen("Classifies"), ["body.fc", "classifier"]);
    assert.deepEqual(await chosen("Classifies", "TOKEN_CLS"), ["body.fc", "classifier"]);
    assert.deepEqual(await chosen("Classifies", "SEQ_CLS"), ["body.fc"]);
  });

  it("asks no module that is not of transformers", async () => {
    assert.deepEqual(await chosen("Plain"), ["body", "lm_head"]);
  });

  it("is refused where the output embeddings cannot be known", async () => {
    await assert.rejects(
      chosen("Asks"),
      /the layer that get_output_embeddings\(\) of Asks returns, which is unknown: .*elsewhere/,
    );
  });
});
