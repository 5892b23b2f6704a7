/** biome-ignore-all lint/suspicious/noTemplateCurlyInString: OmegaConf writes them so. */

const memory = new ReaderMemory();

import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { type ModelFile, walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { sizesFrom, summarize } from "../../../../../src/worker/readers/summary";
import { writeFiles } from "../reading";

const IMPORTS = `import json, os, yaml
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from omegaconf import OmegaConf, DictConfig
from torch import nn
`;
const NET = `
class Net(nn.Module):
    def __init__(self, width, classes=2):
        super().__init__()
        self.fc = nn.Linear(width, classes)
`;
const OF_CONFIG = `
class Net(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.fc = nn.Linear(cfg.width, cfg.classes)
`;
const YAML = "width: 12\nclasses: 5\n";

describe("configuration files that code opens", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-configs-")));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (file: string): Promise<ModelFile> =>
    openModelFile(join(folder, file), undefined, { open: true, fresh: true, memory });
  /** "12→5 from config.yaml" of the class Net, or of another. */
  const sizes = async (files: Record<string, string>, file = "net.py", name = "Net"): Promise<string> => {
    writeFiles(folder, files);
    const opened = await open(file);
    const model = opened.models.find(({ className }) => className === name);
    assert.ok(model, `${name} is read`);
    const linear = [...walkModules(model.root)].find(({ kind }) => kind === "Linear")!;
    const summary = summarize(opened).models.find((each) => each.class === name)!;
    return `${linear.inFeatures}→${linear.outFeatures} from ${sizesFrom(summary)}`;
  };

  const WAYS: Record<string, readonly [made: string, net?: string]> = {
    "yaml.safe_load of an open file": ['model = Net(**yaml.safe_load(open("config.yaml")))'],
    "yaml.load with a loader, within with": [
      'with open("config.yaml", "r", encoding="utf-8") as f:\n    cfg = yaml.load(f, Loader=yaml.FullLoader)\nmodel = Net(cfg["width"], classes=cfg.get("classes", 3))',
    ],
    "the text of a path beside the file": [
      'model = Net(**yaml.safe_load((Path(__file__).resolve().parent / "config.yaml").read_text()))',
    ],
    "os.path around __file__": [
      'PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "config.yaml")\nwith open(PATH) as f:\n    model = Net(**yaml.safe_load(f.read()))',
    ],
    "a function that loads": [
      'def load(path):\n    with open(path) as stream:\n        return yaml.safe_load(stream)\ndef main():\n    cfg = load("config.yaml")\n    net = Net(**cfg)',
    ],
    "a name at the top that holds one value": [
      'WIDTH = yaml.safe_load(open("config.yaml"))["width"]\ndef main():\n    return Net(WIDTH, 5)',
    ],
    "argparse.Namespace of it": ['cfg = Namespace(**yaml.safe_load(open("config.yaml")))\nmodel = Net(cfg)', OF_CONFIG],
    "SimpleNamespace of it": [
      'def main():\n    cfg = SimpleNamespace(**yaml.safe_load(open("config.yaml")))\n    return Net(cfg)',
      OF_CONFIG,
    ],
    "a data class of it": [
      '@dataclass\nclass Sizes:\n    width: int = 3\n    classes: int = 3\nmodel = Net(Sizes(**yaml.safe_load(open("config.yaml"))))',
      OF_CONFIG,
    ],
    "OmegaConf.load": ['cfg = OmegaConf.load("config.yaml")\nmodel = Net(cfg)', OF_CONFIG],
    "OmegaConf.load, by subscripts": [
      'cfg = OmegaConf.load(Path("config.yaml"))\nmodel = Net(cfg["width"], cfg.classes)',
    ],
    "OmegaConf.load as a dict": ['model = Net(**OmegaConf.to_container(OmegaConf.load("config.yaml"), resolve=True))'],
  };
  for (const [way, [made, net = NET]] of Object.entries(WAYS)) {
    it(`give sizes: ${way}`, async () => {
      const text = `${IMPORTS}${net}\n${made}\n`;
      const found = await sizes({ "config.yaml": YAML, "net.py": text });
      assert.match(found, /^12→5 from config\.yaml( \(.*\))?$/);
      // What is used are the file's values, and not some defaults.
      assert.match(await sizes({ "config.yaml": "width: 7\nclasses: 5\n" }), /^7→5 from config\.yaml/);
    });
  }

  it("may be JSON, as a file and as text", async () => {
    const json = '{"model": {"width": 12, "classes": 5, "drop": 0.0}}';
    const load = 'cfg = json.load(open("sizes.json"))["model"]\nmodel = Net(cfg["width"], cfg["classes"])\n';
    assert.equal(await sizes({ "sizes.json": json, "net.py": IMPORTS + NET + load }), "12→5 from sizes.json");
    const loads =
      'cfg = json.loads(Path("sizes.json").read_text())\nmodel = Net(cfg["model"]["width"], cfg["model"]["classes"])\n';
    assert.equal(await sizes({ "net.py": IMPORTS + NET + loads }), "12→5 from sizes.json");
  });

  it("are named where another file's call passes their values, before the defaults of the class", async () => {
    const files = {
      "pyproject.toml": "",
      "configs/model.yaml": "model:\n  width: 12\n  classes: 5\n",
      "src/net.py": `from torch import nn\n${NET.replace("width,", "width=3,")}`,
      "src/train.py": `
import yaml
from net import Net

def main():
    with open("configs/model.yaml") as f:
        cfg = yaml.safe_load(f)
    model = Net(**cfg["model"])

if __name__ == "__main__":
    main()
`,
    };
    assert.equal(await sizes(files, "src/net.py"), "12→5 from configs/model.yaml (train.py, line 8)");
    // Numbers in the code stay behind the class's own defaults.
    const plain = "import yaml\nfrom net import Net\nmodel = Net(9, 9)\n";
    assert.equal(await sizes({ "src/train.py": plain }, "src/net.py"), "3→2 from undefined");
  });

  it("lie anywhere from the script's folder up to the project's", async () => {
    const text = `${IMPORTS}${NET}\nmodel = Net(**yaml.safe_load(open("configs/a.yaml")))\n`;
    const files = { "setup.py": "", "configs/a.yaml": YAML, "src/deep/net.py": text };
    assert.equal(await sizes(files, "src/deep/net.py"), "12→5 from configs/a.yaml");
    assert.equal(
      await sizes({ "src/configs/a.yaml": "width: 4\nclasses: 4\n" }, "src/deep/net.py"),
      "4→4 from src/configs/a.yaml",
    );
    // A folder called src is a project's, whatever else there is.
    rmSync(join(folder, "setup.py"));
    rmSync(join(folder, "src/deep"), { recursive: true });
    rmSync(join(folder, "src/configs"), { recursive: true });
    assert.equal(await sizes({ "src/net.py": text }, "src/net.py"), "12→5 from configs/a.yaml");
  });

  it("resolve OmegaConf's interpolations, after a merge those of the merged", async () => {
    const base =
      "base: 6\nmodel:\n  width: ${base}\n  classes: ${..extra.n}\n  name: net-${base}\nextra:\n  n: ${oc.env:CLASSES,4}\n";
    const load = 'cfg = OmegaConf.load("base.yaml")\n';
    const made = "model = Net(cfg.model.width, cfg.model.classes)\n";
    assert.equal(await sizes({ "base.yaml": base, "net.py": IMPORTS + NET + load + made }), "6→4 from base.yaml");
    const merge = 'cfg = OmegaConf.merge(cfg, OmegaConf.load("more.yaml"), OmegaConf.create({"base": 8}))\n';
    assert.equal(
      await sizes({ "more.yaml": "model:\n  classes: 3\n", "net.py": IMPORTS + NET + load + merge + made }),
      "8→3 from base.yaml and more.yaml",
    );
    const set = "cfg.base = 10\ncfg.model.classes = 11\n";
    assert.equal(await sizes({ "net.py": IMPORTS + NET + load + set + made }), "10→11 from base.yaml");
    const registered = 'OmegaConf.register_new_resolver("mul", lambda a, b: a * b)\n';
    assert.equal(
      await sizes({
        "base.yaml": "a: 3\nw: ${mul:${a},4}\nc: ${mul:2,${mul:1,${a}}}\n",
        "net.py": `${IMPORTS}${NET}${registered}${load}model = Net(cfg.w, cfg.c)\n`,
      }),
      "12→6 from base.yaml",
    );
  });

  it("leave a value unknown if it is missing or its interpolation is circular or leads nowhere", async () => {
    for (const value of ["${nowhere}", "${b}", "???", "${unknown:1}", "${oc.env:WIDTH}", "${"]) {
      const yaml = `a: '${value}'\nb: \${a}\n`;
      const text = `${IMPORTS}${NET}cfg = OmegaConf.load("c.yaml")\nmodel = Net(cfg.a)\n`;
      writeFiles(folder, { "c.yaml": yaml, "net.py": text });
      const [model] = (await open("net.py")).models;
      assert.equal(model!.root.parameters, undefined, value);
    }
  });

  it("report circular interpolations", async () => {
    const text = `${IMPORTS}cfg = OmegaConf.load("c.yaml")\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        for i in range(cfg.a):\n            self.fc = nn.Linear(i, 2)\n`;
    writeFiles(folder, { "c.yaml": "a: ${b}\nb: ${a}\n", "net.py": text });
    const { problems } = await open("net.py");
    assert.match(
      problems.map(({ message }) => message).join("\n"),
      /the interpolations of "\$\{[ab]\}" are nested too deeply or refer to each other/,
    );
  });

  const reason = async (made: string, files: Record<string, string> = {}): Promise<string> => {
    writeFiles(folder, {
      ...files,
      "net.py": `${IMPORTS}${NET}\nCFG = ${made}\nclass Uses(nn.Module):\n    def __init__(self):\n        super().__init__()\n        for i in range(CFG["width"]):\n            self.fc = nn.Linear(i, 2)\n`,
    });
    const opened = await openModelFile(join(folder, "net.py"));
    return opened.problems.map(({ message }) => message).join("\n");
  };

  it("outside of the project are not read, whether named, reached or linked", async () => {
    const outside = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-outside-")));
    try {
      writeFiles(outside, { "c.yaml": YAML });
      symlinkSync(join(outside, "c.yaml"), join(folder, "link.yaml"));
      const steps = `../${outside.split("/").at(-1)}/c.yaml`;
      for (const path of [join(outside, "c.yaml"), steps, "link.yaml"]) {
        const text = `${IMPORTS}${NET}\nmodel = Net(**yaml.safe_load(open("${path}")))\n`;
        assert.equal(await sizes({ "pyproject.toml": "", "net.py": text }), "undefined→2 from undefined", path);
        assert.match(await reason(`yaml.safe_load(open("${path}"))`), /is outside the project/, path);
      }
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it("that are missing, broken, too long or no configuration leave what depends on them unknown, with the reason", async () => {
    assert.match(await reason('yaml.safe_load(open("none.yaml"))'), /there is no none\.yaml in the project/);
    assert.match(
      await reason('yaml.safe_load(open("a.yaml"))', { "a.yaml": "a: [1\n" }),
      /a\.yaml is not used: it is not YAML/,
    );
    assert.match(await reason('json.load(open("a.json"))', { "a.json": "{" }), /a\.json is not used: it is not JSON/);
    const long = { "b.yaml": `a: ${"x".repeat(600 * 1024)}\n` };
    assert.match(
      await reason('yaml.safe_load(open("b.yaml"))', long),
      /b\.yaml is not used: it is longer than the 512 kB/,
    );
    assert.match(await reason('json.load(open("a.txt"))', { "a.txt": "{}" }), /a\.txt is not read: only \.json/);
    assert.match(await reason('json.load(open("a.json", "w"))'), /open\(\) writes a file here/);
  });

  it("with exponentially growing aliases are read quickly, and refused for OmegaConf", async () => {
    const names = [..."abcdefghijkl"];
    const bomb = names.map(
      (name, i) =>
        `${name}: &${name} [${
          i === 0
            ? "1"
            : Array(9)
                .fill(`*${names[i - 1]}`)
                .join(", ")
        }]`,
    );
    const yaml = `${bomb.join("\n")}\nwidth: 12\nclasses: 5\n`;
    const made = 'cfg = yaml.safe_load(open("c.yaml"))\nmodel = Net(cfg["width"], cfg["classes"])\n';
    assert.equal(await sizes({ "c.yaml": yaml, "net.py": IMPORTS + NET + made }), "12→5 from c.yaml");
    const omega = 'cfg = OmegaConf.load("c.yaml")\nmodel = Net(cfg.width)\n';
    writeFiles(folder, { "net.py": IMPORTS + NET + omega });
    const { problems } = await open("net.py");
    assert.match(problems.map(({ message }) => message).join("\n"), /holds more than 100,000 values/);
  });

  it("are dependencies of a reading, as are files that were looked for and not found", async () => {
    const text = `${IMPORTS}${NET}\nmodel = Net(**yaml.safe_load(open("configs/a.yaml")))\n`;
    writeFiles(folder, { "pyproject.toml": "", "configs/a.yaml": YAML, "src/net.py": text });
    const { dependencies } = await open("src/net.py");
    assert.deepEqual([...dependencies!].sort(), [join(folder, "configs/a.yaml"), join(folder, "src/configs/a.yaml")]);
  });

  it("are still named by a model after a keystroke elsewhere, and are read again when they change", async () => {
    const text = `${IMPORTS}${NET}\nmodel = Net(**yaml.safe_load(open("c.yaml")))\n\nclass Other(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(1, 1)\n`;
    writeFiles(folder, { "c.yaml": YAML, "net.py": text });
    const file = join(folder, "net.py");
    await openModelFile(file, text, { open: true, fresh: true, memory });
    const shown = async (now: string) => {
      const opened = await openModelFile(file, now, { open: true, memory });
      return summarize(opened).models.find((each) => each.class === "Net")!;
    };
    const after = await shown(text.replace("Linear(1, 1)", "Linear(1, 2)"));
    assert.equal(`${after.parameters} ${sizesFrom(after)}`, "65 c.yaml");
    writeFiles(folder, { "c.yaml": "width: 100\nclasses: 5\n" });
    assert.equal((await shown(text.replace("Linear(1, 1)", "Linear(1, 3)"))).parameters, 505);
  });
});
