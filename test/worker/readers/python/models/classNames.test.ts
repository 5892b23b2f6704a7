import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
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
const notebook = (...cells: readonly (string | { markdown: string })[]): string =>
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { language: "python" } },
    cells: cells.map((cell) =>
      typeof cell === "string"
        ? { cell_type: "code", source: cell.split(/(?<=\n)/), outputs: [] }
        : { cell_type: "markdown", source: cell.markdown },
    ),
  });

describe("a class that another file constructs under another name", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-names-")));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** "3→4, from run.py, line 2" of the first Linear layer. */
  const sizes = async (files: Record<string, string>, file = "net.py", name = "Net"): Promise<string> => {
    rmSync(folder, { recursive: true });
    writeFiles(folder, { "pyproject.toml": "", "net.py": NET, ...files });
    const opened = await openModelFile(join(folder, file), undefined, { packages: [], fresh: true, memory });
    const summary = summarize(opened).models.find((m) => m.class === name)!;
    const fc = [...walkModules(modelNamed(opened, name).root)].find((m) => m.kind === "Linear")!;
    return `${fc.inFeatures}→${fc.outFeatures}, from ${sizesFrom(summary)}`;
  };

  it("is found by the name that an import gives it, in lines of one and of several", async () => {
    assert.equal(await sizes({ "run.py": "from net import Net as N\nN(3, 4)\n" }), "3→4, from run.py, line 2");
    assert.equal(
      await sizes({ "run.py": "from net import (\n    Net as N,\n)\nmodel = N(3, classes=4)\n" }),
      "3→4, from run.py, line 4",
    );
    assert.equal(
      await sizes({ "run.py": "from net import Net as N\ndef main():\n    return N(3, 4)\n" }),
      "3→4, from run.py, line 3",
    );
  });

  it("is found through its module's name or alias: at the top, in a function, in a class", async () => {
    assert.equal(await sizes({ "run.py": "import net as m\nmodel = m.Net(3, 4)\n" }), "3→4, from run.py, line 2");
    assert.equal(
      await sizes({ "run.py": "import net\ndef main(width=3):\n    model = net.Net(width, 4)\n" }),
      "3→4, from run.py, line 3",
    );
    const inClass = (base: string) =>
      `${IMPORTS}\nimport net as m\nclass Whole(${base}):\n    def __init__(self, width=3):\n        super().__init__()\n        self.net = m.Net(width, 4)\n`;
    assert.equal(await sizes({ "run.py": inClass("nn.Module") }), "3→4, from Whole in run.py");
    assert.equal(await sizes({ "run.py": inClass("object") }), "3→4, from Whole in run.py");
    const made = `${inClass("nn.Module").replace("width=3", "width")}\nWhole(8)\n`;
    assert.equal(await sizes({ "run.py": made }), "8→4, from Whole in run.py");
    const factory = "import net as m\ndef small(**kwargs):\n    return m.Net(**{'width': 3, 'classes': 4, **kwargs})\n";
    assert.equal(await sizes({ "run.py": factory }), "3→4, from small in run.py");
  });

  it("is found where a function imports it for itself", async () => {
    const own = "def main():\n    from net import Net as N\n    return N(3, 4)\n";
    assert.equal(await sizes({ "run.py": own }), "3→4, from run.py, line 3");
    const module = "def main():\n    import net as m\n    return m.Net(3, 4)\n";
    assert.equal(await sizes({ "run.py": module }), "3→4, from run.py, line 3");
    // Of two classes of one name it is the one that the function has.
    const other = "class Net:\n    def __init__(self, a, b): pass\nNet(1, 1)\n";
    assert.equal(await sizes({ "run.py": other + own }), "3→4, from run.py, line 6");
  });

  it("is found through packages that give it on under a name of theirs", async () => {
    const files = {
      "pkg/net.py": NET,
      "pkg/__init__.py": "from .net import Net as Backbone\n",
      "run.py": "from pkg import Backbone\nBackbone(3, 4)\n",
    };
    assert.equal(await sizes(files, "pkg/net.py"), "3→4, from ../run.py, line 2");
    const twice = {
      ...files,
      "pkg/models/__init__.py": "from ..net import Net as Inner\nBackbone = Inner\n",
      "pkg/__init__.py": "from .models import *\n",
      "run.py": "import pkg as p\nmodel = p.Backbone(3, 4)\n",
    };
    assert.equal(await sizes(twice, "pkg/net.py"), "3→4, from ../run.py, line 2");
    const relative = { ...files, "run.py": "", "pkg/sub/build.py": "from ..net import Net as N\nN(5, 6)\n" };
    assert.equal(await sizes(relative, "pkg/net.py"), "5→6, from sub/build.py, line 2");
  });

  it("is found in a table of classes, and by getattr", async () => {
    const table = "from net import Net\nMODELS = {'net': Net}\nmodel = MODELS['net'](3, 4)\n";
    assert.equal(await sizes({ "run.py": table }), "3→4, from run.py, line 3");
    const chosen = `from net import Net
import argparse
MODELS = dict(net=Net)
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", default="net")
    args = parser.parse_args()
    return MODELS[args.arch](3, 4)
`;
    assert.equal(await sizes({ "run.py": chosen }), "3→4, from run.py, line 8");
    const attribute = "import net\nfrom net import Net\nname = 'Net'\nmodel = getattr(net, name)(3, 4)\n";
    assert.equal(await sizes({ "run.py": attribute }), "3→4, from run.py, line 4");
  });

  it("gets its sizes from a subclass's call where nothing constructs the class itself", async () => {
    const big = (call: string) =>
      `${IMPORTS}\nfrom net import Net\nclass Big(Net):\n    def __init__(self, width=30):\n        ${call}\n`;
    assert.equal(await sizes({ "big.py": big("super().__init__(width, 4)") }), "30→4, from Big in big.py");
    assert.equal(
      await sizes({ "big.py": big("Net.__init__(self, classes=4, width=width)") }),
      "30→4, from Big in big.py",
    );
    const both = { "big.py": big("super().__init__(width, 4)"), "run.py": "import net\nnet.Net(5, 6)\n" };
    assert.equal(await sizes(both), "5→6, from run.py, line 2");
    const heir = `class Heir(Net):\n    def __init__(self):\n        super().__init__(7, 8)\n`;
    assert.equal(await sizes({ "net.py": `${NET}\n${heir}` }), "7→8, from undefined");
    const inherited = { "run.py": `${IMPORTS}\nfrom net import Net\nclass Same(Net):\n    pass\nSame(9, 1)\n` };
    assert.equal(await sizes(inherited), "9→1, from Same in run.py");
  });

  it("is found in a notebook, with its cell, scripts before it", async () => {
    const cells = notebook(
      { markdown: "# Net(1, 1)" },
      "%load_ext autoreload\n!pip install net\nfrom net import Net",
      "width = 3\nprint('(')\n",
      "model = Net(width, 4)\n",
    );
    assert.equal(await sizes({ "train.ipynb": cells }), "3→4, from train.ipynb, cell 4, line 1");
    const alias = notebook("import net as m\n", "\nmodel = m.Net(\n    3,\n    4)\n");
    assert.equal(await sizes({ "train.ipynb": alias }), "3→4, from train.ipynb, cell 2, line 2");
    const part = notebook("from net import Net\n", "files = !ls\nmodel = Net(64, len(files))\n");
    assert.equal(await sizes({ "train.ipynb": part }), "64→undefined, from train.ipynb, cell 2, line 2");
    assert.equal(
      await sizes({ "train.ipynb": cells, "zoo.py": "import net\nnet.Net(5, 6)\n" }),
      "5→6, from zoo.py, line 2",
    );
    // A cell that is broken, and files that are no notebooks of Python.
    const broken = notebook("from net import Net\n", "x = (1,\n", "model = Net(3, 4)\n");
    assert.equal(await sizes({ "train.ipynb": broken }), "3→4, from train.ipynb, cell 3, line 1");
    for (const text of [
      "{",
      "[]",
      JSON.stringify({ nbformat: 4, metadata: { language_info: { name: "julia" } }, cells: [] }),
    ])
      assert.equal(await sizes({ "train.ipynb": text }), "undefined→undefined, from undefined");
  });

  it("is not confused with another class of the same name", async () => {
    const other = `${IMPORTS}\nimport other as m\nmodel = m.Net(3, 4)\nclass W:\n    def __init__(self):\n        self.n = m.Net(5, 6)\nimport net\n`;
    assert.equal(await sizes({ "other.py": NET, "run.py": other }), "undefined→undefined, from undefined");
  });
});

describe("a layer of a class that derives from one of torch's", () => {
  it("is among the layers, while a class derived from a container is not", async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-layers-")));
    try {
      writeFiles(folder, {
        "net.py": `${IMPORTS}
class Words(nn.Embedding):
    def __init__(self, count, width, rank=2):
        super().__init__(count, width)
        self.low = nn.Parameter(torch.zeros(rank, count))

class Block(nn.Sequential):
    pass

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = Words(7, 4)
        self.block = Block(nn.Linear(4, 4))
`,
      });
      const opened = await openModelFile(join(folder, "net.py"), undefined, { packages: [], memory });
      const { layers } = summarize(opened).models.find((m) => m.class === "Net")!;
      assert.deepEqual(
        layers.map(({ path, kind, inFeatures, outFeatures, parameters }) => [
          path,
          kind,
          inFeatures,
          outFeatures,
          parameters,
        ]),
        [
          ["words", "Words", 7, 4, 42],
          ["block.0", "Linear", 4, 4, 20],
        ],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
