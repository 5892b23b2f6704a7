import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notebookText } from "../../../../src/worker/readers/notebook/cells";
import { reloadsByItself, writtenBy, writtenText } from "../../../../src/worker/readers/notebook/writtenFiles";
import { openModelFile } from "../../../../src/worker/readers/open";
import { summarize } from "../../../../src/worker/readers/summary";

const IMPORTS = "import torch\nfrom torch import nn\n";
const net = (name: string, hidden: number | string) => `${IMPORTS}
class ${name}(nn.Module):
    def __init__(self, n_in=4):
        super().__init__()
        self.fc = nn.Linear(n_in, ${hidden})

    def forward(self, x):
        return self.fc(x)
`;

describe("a notebook's cell that writes a file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-written-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (...sources: string[]) =>
    openModelFile(
      join(folder, "n.ipynb"),
      notebookText(sources.map((text) => ({ code: true, language: "python", text }))),
    );
  /** "name: kind cell:line, parameters" of each model; the problems. */
  const shown = async (...sources: string[]) => {
    const { models, problems } = summarize(await open(...sources));
    return [
      ...models.map((m) => `${m.class}${m.kind ? `: ${m.kind}` : ""} ${m.place.cell}:${m.place.line} ${m.parameters}`),
      ...problems.map((p) => `${p.place.cell}:${p.place.line} ${p.severity} ${p.message}`),
    ];
  };

  it("is a module that later cells import, and its classes are in it", async () => {
    assert.deepEqual(
      await shown(
        `%%writefile model.py\n${net("Net", 40)}`,
        "!pip install -q peft\n%cd /content\n%load_ext autoreload",
        "%%time\nfrom model import Net\nnet = Net(12)\nnet?",
        "import model as m\nboth = m.nn.Sequential(m.Net(3), m.Net())",
      ),
      ["Net 1:5 520", "net: Net 3:3 520", "both: Sequential 4:2 360"],
    );
  });

  it("may append to another cell's file, in any number of files and folders", async () => {
    assert.deepEqual(
      await shown(
        "%%writefile src/layers.py\nfrom torch import nn\nWIDTH = 6\n",
        "%%writefile --append src/layers.py\ndef linear(n):\n    return nn.Linear(n, WIDTH)\n",
        `%%file "src/nets.py"\nfrom .layers import linear\n${net("Net", 3).replace("nn.Linear(n_in, 3)", "linear(n_in)")}`,
        "from src.nets import Net\nnet = Net(5)",
        "from src import nets\nimport src.layers\nother = nets.nn.Sequential(nets.Net(1), src.layers.linear(2))",
      ),
      ["Net 3:6 36", "net: Net 4:2 36", "other: Sequential 5:3 30"],
    );
  });

  it("is found in its folder, below one that a variable names, and where services begin", async () => {
    for (const path of [
      "/content/model.py",
      "/kaggle/working/model.py",
      "{root}/model.py",
      "$HOME/model.py",
      "./model.py",
      "src/deep/model.py",
    ]) {
      assert.deepEqual(
        await shown(`%%writefile ${path}\n${net("Net", 2)}`, "from model import Net\nnet = Net(1)"),
        ["Net 1:5 4", "net: Net 2:2 4"],
        path,
      );
    }
  });

  it("replaces a file in the folder, but only after the cell that writes it", async () => {
    writeFileSync(join(folder, "model.py"), net("Net", 7));
    const cells = ["from model import Net\nnet = Net(1)", `%%writefile model.py\n${net("Net", 2)}`];
    assert.deepEqual(await shown(...cells.reverse()), ["Net 1:5 4", "net: Net 2:2 4"]);
    assert.deepEqual(await shown(...cells.reverse()), ["net: Net 1:2 14", "Net 2:5 4"]);
  });

  it("is replaced by a later cell, while names already imported stay until a reload", async () => {
    const [first, second] = [2, 3].map((n) => `%%writefile model.py\n${net("Net", n)}`) as [string, string];
    const again = "1:5 information Net is defined again at cell 3, line 5, and that definition is the one shown";
    const make = (name: string) => `from model import Net\n${name} = Net(1)`;
    assert.deepEqual(await shown(first, make("a"), second, make("b")), [
      "a: Net 2:2 4",
      "Net 3:5 6",
      "b: Net 4:2 4",
      again,
    ]);
    const reload = `import importlib, model\nimportlib.reload(model)\n${make("b")}\nc = model.Net(2)`;
    assert.deepEqual(await shown(first, make("a"), second, reload), [
      "a: Net 2:2 4",
      "Net 3:5 6",
      "b: Net 4:4 6",
      "c: Net 4:5 9",
      again,
    ]);
    const auto = `%load_ext autoreload\n%autoreload 2\n${make("a")}`;
    assert.deepEqual(await shown(first, auto, second, make("b")), ["a: Net 2:4 4", "Net 3:5 6", "b: Net 4:2 6", again]);
    assert.deepEqual(await shown(first, second, make("a")), [
      "Net 2:5 6",
      "a: Net 3:2 6",
      "1:1 information model.py is written again in cell 2; that text is the one that is read",
    ]);
  });

  it("is read, too, when it is run as a program, and sizes what it imports", async () => {
    const train = `${IMPORTS}from model import Net
class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.out = nn.Linear(width, 2)
if __name__ == "__main__":
    model = nn.Sequential(Net(9), Head(5))
`;
    assert.deepEqual(
      await shown(
        `%%writefile model.py\n${net("Net", 5).replace("n_in=4", "n_in")}`,
        `%%writefile train.py\n${train}`,
        "!python train.py",
      ),
      ["Net 1:5 50", "Head 2:5 12", "model: Sequential 2:10 62"],
    );
  });

  it("has its problems at its cell's lines, of syntax and of sizes, once", async () => {
    const errors = async (...sources: string[]) =>
      (await shown(...sources)).filter((line) => / error /.test(line)).map((line) => line.slice(0, 29));
    assert.deepEqual(await errors("%%writefile model.py\nx = (1,\n", "x = 1"), ["1:2 error Python syntax error"]);
    const wrong = `%%writefile model.py\n${net("Net", "undefined")}`;
    assert.deepEqual(await errors(wrong, "from model import Net", "net = Net(3)"), ["1:8 error NameError: name 'un"]);
  });

  it("traces to its lines", async () => {
    const opened = await open(`%%writefile model.py\n${net("Net", 2)}`, "from model import Net\nnet = Net(3)");
    const { graph } = opened.models[1]!.trace();
    const { place } = graph.outputs.get("output")!;
    assert.deepEqual([place?.cell, place?.line], [1, 11]);
  });

  it("keeps a module's own names apart from the notebook's", async () => {
    assert.deepEqual(
      await shown(
        IMPORTS,
        `%%writefile a.py\n${net("Net", "WIDTH")}\nWIDTH = 3\n`,
        `WIDTH = 5\n${net("Net", "WIDTH").slice(IMPORTS.length)}`,
        "import a\nboth = nn.Sequential(a.Net(1), Net(1))",
      ),
      ["Net 2:5 6", "Net 3:3 10", "both: Sequential 4:2 16"],
    );
  });

  it("that writes no Python is ignored", async () => {
    assert.deepEqual(
      await shown(
        "%%writefile requirements.txt\ntorch==2.0\n",
        "%%html\n<b>class Fake(nn.Module): pass</b>",
        "%%bash\ncat > x.py",
        "x = 1",
      ),
      [],
    );
  });

  it("is recognized by its magic", () => {
    assert.deepEqual(writtenBy("%%writefile -a a/b.py\nx"), { path: "a/b.py", append: true });
    assert.deepEqual(writtenBy("\n%%file b.py -a"), { path: "b.py", append: true });
    assert.deepEqual(writtenBy("%%writefile '../my model.py'"), { path: "my model.py", append: false });
    for (const other of ["%%writefile", "%%writefile x.txt", "%%time\nx.py", "x = 1\n%%writefile x.py"])
      assert.equal(writtenBy(other), undefined, other);
    assert.equal(writtenText("%%file b.py\nx = 1\n%ls"), "           \nx = 1\n%ls");
    assert.deepEqual([["%autoreload 2"], ["%autoreload 0"], ["x"]].map(reloadsByItself), [true, false, false]);
  });

  it("reports a missing model where no file has its class", async () => {
    const use = "from model import Net\nnet = Net(12)\nprint(sum(p.numel() for p in net.parameters()))";
    assert.deepEqual(await shown(IMPORTS, use), [
      "2:2 information the layers of net are not shown: the import of Net from model was not followed: no file of this project has that name",
    ]);
    assert.deepEqual(await shown("from data import load\nrows = load(12)\nprint(rows.shape)"), []);
    assert.deepEqual(await shown(`def main():\n    ${use.replaceAll("\n", "\n    ")}`), [
      "1:3 information the layers of net are not shown: the import of Net from model was not followed: no file of this project has that name",
    ]);
  });
});
