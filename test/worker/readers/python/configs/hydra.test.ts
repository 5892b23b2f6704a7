/** biome-ignore-all lint/suspicious/noTemplateCurlyInString: OmegaConf writes them so. */

const memory = new ReaderMemory();

import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { type ModelFile, walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { sizesFrom, summarize } from "../../../../../src/worker/readers/summary";
import { writeFiles } from "../reading";

/** Defaults for all: what stands here has to come from a configuration. */
const NET = `from torch import nn

class Net(nn.Module):
    def __init__(self, width=3, classes=2):
        super().__init__()
        self.fc = nn.Linear(width, classes)

class Whole(nn.Module):
    def __init__(self, net, optimizer=None):
        super().__init__()
        self.net = net
`;
const TRAIN = `import hydra
from omegaconf import DictConfig

@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg: DictConfig):
    model = hydra.utils.instantiate(cfg.model)

if __name__ == "__main__":
    main()
`;
const target = (width: number | string, classes: number | string, indent = "") =>
  `${indent}_target_: src.net.Net\n${indent}width: ${width}\n${indent}classes: ${classes}\n`;

describe("classes that hydra makes of configurations", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-hydra-")));
    writeFiles(folder, { "pyproject.toml": "", "src/net.py": NET, "src/train.py": TRAIN });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (file: string): Promise<ModelFile> =>
    openModelFile(join(folder, file), undefined, { open: true, fresh: true, memory });
  const sizes = async (files: Record<string, string>, file = "src/net.py", name = "Net"): Promise<string> => {
    writeFiles(folder, files);
    const opened = await open(file);
    const model = opened.models.find(({ className }) => className === name);
    assert.ok(model, `${name} is read`);
    const linear = [...walkModules(model.root)].find(({ kind }) => kind === "Linear");
    const summary = summarize(opened).models.find((each) => each.class === name)!;
    return `${linear?.inFeatures}→${linear?.outFeatures} from ${sizesFrom(summary)}`;
  };
  const remarks = async (): Promise<string[]> =>
    (await open("src/net.py")).problems.map(({ message }) => message).filter((m) => m.includes("the sizes of"));

  it("get the values of the file in the script's defaults, and other files are named", async () => {
    const files = {
      "configs/train.yaml": "defaults:\n  - _self_\n  - model: small\n",
      "configs/model/small.yaml": target(12, 5),
      "configs/model/large.yaml": target(100, 5),
      "configs/model/same.yaml": target(12, 5),
    };
    assert.equal(await sizes(files), "12→5 from configs/model/small.yaml");
    assert.deepEqual(await remarks(), [
      "the sizes of Net come from configs/model/small.yaml; configs/model/large.yaml gives different ones",
    ]);
    assert.equal(
      await sizes({ "configs/train.yaml": "defaults:\n  - _self_\n  - model: large.yaml\n" }),
      "100→5 from configs/model/large.yaml",
    );
  });

  it("may be nested in another class's configuration, which gets the instances", async () => {
    const model = `_target_: src.net.Whole\noptimizer:\n  _target_: torch.optim.Adam\n  _partial_: true\n  lr: 1e-3\nnet:\n${target(12, 5, "  ")}`;
    const files = { "configs/train.yaml": "defaults:\n  - model: whole\n", "configs/model/whole.yaml": model };
    assert.equal(await sizes(files), "12→5 from configs/model/whole.yaml");
    assert.equal(await sizes(files, "src/net.py", "Whole"), "12→5 from configs/model/whole.yaml");
    assert.deepEqual(await remarks(), []);
  });

  it("may be passed on and instantiated later, with further arguments", async () => {
    const later = NET.replace("self.net = net", "self.net = net(classes=9)");
    const model = "_target_: src.net.Whole\nnet:\n  _target_: src.net.Net\n  _partial_: true\n  width: 12\n";
    const files = {
      "src/net.py": later,
      "configs/train.yaml": "defaults:\n  - model: whole\n",
      "configs/model/whole.yaml": model,
    };
    assert.equal(await sizes(files, "src/net.py", "Whole"), "12→9 from configs/model/whole.yaml");
  });

  it("get what interpolations give, of the whole configuration and of the group's", async () => {
    const files = {
      "configs/train.yaml": "defaults:\n  - model: net\n  - data: digits\n  - _self_\nbase: 4\n",
      "configs/data/digits.yaml": "classes: 7\n",
      "configs/model/net.yaml": `${target("${.half}", "${data.classes}")}half: \${base}\n`,
    };
    // An entry that the class does not take is its author's mistake; this one takes it by another name.
    writeFiles(folder, { "src/net.py": NET.replace("classes=2)", "classes=2, half=1)") });
    assert.equal(await sizes(files), "4→7 from configs/model/net.yaml and 2 more");
  });

  it("are composed as in hydra: later values win, groups nest, packages and overrides apply", async () => {
    const config = { "configs/model/net.yaml": target(12, 5) };
    // The file's own values, by default the last.
    assert.match(
      await sizes({ ...config, "configs/train.yaml": "defaults:\n  - model: net\nmodel:\n  width: 13\n" }),
      /^13→5 from configs\/model\/net\.yaml and configs\/train\.yaml$/,
    );
    assert.match(
      await sizes({ "configs/train.yaml": "defaults:\n  - _self_\n  - model: net\nmodel:\n  width: 13\n" }),
      /^12→5 from configs\/model\/net\.yaml$/,
    );
    // A group within a group, a package of the defaults list, one of the file itself.
    assert.match(
      await sizes({
        "configs/train.yaml": "defaults:\n  - model: outer\n",
        "configs/model/outer.yaml": "defaults:\n  - size: big\n  - net@inner: deep\n",
        "configs/model/size/big.yaml": "n: 21\n",
        "configs/model/net/deep.yaml": target("${model.size.n}", 5),
        "configs/model/net.yaml": "a: 1\n",
      }),
      /^21→5 from configs\/model\/net\/deep\.yaml and configs\/model\/size\/big\.yaml$/,
    );
    writeFiles(folder, {
      "configs/base.yaml": "width: 31\n",
      "configs/experiment/e1.yaml": "# @package _global_\ndefaults:\n  - override /model: m2\nwidth: 32\n",
      "configs/model/m1.yaml": target(1, 1),
      "configs/model/m2.yaml": target("${width}", 6),
    });
    assert.match(
      await sizes({
        "configs/train.yaml": "defaults:\n  - base\n  - model: m1\n  - optional local: none\n  - experiment: e1\n",
      }),
      /^32→6 from configs\/model\/m2\.yaml and configs\/experiment\/e1\.yaml$/,
    );
  });

  it("that no script names are read as their group's choice, and without a script as they stand", async () => {
    const files = {
      "configs/train.yaml": "defaults:\n  - model: other\nclasses: 9\n",
      "configs/model/other.yaml": "_target_: elsewhere.Thing\n",
      "configs/model/net.yaml": target(12, "${classes}"),
    };
    assert.equal(await sizes(files), "12→9 from configs/model/net.yaml and configs/train.yaml");
    rmSync(join(folder, "src/train.py"));
    assert.equal(await sizes({ "configs/model/net.yaml": target(12, 4) }), "12→4 from configs/model/net.yaml");
    assert.equal(await sizes({ "configs/model/net.yaml": "broken: [\n_target_: src.net.Net\n" }), "3→2 from undefined");
  });

  it("are distinguished from others of the same name, and found from other roots", async () => {
    const train = { "configs/train.yaml": "defaults:\n  - model: net\n" };
    const other = { "src/other.py": NET, "configs/model/net.yaml": target(12, 5).replace("src.net", "src.other") };
    assert.equal(await sizes({ ...train, ...other }), "3→2 from undefined");
    assert.equal(await sizes({}, "src/other.py"), "12→5 from configs/model/net.yaml");
    assert.equal(
      await sizes({ "configs/model/net.yaml": target(14, 5).replace("src.net", "net") }),
      "14→5 from configs/model/net.yaml",
    );
  });

  it("give way to instances that the file itself makes", async () => {
    const files = {
      "configs/train.yaml": "defaults:\n  - model: net\n",
      "configs/model/net.yaml": target(12, 5),
      "src/net.py": `${NET}\ndef build():\n    return Net(8, 8)\n`,
    };
    assert.equal(await sizes(files), "8→8 from undefined");
  });

  it("the script's function has the composed configuration, which it may pass on by itself", async () => {
    const files = {
      "configs/train.yaml": "defaults:\n  - model: net\nextra: 3\n",
      "configs/model/net.yaml": "width: 12\nclasses: 5\n",
      "src/train.py":
        `${TRAIN.replace("model = hydra.utils.instantiate(cfg.model)", "model = Net(cfg.model.width, **{'classes': cfg['model'].classes + cfg.extra})")}`.replace(
          "import hydra\n",
          "import hydra\nfrom src.net import Net\n",
        ),
    };
    assert.equal(await sizes(files), "12→8 from configs/model/net.yaml and configs/train.yaml (train.py, line 7)");
    // One that makes the model in the file itself.
    const own = `import hydra\n${NET}\n@hydra.main(config_path="../configs", config_name="train")\ndef main(cfg):\n    model = hydra.utils.instantiate(cfg.net, classes=6)\n    own = Net(**cfg.model)\n`;
    assert.equal(await sizes({ "src/own.py": own }, "src/own.py"), "12→5 from configs/model/net.yaml");
  });

  it("make modules of a file where it instantiates them at its top", async () => {
    const text = `from hydra import compose, initialize
from hydra.utils import instantiate
with initialize(version_base=None, config_path="../configs"):
    cfg = compose(config_name="train", overrides=["model=big", "model.classes=4"])
model = instantiate(cfg.model)
`;
    const files = {
      "configs/train.yaml": "defaults:\n  - model: net\n",
      "configs/model/net.yaml": target(12, 5),
      "configs/model/big.yaml": target(40, 5),
      "src/use.py": text,
    };
    assert.match(await sizes(files, "src/use.py", "model"), /^40→4 /);
  });

  it("depend on every file that was composed", async () => {
    await sizes({
      "configs/train.yaml": "defaults:\n  - model: net\n  - data: d\n",
      "configs/data/d.yaml": "n: 5\n",
      "configs/model/net.yaml": target(12, "${data.n}"),
    });
    const { dependencies } = await open("src/net.py");
    for (const file of ["configs/train.yaml", "configs/data/d.yaml", "configs/model/net.yaml", "src/train.py"])
      assert.ok(dependencies!.includes(join(folder, file)), file);
  });
});
