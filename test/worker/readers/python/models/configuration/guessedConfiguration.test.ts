import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigurationChoice } from "../../../../../../src/protocol/jobs";
import { openModelFile } from "../../../../../../src/worker/readers/open";
import { layersOf, modelNamed, writeFiles } from "../../reading";

const IMPORTS = "import torch.nn as nn\nfrom dataclasses import dataclass\n";
const LORA = `@dataclass
class LoRAConfig:
    r: int = 4
    alpha: float = 1.0
`;
const NET = `class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config.width, config.width * 2)
`;

/** A parameter called config without an annotation: which of a file's classes and dicts it takes is a guess. */
describe("a guessed configuration", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-guess-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = async (files: Readonly<Record<string, string>>, configuration?: ConfigurationChoice) => {
    writeFiles(folder, files);
    const found = await openModelFile(join(folder, "net.py"), undefined, configuration && { configuration });
    const errors = found.problems.filter(({ severity }) => severity !== "information").map(({ message }) => message);
    const net = modelNamed(found, "Net");
    return { layers: layersOf(net), label: net.configuration?.label, errors, found };
  };

  it("is not the file's only configuration class if that lacks attributes that the model reads", async () => {
    const { layers, label, errors, found } = await read({ "net.py": IMPORTS + LORA + NET });
    assert.deepEqual({ layers, label, errors }, { layers: ["fc Linear"], label: undefined, errors: [] });
    assert.match(
      found.problems[0]!.message,
      /^config of Net is unknown: .* LoRAConfig was tried, but lacks attributes that Net/,
    );
  });

  it("is rejected, too, if it lacks attributes that a part of the model reads", async () => {
    const { errors, layers } = await read({
      "part.py":
        "import torch.nn as nn\nclass Part(nn.Module):\n    def __init__(self, c):\n        super().__init__()\n        self.fc = nn.Linear(c.width, 2)\n",
      "net.py": `${IMPORTS}from part import Part\n${LORA}class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.part = Part(config)
`,
    });
    assert.deepEqual({ errors, layers }, { errors: [], layers: ["part.fc Linear(undefined, 2)"] });
  });

  it("gives way to a call in another file", async () => {
    const { layers, errors } = await read({
      "net.py": IMPORTS + LORA + NET,
      "main.py": "from types import SimpleNamespace\nfrom net import Net\nmodel = Net(SimpleNamespace(width=6))\n",
    });
    assert.deepEqual({ layers, errors }, { layers: ["fc Linear(6, 12)"], errors: [] });
  });

  it("gives way to a config.json of which it would take nothing or too little", async () => {
    for (const json of [{ width: 5 }, { width: 5, r: 3 }]) {
      const { layers, errors, label } = await read({
        "net.py": IMPORTS + LORA + NET,
        "config.json": JSON.stringify(json),
      });
      assert.deepEqual({ layers, errors, label }, { layers: ["fc Linear(5, 10)"], errors: [], label: "config.json" });
    }
  });

  it("is the next dict if the first has other entries", async () => {
    const { layers, errors, label } = await read({
      "net.py": `${IMPORTS}train_config = {"name": "a", "lr": 0.1}
model_config = {"name": "b", "width": 7}
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.name = config["name"]
        self.fc = nn.Linear(config["width"], 2)
`,
    });
    assert.deepEqual({ layers, errors, label }, { layers: ["fc Linear(7, 2)"], errors: [], label: "model_config" });
  });

  it("is not an instance of a configuration of training", async () => {
    const { errors, layers } = await read({
      "net.py": `${IMPORTS}@dataclass
class TrainArgs:
    lr: float = 0.1
args = TrainArgs(lr=0.2)
class Net(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.fc = nn.Linear(args.width, 2)
`,
    });
    assert.deepEqual({ errors, layers }, { errors: [], layers: ["fc Linear(undefined, 2)"] });
  });

  it("counts as the class's own by its name and half of the attributes read, so a missing one is an error", async () => {
    const { errors } = await read({
      "net.py": `${IMPORTS}@dataclass
class NetConfig:
    width: int = 4
${NET.replace("config.width * 2", "config.widht")}`,
    });
    assert.deepEqual(errors, ["AttributeError: 'NetConfig' object has no attribute 'widht'"]);
  });

  it("is an error if it was chosen by the user", async () => {
    const { errors } = await read({ "net.py": IMPORTS + LORA + NET }, { source: "defaults" });
    assert.deepEqual(errors, ["AttributeError: 'LoRAConfig' object has no attribute 'width'"]);
  });

  it("counts as the class's own if the annotation says so, so a missing attribute is an error", async () => {
    const { errors } = await read({ "net.py": IMPORTS + LORA + NET.replace("config)", "config: LoRAConfig)") });
    assert.deepEqual(errors, ["AttributeError: 'LoRAConfig' object has no attribute 'width'"]);
  });
});
