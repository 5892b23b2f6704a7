import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { walkModules } from "../../../../../src/worker/readers/model";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { sizesFrom, summarize } from "../../../../../src/worker/readers/summary";
import { modelNamed, readTorch, writeFiles } from "../reading";

const memory = new ReaderMemory();

const IMPORTS = "import torch\nfrom torch import nn\n";
const NET = `${IMPORTS}
class Net(nn.Module):
    def __init__(self, vocab, width, classes=3):
        super().__init__()
        self.emb = nn.Embedding(vocab, width)
        self.fc = nn.Linear(width, classes)
`;
const DATA = "def words(path):\n    with open(path) as f:\n        return set(f.read().split())\n";

describe("a call that leaves some arguments unknown", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-partly-")));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = async (files: Record<string, string>, file = "net.py", name = "Net") => {
    writeFiles(folder, { "pyproject.toml": "", "net.py": NET, "data.py": DATA, ...files });
    const opened = await openModelFile(join(folder, file), undefined, { packages: [], fresh: true, memory });
    const model = modelNamed(opened, name);
    const summary = summarize(opened).models.find((m) => m.class === name)!;
    return {
      layers: [...walkModules(model.root)]
        .filter((m) => m.path !== "" && m.children.length === 0)
        .map((m) => `${m.path} ${m.inFeatures}→${m.outFeatures}`),
      from: sizesFrom(summary),
      parameters: summary.parameters,
      notes: opened.problems.map(({ severity, message }) => `${severity}: ${message}`),
    };
  };

  it("keeps the known ones, and names the others with the call and the reason", async () => {
    const { layers, from, parameters, notes } = await read({
      "train.py": "from net import Net\nfrom data import words\nmodel = Net(len(words('a.txt')), 64, classes=7)\n",
    });
    assert.deepEqual(layers, ["emb undefined→64", "fc 64→7"]);
    assert.equal(from, "train.py, line 3");
    assert.equal(parameters, null);
    assert.match(
      notes.join(),
      /^information: vocab of Net is unknown: train\.py, line 3 constructs Net with a value that is not known \(.+\)\. Dimensions that depend on it are not shown\.$/,
    );
  });

  it("may pass them by position, by keyword, and with stars; an unknown star leaves the rest unknown", async () => {
    const start = "from net import Net\nfrom data import words\nn = len(words('a.txt'))\n";
    const layers = async (call: string) => (await read({ "train.py": start + call })).layers;
    const known = ["emb undefined→64", "fc 64→7"];
    assert.deepEqual(await layers("Net(n, 64, 7)"), known);
    assert.deepEqual(await layers("Net(classes=7, width=64, vocab=n)"), known);
    assert.deepEqual(await layers("Net(*[n, 64], **{'classes': 7})"), known);
    assert.deepEqual(await layers("sizes = dict(width=64, vocab=n)\nNet(**sizes, classes=7)"), known);
    // Of a default nobody knows whether the stars replace it.
    assert.deepEqual(await layers("import json\nNet(width=64, **json.load(open('x.json'))['net'][n])"), [
      "emb undefined→64",
      "fc 64→undefined",
    ]);
    assert.deepEqual(await layers("Net(*words('a.txt'), classes=7)"), ["emb undefined→undefined", "fc undefined→7"]);
    // It tells nothing.
    assert.deepEqual(await layers("Net(*words('a.txt'), 64)"), ["emb undefined→undefined", "fc undefined→3"]);
  });

  it("keeps an argument that is known although another fails", async () => {
    const { layers } = await read({ "train.py": "from net import Net\nNet([1][2], 64)\n" });
    assert.deepEqual(layers, ["emb undefined→64", "fc 64→3"]);
  });

  it("may be in a function that is never called, whose defaults are known", async () => {
    const { layers, notes } = await read({
      "train.py": "from net import Net\ndef build(vocab, width=48):\n    return Net(vocab, width)\n",
    });
    assert.deepEqual(layers, ["emb undefined→48", "fc 48→3"]);
    assert.ok(
      notes.some((note) => note.includes("(vocab is an argument of build)")),
      notes.join(),
    );
  });

  it("comes after a call with all arguments known, and before one with fewer known", async () => {
    const open = "from net import Net\nfrom data import words\nn = len(words('a.txt'))\n";
    const train = { "a.py": `${open}Net(n, 64, n)\n`, "b.py": `${open}Net(n, 32, 5)\n` };
    assert.deepEqual((await read(train)).layers, ["emb undefined→32", "fc 32→5"]);
    assert.deepEqual((await read({ ...train, "test_net.py": "from net import Net\nNet(9, 8)\n" })).layers, [
      "emb 9→8",
      "fc 8→3",
    ]);
  });

  it("is not used if it does not fit the class, or has no known argument", async () => {
    for (const call of ["Net(width=64)", "Net(len(words('a.txt')), len(words('b.txt')))", "Net(64, depth=1)"]) {
      const { layers, from, notes } = await read({
        "train.py": `from net import Net\nfrom data import words\n${call}\n`,
      });
      assert.deepEqual(layers, ["emb undefined→undefined", "fc undefined→3"], call);
      assert.equal(from, undefined);
      assert.ok(notes.join().includes("nothing in this file or its project constructs Net"), notes.join());
    }
  });

  it("is not hidden by a call with more known arguments that does not fit", async () => {
    const { layers } = await read({
      "a.py": "from net import Net\nfrom data import words\nNet(len(words('a.txt')), classes=7, depth=1, heads=2)\n",
      "b.py": "from net import Net\nfrom data import words\nNet(width=8, classes=len(words('a.txt')))\n",
      "c.py": "from net import Net\nfrom data import words\nNet(len(words('a.txt')), 64)\n",
    });
    assert.deepEqual(layers, ["emb undefined→64", "fc 64→3"]);
  });

  it("reaches the layers of another file through the class that it makes", async () => {
    const files = {
      "layers.py": `${IMPORTS}
class Head(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.fc = nn.Linear(width, out)

class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Linear(width, width)
`,
      "net.py": `${IMPORTS}
from layers import Head, Norm
class Net(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.norm = Norm(width)
        self.head = Head(width, vocab)
`,
      "train.py": "from net import Net\nfrom data import words\nNet(len(words('a.txt')), 64)\n",
    };
    const head = await read(files, "layers.py", "Head");
    assert.deepEqual([...head.layers, head.from], ["fc 64→undefined", "Net in net.py"]);
    assert.ok(head.notes.some((note) => note.includes("out of Head is unknown: Net in net.py constructs Head")));
    const norm = await read(files, "layers.py", "Norm");
    assert.deepEqual([...norm.layers, norm.from], ["scale 64→64", "Net in net.py"]);
  });

  it("passes its known arguments on to the class's parts in the same file", async () => {
    const { layers } = await read(
      {
        "net.py": `${IMPORTS}
class Part(nn.Module):
    def __init__(self, width, vocab):
        super().__init__()
        self.fc = nn.Linear(width, vocab)

class Net(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.part = Part(width, vocab)
`,
        "train.py": "from net import Net\nfrom data import words\nNet(len(words('a.txt')), 64)\n",
      },
      "net.py",
      "Part",
    );
    assert.deepEqual(layers, ["fc 64→undefined"]);
  });

  it("is found in a class that is never constructed, in its constructor and methods", async () => {
    const trainer = (body: string) =>
      `from net import Net\nclass Trainer:\n    def __init__(self, args):\n        self.args = args\n${body}`;
    const inside = await read({ "train.py": trainer("        self.net = Net(args.vocab, 64)\n") });
    assert.deepEqual([...inside.layers, inside.from], ["emb undefined→64", "fc 64→3", "Trainer in train.py"]);
    const whole = await read({ "train.py": trainer("        self.net = Net(10, 64)\n") });
    assert.deepEqual([...whole.layers, whole.from], ["emb 10→64", "fc 64→3", "Trainer in train.py"]);
    const method = await read({ "train.py": trainer("    def setup(self):\n        self.net = Net(self.n, 32)\n") });
    assert.deepEqual([...method.layers, method.from], ["emb undefined→32", "fc 32→3", "train.py, line 6"]);
  });

  it("is found through sizes that argparse gives, in a main guard", async () => {
    const { layers, from } = await read(
      {
        "net.py": "",
        "src/translator.py": NET,
        "src/data.py": DATA,
        "main.py": `
from argparse import ArgumentParser
from src.data import words
from src.translator import Net

def main(opts):
    model = Net(vocab=len(words(opts.src)), width=opts.width, classes=opts.classes)

if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--src", default="de")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--classes", type=int, required=True)
    main(parser.parse_args())
`,
      },
      "src/translator.py",
    );
    assert.deepEqual([...layers, from], ["emb undefined→64", "fc 64→undefined", "../main.py, line 7"]);
  });

  it("is found one folder up where nothing says that there is a project, in what imports from this folder", async () => {
    writeFiles(folder, {
      "app/src/net.py": NET,
      "app/main.py": "from src.net import Net\nNet(5, 6)\n",
      "app/other.py": "from net import Net\nNet(1, 1)\n",
      "above.py": "from app.src.net import Net\nNet(2, 2)\n",
    });
    const sizes = async () => {
      const options = { packages: [], fresh: true, open: true, memory };
      const opened = await openModelFile(join(folder, "app/src/net.py"), undefined, options);
      assert.ok(!opened.dependencies!.some((file) => /other|above/.test(file)), opened.dependencies!.join());
      return modelNamed(opened, "Net").root.children.map((m) => `${m.path} ${m.inFeatures}→${m.outFeatures}`);
    };
    assert.deepEqual(await sizes(), ["emb 5→6", "fc 6→3"]);
    rmSync(join(folder, "app/main.py"));
    assert.deepEqual(await sizes(), ["emb undefined→undefined", "fc undefined→3"]);
    writeFiles(folder, { "app/src/deep/net.py": NET });
    const deep = await openModelFile(join(folder, "app/src/deep/net.py"), undefined, {
      packages: [],
      fresh: true,
      memory,
    });
    assert.equal(modelNamed(deep, "Net").root.children[0]!.inFeatures, undefined);
  });

  it("in the file itself keeps its known arguments, too", async () => {
    const text = `
class Net(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.fc = nn.Linear(width, vocab)

def main():
    chars = open("input.txt").read()
    model = Net(len(chars), 64)
`;
    const opened = await readTorch(text);
    const [fc] = modelNamed(opened, "Net").root.children;
    assert.deepEqual([fc!.inFeatures, fc!.outFeatures], [64, undefined]);
    assert.ok(
      opened.problems.some(({ message }) => message.startsWith("vocab of Net is unknown: line 12 constructs Net")),
    );
  });
});
