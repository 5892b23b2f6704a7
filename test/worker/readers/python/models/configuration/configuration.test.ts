import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigurationChoice } from "../../../../../../src/protocol/jobs";
import { walkModules } from "../../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../../src/worker/readers/open";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";

const MODEL = `
from dataclasses import dataclass
from torch import nn

@dataclass
class NetConfig:
    width: int = 8
    depth: int = 2

class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.fc = nn.Linear(config.width, config.width * layer)

class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.blocks = nn.ModuleList([Block(config, i + 1) for i in range(config.depth)])
        self.head = nn.Linear(config.width, 3)
`;

describe("a model's configuration", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-config-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = async (text: string, configuration?: ConfigurationChoice) => {
    const file = join(folder, "net.py");
    writeFileSync(file, text);
    const { models, problems } = await openModelFile(file, undefined, configuration && { configuration });
    const of = (name: string) => {
      const model = models.find((m) => m.className === name);
      assert.ok(model, `${name} is read`);
      const layers = [...walkModules(model.root)].filter((m) => m.kind === "Linear");
      return {
        layers: layers.map((m) => `${m.path} ${m.inFeatures}→${m.outFeatures}`),
        label: model.configuration?.label,
        source: model.configuration?.source,
      };
    };
    return { of, messages: problems.map((p) => p.message) };
  };

  it("is the configuration class's defaults where nothing else gives it", async () => {
    const { of } = await read(MODEL);
    assert.deepEqual(of("Net"), {
      layers: ["blocks.0.fc 8→8", "blocks.1.fc 8→16", "head 8→3"],
      label: "NetConfig's defaults",
      source: "defaults",
    });
    // A part is as the model makes it.
    assert.deepEqual(of("Block").layers, ["fc 8→8"]);
  });

  it("leaves a vocabulary of -1 unknown, and gives all other sizes", async () => {
    const { models } = await pythonReader.open(
      "model.py",
      `
from dataclasses import dataclass
from torch import nn

@dataclass
class ModelArgs:
    dim: int = 8
    vocab_size: int = -1  # defined later by tokenizer

class Transformer(nn.Module):
    def __init__(self, params: ModelArgs):
        super().__init__()
        self.embeddings = nn.Embedding(params.vocab_size, params.dim)
        self.layer = nn.Linear(params.dim, params.dim)
`,
    );
    const [{ stateDict, problems }] = models as [(typeof models)[0]];
    assert.deepEqual(
      stateDict.map(({ path, shape }) => [path, shape]),
      [
        ["embeddings.weight", [undefined, 8]],
        ["layer.weight", [8, 8]],
        ["layer.bias", [8]],
      ],
    );
    assert.match(problems[0]!.message, /vocab_size of ModelArgs is -1 until the program sets it/);
  });

  it("is an instance that the file makes, before the defaults", async () => {
    const { of } = await read(`${MODEL}\nsmall = NetConfig(width=4, depth=1)\n`);
    assert.deepEqual(of("Net"), { layers: ["blocks.0.fc 4→4", "head 4→3"], label: "small", source: "instance" });
    const { of: called } = await read(`${MODEL}\ndef main():\n    config = NetConfig(width=6, depth=1)\n`);
    assert.deepEqual(called("Net").layers, ["blocks.0.fc 6→6", "head 6→3"]);
    assert.equal(called("Net").label, "the NetConfig at line 22");
  });

  it("is config.json beside the file, before an instance", async () => {
    writeFileSync(join(folder, "config.json"), '{"width": 10, "depth": 1, "unrelated": [1, {"a": null}]}');
    const text = `${MODEL}\nsmall = NetConfig(width=4, depth=1)\nnet = Net(small)\n`;
    const { of } = await read(text);
    assert.deepEqual(of("Net"), { layers: ["blocks.0.fc 10→10", "head 10→3"], label: "config.json", source: "json" });
    assert.equal((await read(text, { source: "instance" })).of("Net").layers[0], "blocks.0.fc 4→4");
    assert.equal((await read(text, { source: "defaults" })).of("Net").layers[0], "blocks.0.fc 8→8");
    const other = join(folder, "large.json");
    writeFileSync(other, '{"width": 20}');
    assert.equal((await read(text, { source: "json", file: other })).of("Net").layers[1], "blocks.1.fc 20→40");
  });

  it("of a file tells floats from whole numbers, as Python does", async () => {
    writeFileSync(join(folder, "config.json"), '{"width": 4, "scale": 2.0, "exponent": 1e1, "name": "3.0 \\"1.0"}');
    const text = `import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config.width, 2)
        for name in ("scale", "exponent"):
            assert isinstance(getattr(config, name), float), name
        assert isinstance(config.width, int) and config.name == '3.0 "1.0'
        self.gain = nn.Parameter(torch.full((2,), config.scale))
`;
    const { of, messages } = await read(text);
    assert.deepEqual(messages, []);
    assert.equal(of("Net").source, "json");
  });

  it("is not a config.json about something else or with other content", async () => {
    writeFileSync(join(folder, "config.json"), '{"compilerOptions": {}}');
    assert.equal((await read(MODEL)).of("Net").source, "defaults");
    for (const [text, why] of [
      ["{", /is not JSON/],
      ["[1]", /does not hold a JSON object/],
      [`{"width": ${'{"a":'.repeat(40)}1${"}".repeat(40)}}`, /nested more than 32 levels/],
    ] as const) {
      writeFileSync(join(folder, "config.json"), text);
      const { of, messages } = await read(MODEL);
      assert.equal(of("Net").source, "defaults");
      assert.ok(
        messages.some((m) => why.test(m)),
        `${why}: ${messages.join("; ")}`,
      );
    }
    const { messages } = await read(MODEL, { source: "json", file: join(folder, "absent.json") });
    assert.ok(messages.some((m) => /there is no such file/.test(m)));
  });

  it("is a dict that the code subscripts", async () => {
    const { of } = await read(`
from torch import nn
SMALL_CONFIG = {"emb_dim": 12, "n_heads": 2}
class Net(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.q = nn.Linear(cfg["emb_dim"], cfg["emb_dim"] * cfg["n_heads"])
`);
    assert.deepEqual(of("Net"), { layers: ["q 12→24"], label: "SMALL_CONFIG", source: "instance" });
  });

  it("is found by the constructor's annotation and by config_class", async () => {
    const { of } = await read(`
from typing import Optional
from torch import nn
class TextConfig:
    def __init__(self, hidden=5, **kwargs):
        self.hidden = hidden
class VisionConfig:
    def __init__(self, hidden=7, **kwargs):
        self.hidden = hidden
class Text(nn.Module):
    def __init__(self, config: "TextConfig"):
        super().__init__()
        self.fc = nn.Linear(config.hidden, 1)
class Tower(nn.Module):
    config_class = VisionConfig
    def __init__(self, config):
        super().__init__()
        self.fc = nn.Linear(config.hidden, 2)
class Both(nn.Module):
    def __init__(self, text_config: Optional[TextConfig], vision_config: VisionConfig):
        super().__init__()
        self.text = Text(text_config)
        self.tower = Tower(vision_config)
`);
    assert.deepEqual(of("Text").layers, ["fc 5→1"]);
    assert.deepEqual(of("Tower").layers, ["fc 7→2"]);
    assert.deepEqual(of("Both").layers, ["text.fc 5→1", "tower.fc 7→2"]);
  });

  it("is the part of a config.json that is for the class's model type, and says when there is none", async () => {
    const text = `
from torch import nn
class PartConfig:
    model_type = "part"
    def __init__(self, hidden=5, **kwargs):
        self.hidden = hidden
class Part(nn.Module):
    def __init__(self, config: PartConfig):
        super().__init__()
        self.fc = nn.Linear(config.hidden, 1)
`;
    writeFileSync(
      join(folder, "config.json"),
      '{"model_type": "whole", "hidden": 1, "part_config": {"model_type": "part", "hidden": 9}}',
    );
    assert.deepEqual((await read(text)).of("Part").layers, ["fc 9→1"]);
    writeFileSync(join(folder, "config.json"), '{"model_type": "whole", "hidden": 1}');
    const { of, messages } = await read(text);
    assert.deepEqual(of("Part").layers, ["fc 5→1"]);
    assert.ok(messages.some((m) => /is for model type "whole"; PartConfig is for "part"/.test(m)));
  });

  it("keeps its known values where another parameter is unknown", async () => {
    const { of, messages } = await read(`
from torch import nn
class NetConfig:
    def __init__(self, width=5):
        self.width = width
class Layer(nn.Module):
    def __init__(self, config: NetConfig, index):
        super().__init__()
        self.fc = nn.Linear(config.width, index)
`);
    assert.deepEqual(of("Layer").layers, ["fc 5→undefined"]);
    assert.ok(messages.some((m) => m.startsWith("index of Layer is unknown")));
  });

  it("is the one that a class states for itself, not the one that its constructor's annotation names", async () => {
    const { of } = await read(`
from torch import nn
class PartConfig:
    def __init__(self, width=5):
        self.width = width
class WholeConfig:
    def __init__(self, depth=5):
        self.depth = depth
class Base(nn.Module):
    config_class = WholeConfig
class Encoder(Base):
    config: PartConfig
    def __init__(self, config: WholeConfig):
        super().__init__()
        self.fc = nn.Linear(config.width, 2)
`);
    assert.deepEqual(of("Encoder"), { layers: ["fc 5→2"], label: "PartConfig's defaults", source: "defaults" });
  });

  it("is passed on by a constructor that takes any arguments", async () => {
    const { of } = await read(`${MODEL}
class OldNet(Net):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
`);
    assert.deepEqual(of("OldNet"), of("Net"));
  });

  it("comes before None where a class states its configuration class", async () => {
    const { of } = await read(`
from torch import nn
class NetConfig:
    def __init__(self, width=5):
        self.width = width
class Net(nn.Module):
    config_class = NetConfig
    def __init__(self, config=None):
        super().__init__()
        self.fc = nn.Linear(config.width, 2)
`);
    assert.deepEqual(of("Net"), { layers: ["fc 5→2"], label: "NetConfig's defaults", source: "defaults" });
  });

  it("from a file, without a class with defaults, has unknown missing values instead of errors", async () => {
    writeFileSync(join(folder, "config.json"), '{ "width": 6 }');
    const { of, messages } = await read(`
from torch import nn
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.scale = config.scale
        self.rate = getattr(config, "rate", 0.5)
        self.fc = nn.Linear(config.width, 2 if self.rate == 0.5 else 3)
`);
    assert.deepEqual(of("Net"), { layers: ["fc 6→2"], label: "config.json", source: "json" });
    assert.deepEqual(messages, []);
  });
});
