import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { type Model, type ModelFile, walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { pythonReader } from "../../../../../src/worker/readers/python/reader";
import { sizesFrom, summarize } from "../../../../../src/worker/readers/summary";
import { modelNamed, writeFiles } from "../reading";

const memory = new ReaderMemory();

const IMPORTS = "import torch\nfrom torch import nn\n";
const NET = `${IMPORTS}
class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.fc = nn.Linear(width, classes)
`;

describe("sizes that another file of the project gives", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-elsewhere-")));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (files: Record<string, string>): void => writeFiles(folder, files);
  const open = (file: string, packages: readonly string[] = []): Promise<ModelFile> =>
    openModelFile(join(folder, file), undefined, { packages, memory });
  /** "fc 3→4" for each Linear layer. */
  const linear = (model: Model): string[] =>
    [...walkModules(model.root)]
      .filter((m) => m.kind === "Linear")
      .map((m) => `${m.path} ${m.inFeatures}→${m.outFeatures}`);
  const sizes = async (file: string, name: string, packages?: readonly string[]) => {
    const opened = await open(file, packages);
    const summary = summarize(opened).models.find((m) => m.class === name)!;
    return [...linear(modelNamed(opened, name)), `from ${sizesFrom(summary)}`];
  };

  it("are those of a script's call, arguments of its command line included", async () => {
    write({
      "pyproject.toml": "",
      "net/model.py": NET,
      "train.py": `
import argparse
from net.model import Net

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=48)
    args = parser.parse_args()
    model = Net(args.width, classes=7)

if __name__ == "__main__":
    main()
`,
    });
    assert.deepEqual(await sizes("net/model.py", "Net"), ["fc 48→7", "from ../train.py, line 9"]);
    // What the main guard assigns is global to its functions.
    const global = `from net.model import Net\ndef main():\n    return Net(width, 3)\nif __name__ == "__main__":\n    width = 5\n    main()\n`;
    write({ "train.py": global });
    assert.deepEqual(await sizes("net/model.py", "Net"), ["fc 5→3", "from ../train.py, line 3"]);
  });

  it("reach a layer through the classes that contain it, file by file", async () => {
    write({
      "pyproject.toml": "",
      "net/__init__.py": "from .model import Net\n",
      "net/layers.py": `${IMPORTS}
class Gate(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.proj = nn.Linear(size, 1)

class Block(nn.Module):
    def __init__(self, size, factor):
        super().__init__()
        self.up = nn.Linear(size, size * factor)
        self.gate = Gate(size * factor)
`,
      "net/model.py": `${IMPORTS}
from .layers import Block
class Net(nn.Module):
    def __init__(self, width, *, factor=3):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, factor) for _ in range(2))
`,
      "scripts/run.py": "import net\nmodel = net.Net(width=10)\n",
    });
    assert.deepEqual(await sizes("net/layers.py", "Block"), ["up 10→30", "gate.proj 30→1", "from Net in model.py"]);
    // Its own file says what Gate is made with, once Block is known.
    assert.deepEqual(await sizes("net/layers.py", "Gate"), ["proj 30→1", "from undefined"]);
    assert.deepEqual(await sizes("net/model.py", "Net"), [
      "blocks.0.up 10→30",
      "blocks.0.gate.proj 30→1",
      "blocks.1.up 10→30",
      "blocks.1.gate.proj 30→1",
      "from ../scripts/run.py, line 2",
    ]);
  });

  it("come from a holder's defaults, those of its configuration, and a factory", async () => {
    const layer = (name: string) => `${IMPORTS}
class ${name}(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.fc = nn.Linear(size, 2)
`;
    write({
      "pyproject.toml": "",
      "a.py": layer("A"),
      "b.py": layer("B"),
      "c.py": layer("C"),
      "all.py": `${IMPORTS}
import dataclasses
from a import A
from b import B
from c import C

class Whole(nn.Module):
    def __init__(self, size=5):
        super().__init__()
        self.a = A(size)

@dataclasses.dataclass
class BigConfig:
    hidden: int = 6

class Big(nn.Module):
    def __init__(self, config: BigConfig):
        super().__init__()
        self.b = B(config.hidden)

def small(**kwargs):
    return C(**{"size": 7, **kwargs})
`,
    });
    assert.deepEqual(await sizes("a.py", "A"), ["fc 5→2", "from Whole in all.py"]);
    assert.deepEqual(await sizes("b.py", "B"), ["fc 6→2", "from Big in all.py"]);
    assert.deepEqual(await sizes("c.py", "C"), ["fc 7→2", "from small in all.py"]);
  });

  it("belong to this very class, are known, and do not come from a test if there are others", async () => {
    write({
      "pyproject.toml": "",
      "net.py": NET,
      "a_other.py": `import net\n${NET}\nNet(1, 1)\n`,
      "a_unknown.py": "import sys\nfrom net import Net\nmodel = Net(int(sys.stdin.read()), 2)\n",
      "test_net.py": "from net import Net\nNet(3, 3)\n",
      "use/deep/run.py": "from net import Net as N, Net\nmodel = Net(4, 4)\n",
    });
    assert.deepEqual(await sizes("net.py", "Net"), ["fc 4→4", "from use/deep/run.py, line 2"]);
    rmSync(join(folder, "use"), { recursive: true });
    write({ "sub/net.py": NET, "sub/test_net.py": "from net import Net\nNet(3, 3)\n" });
    assert.deepEqual(await sizes("sub/net.py", "Net"), ["fc 3→3", "from test_net.py, line 2"]);
  });

  it("do not override the file's own values", async () => {
    write({
      "pyproject.toml": "",
      "net.py": `${NET}\nif __name__ == "__main__":\n    Net(8, 9)\n`,
      "run.py": "from net import Net\nNet(1, 1)\n",
    });
    assert.deepEqual(await sizes("net.py", "Net"), ["fc 8→9", "from undefined"]);
  });

  it("override defaults that the class refuses, unless those were chosen", async () => {
    write({
      "pyproject.toml": "",
      "net.py": `${IMPORTS}
import dataclasses
@dataclasses.dataclass
class NetConfig:
    width: int = 0
class Net(nn.Module):
    def __init__(self, config: NetConfig):
        super().__init__()
        assert config.width > 0
        self.fc = nn.Linear(config.width, 2)
`,
      "run.py": "from net import Net, NetConfig\nNet(NetConfig(width=8))\n",
    });
    assert.deepEqual(await sizes("net.py", "Net"), ["fc 8→2", "from run.py, line 2"]);
    const chosen = await openModelFile(join(folder, "net.py"), undefined, { configuration: { source: "defaults" } });
    assert.deepEqual(linear(modelNamed(chosen, "Net")), []);
    assert.deepEqual(
      chosen.problems.map(({ severity, message }) => `${severity}: ${message}`),
      ["error: AssertionError"],
    );
  });

  it("stay unknown where the call does not fit the class", async () => {
    write({
      "pyproject.toml": "",
      "net.py": NET,
      "run.py": 'from net import Net\nNet("wide", 1)\nNet(1)\n',
    });
    const opened = await open("net.py");
    assert.deepEqual(linear(modelNamed(opened, "Net")), ["fc undefined→undefined"]);
    assert.deepEqual(
      opened.problems.map(({ severity, message }) => `${severity}: ${message}`),
      [
        "information: width and classes of Net are unknown: they have no default and nothing in this file or its project constructs Net with known values. Dimensions that depend on them are not shown.",
      ],
    );
  });

  it("are searched for only in the project, and not in hidden, installed or linked folders", async () => {
    const call = "from net import Net\nNet(3, 3)\n";
    write({ "outside.py": call, "project/net.py": NET, "project/.cache/run.py": call, "project/run/run.py": call });
    const unknown = ["fc undefined→undefined", "from undefined"];
    // Nothing says that the folder is a project: what lies below it may be anything.
    assert.deepEqual(await sizes("project/net.py", "Net"), unknown);
    const file = join(folder, "project/net.py");
    const { problems, searched } = await openModelFile(file, undefined, { packages: [], open: true, memory });
    assert.ok(problems.some(({ message }) => message.includes("nothing in this file or its folder constructs Net")));
    assert.deepEqual(searched, { folder: join(folder, "project"), deep: false });
    write({ "project/pyproject.toml": "", "project/node_modules/run.py": call });
    rmSync(join(folder, "project/run"), { recursive: true });
    symlinkSync(join(folder, "outside.py"), join(folder, "project/link.py"));
    // Another folder's list is made anew.
    write({ "project/sub/net.py": NET });
    assert.deepEqual(await sizes("project/sub/net.py", "Net"), unknown);
    write({ "site/net.py": NET, "site/run.py": call, "site/pyproject.toml": "" });
    assert.deepEqual(await sizes("site/net.py", "Net", [join(folder, "site")]), unknown);
    assert.deepEqual(await sizes("site/net.py", "Net"), ["fc 3→3", "from run.py, line 2"]);
  });

  it("follow each keystroke, in this file and in the other", async () => {
    const file = join(folder, "net.py");
    const text = `${NET}\nWIDTH = 4\n`;
    write({ "pyproject.toml": "", "net.py": text, "run.py": "from net import Net, WIDTH\nNet(WIDTH, 2)\n" });
    const typed = async (now: string) =>
      linear(modelNamed(await pythonReader.open(file, now, { packages: [], open: true, memory }), "Net"));
    assert.deepEqual(await typed(text), ["fc 4→2"]);
    // Nothing in this file leads from the number to the class.
    assert.deepEqual(await typed(text.replace("4", "5")), ["fc 5→2"]);
    write({ "run.py": "from net import Net, WIDTH\n\nNet(WIDTH, 30)\n" });
    assert.deepEqual(await typed(text.replace("4", "6")), ["fc 6→30"]);
  });

  it("end where the calls lead in a circle", async () => {
    const holder = (name: string, other: string) => `${IMPORTS}
from ${other.toLowerCase()} import ${other}
class ${name}(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.inner = ${other}(size)
`;
    write({ "pyproject.toml": "", "a.py": holder("A", "B"), "b.py": holder("B", "A") });
    assert.deepEqual(await sizes("a.py", "A"), ["from undefined"]);
  });
});
