import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import { notebookReader } from "../../../../../src/worker/readers/notebook/reader";
import { openModelFile } from "../../../../../src/worker/readers/open";
import { layersOf, modelNamed, readTorch, writeFiles } from "../reading";

const memory = new ReaderMemory();

const IMPORTS = "import torch, sys\nfrom torch import nn\n";

describe("names that may exist but cannot be listed", () => {
  const errors = async (code: string): Promise<string[]> =>
    (await readTorch(code)).problems.filter(({ severity }) => severity === "error").map(({ message }) => message);
  const missing = ["NameError: name 'extra' is not defined"];

  it("are unknown, with the line that may define them, and not errors", async () => {
    for (const opener of [
      "exec(open('absent.py').read())",
      "import os\nexec(os.environ['CODE'])",
      "exec(code_of(1), globals())".replace("code_of(1)", "input()"),
      "globals().update(torch.load('names.pt'))",
      "globals()[input()] = 1",
      "locals().update(torch.load('names.pt'))",
      "vars().update(torch.load('names.pt'))",
      "vars()[input()] = 1",
      "import sys\nfor arg in sys.argv[1:]:\n    key, value = arg.split('=')\n    globals()[key] = value",
      "import sys\nif len(sys.argv) > 1:\n    exec(sys.argv[1])",
      "import sys\nsetattr(sys.modules[__name__], input(), 1)",
      "import sys\nsys.modules[__name__].__dict__.update(torch.load('x.pt'))",
      "import builtins\nbuiltins.extra = 3",
      "def load():\n    globals().update(torch.load('names.pt'))\nload()",
      "def load():\n    exec(open('absent.py').read(), globals())",
      "if torch.cuda.is_available():\n    from kernels import *",
      "try:\n    from kernels import *\nexcept ImportError:\n    pass",
      "names = globals()\nnames.update(torch.load('names.pt'))",
      "def fill(names):\n    names[input()] = 1\nfill(globals())",
    ]) {
      assert.deepEqual(await errors(`${opener}\nwidth = extra\nif extra:\n    depth = 1\ndel extra`), [], opener);
      const net = `class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(extra, 3)\n`;
      const opened = await readTorch(`${opener}\n${net}`);
      assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["fc Linear(undefined, 3)"], opener);
      assert.ok(!opened.problems.some(({ severity }) => severity === "error"), opener);
      assert.ok(
        opened.problems.some(({ message }) => /in_features of fc is unknown: it may be/.test(message)),
        `${opener}: ${opened.problems.map(({ message }) => message).join()}`,
      );
    }
  });

  it("say what may define them", async () => {
    const opened = await readTorch(
      "def setup():\n    exec(input())\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(extra, 3)",
    );
    assert.ok(
      opened.problems.some(({ message }) =>
        message.endsWith('is unknown: it may be defined by "exec(input())" at line 5, which is not evaluated'),
      ),
      opened.problems.map(({ message }) => message).join(),
    );
  });

  it("are errors where nothing may define them, or only code that comes later or is known", async () => {
    for (const code of [
      "width = extra",
      "width = extra\nexec(open('absent.py').read())",
      "exec('other = 3')\nwidth = extra",
      "globals()['other'] = 3\nwidth = extra",
      "globals().update(other=3)\nwidth = extra",
      "for name in ('a', 'b'):\n    exec(f'{name} = 1')\nwidth = extra",
      "print(globals()['__name__'], len(globals()), 'extra' in globals())\nwidth = extra",
      "known = {k: v for k, v in globals().items()}\nwidth = extra",
      "names = {}\nexec(open('absent.py').read(), names)\nwidth = extra",
      "def fn(a):\n    b = locals()\n    locals().update(b)\n    return vars()\nwidth = extra",
    ])
      assert.deepEqual(await errors(code), missing, code);
  });

  it("that are stored in globals() are the module's", async () => {
    const linear = async (code: string) =>
      layersOf(modelNamed(await readTorch(`${code}\nm = nn.Sequential(nn.Linear(width, depth))`), "m"));
    const known = ["0 Linear(5, 6)"];
    assert.deepEqual(await linear("globals().update({'width': 5}, depth=6)"), known);
    assert.deepEqual(await linear("for k, v in {'width': 5, 'depth': 6}.items():\n    globals()[k] = v"), known);
    assert.deepEqual(await linear("width = 1\nlocals()['width'] = 5\nvars()['depth'] = 6"), known);
    assert.deepEqual(
      await linear("def setup():\n    globals()['width'] = 5\nsetup()\ndepth = globals().get('none', 6)"),
      known,
    );
    assert.deepEqual(
      await linear("for name, value in [('width', 5), ('depth', 6)]:\n    exec(f'{name} = {value}')"),
      known,
    );
    assert.deepEqual(
      await linear("names = {'base': 4}\nexec('width = base + 1', names)\nwidth, depth = names['width'], 6"),
      known,
    );
    const parsed =
      "import argparse\np = argparse.ArgumentParser()\np.add_argument('--width', default=5)\np.add_argument('--depth', default=6)\nglobals().update(vars(p.parse_args()))";
    assert.deepEqual(await linear(parsed), known);
  });

  it("are unknown in a dict that exec fills with unknown code", async () => {
    assert.deepEqual(await errors("names = {}\nexec(open('absent.py').read(), names)\nwidth = names['width']"), []);
  });

  it("of a notebook are those that a magic may give, too", async () => {
    const cells = (first: string) =>
      JSON.stringify({
        nbformat: 4,
        metadata: {},
        cells: [first, `${IMPORTS}model = nn.Sequential(nn.Linear(extra, 3))\n`].map((source) => ({
          cell_type: "code",
          source,
        })),
      });
    const read = async (first: string) => {
      const { models, problems } = await notebookReader.open("train.ipynb", cells(first));
      return [...models.flatMap(layersOf), ...problems.map(({ message }) => message)];
    };
    for (const magic of ["%run config.py", "  %run -i setup.ipynb", "%pylab inline", "%store -r"])
      assert.deepEqual(await read(magic), ["0 Linear(undefined, 3)"], magic);
    for (const magic of ["%matplotlib inline", "print('%run x')", "!python run.py"])
      assert.deepEqual(await read(magic), missing, magic);
  });

  it("of an object are those that are set under names that are not known", async () => {
    const net = (body: string, use = "self.extra") => `
import json
class Config:
    def __init__(self, path="x.json"):
        self.depth = 4
        ${body}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        config = Config()
        self.fc = nn.Linear(${use}, config.depth)
`;
    for (const body of [
      "self.__dict__.update(json.load(open(path)))",
      "for key, value in json.load(open(path)).items():\n            setattr(self, key, value)",
      "for key, value in json.load(open(path)).items():\n            self.__dict__[key] = value",
      "vars(self).update(json.load(open(path)))",
      "setattr(self, input(), 1)",
    ]) {
      const opened = await readTorch(net(body, "config.extra"));
      assert.deepEqual(layersOf(modelNamed(opened, "Net")), ["fc Linear(undefined, 4)"], body);
      assert.deepEqual(await errors(net(body, "config.extra")), [], body);
    }
    assert.deepEqual(await errors(net("setattr(self, 'other', 1)", "config.extra")), [
      "AttributeError: 'Config' object has no attribute 'extra'",
    ]);
  });

  describe("after exec of files", () => {
    let folder: string;
    beforeEach(() => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), "lora-lens-exec-")));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    const read = async (files: Record<string, string>, file = "train.py", name = "model") => {
      writeFiles(folder, files);
      const opened = await openModelFile(join(folder, file), undefined, {
        packages: [],
        fresh: true,
        open: true,
        memory,
      });
      return {
        opened,
        layers: layersOf(modelNamed(opened, name)),
        errors: opened.problems.filter(({ severity }) => severity === "error").map(({ message }) => message),
        notes: opened.problems.map(({ message }) => message),
      };
    };
    const TRAIN = `${IMPORTS}width = 3\ndepth = 4\nexec(open("config.py").read())\nmodel = nn.Sequential(nn.Linear(width, depth))\n`;

    it("have the values that the file gives", async () => {
      const { opened, layers, notes } = await read({ "train.py": TRAIN, "config.py": "depth = width * 10\n" });
      assert.deepEqual(layers, ["0 Linear(3, 30)"]);
      assert.deepEqual(notes, []);
      assert.deepEqual(opened.dependencies, [join(folder, "config.py")]);
      for (const call of [
        'exec(compile(open("config.py").read(), "config.py", "exec"))',
        'exec(open("config.py").read(), globals())',
        'from pathlib import Path\nexec(Path("config.py").read_text())',
        'import os\nname = "config"\nexec(open(os.path.join(".", f"{name}.py"), "r").read())',
      ]) {
        const text = TRAIN.replace('exec(open("config.py").read())', call);
        assert.deepEqual((await read({ "train.py": text })).layers, ["0 Linear(3, 30)"], call);
      }
    });

    it("keep their values where it may change any name, and this is reported", async () => {
      const configurator = `import sys
from ast import literal_eval
for arg in sys.argv[1:]:
    if '=' not in arg:
        exec(open(arg).read())
    else:
        key, val = arg.split('=')
        if key in globals():
            globals()[key] = literal_eval(val)
        else:
            raise ValueError(key)
`;
      const text = `${TRAIN}if use_lora:\n    model.requires_grad_(False)\n`;
      const { layers, errors, notes } = await read({ "train.py": text, "config.py": configurator });
      assert.deepEqual(layers, ["0 Linear(3, 4)"]);
      assert.deepEqual(errors, []);
      assert.deepEqual(notes, [
        'config.py may define or change unknown names: any may be defined by "exec(open(arg).read())" at line 5, which is not evaluated',
      ]);
    });

    it("are errors where the file is known and does not define them", async () => {
      const { errors } = await read({ "train.py": `${TRAIN}print(extra)\n`, "config.py": "depth = 5\n" });
      assert.deepEqual(errors, ["NameError: name 'extra' is not defined"]);
    });

    it("are open where the file fails, is absent, outside of the project, or executes itself", async () => {
      const use = `${TRAIN}print(extra)\n`;
      writeFiles(folder, { "outside.py": "depth = 9\n" });
      for (const files of [
        { "p/config.py": "depth = 5\nraise ValueError('no')\n" },
        { "p/config.py": "depth = 5\nexec(open('config.py').read())\n" },
        { "p/config.py": "depth = 5\nexec(open('none.py').read())\n" },
      ]) {
        const { layers, errors } = await read({ "p/train.py": use, ...files }, "p/train.py");
        assert.deepEqual([layers, errors], [["0 Linear(3, 5)"], []]);
      }
      for (const path of ["../outside.py", "/etc/passwd", "none.py"]) {
        const text = use.replace("config.py", path);
        const { layers, errors, notes } = await read({ "p/train.py": text }, "p/train.py");
        assert.deepEqual([layers, errors], [["0 Linear(3, 4)"], []]);
        assert.ok(
          notes.some((note) => note.includes(`${path} is not a file of the project`)),
          notes.join(),
        );
      }
    });

    it("are found from the project's folder, and in a main guard", async () => {
      const guarded = `${IMPORTS}width = 3
if __name__ == "__main__":
    depth = 4
    exec(open("config.py").read())
    model = nn.Sequential(nn.Linear(width, depth))
`;
      const files = { "pyproject.toml": "", "config.py": "depth = 7\n", "scripts/train.py": guarded };
      assert.deepEqual((await read(files, "scripts/train.py")).layers, ["0 Linear(3, 7)"]);
    });

    it("give another file's class its sizes", async () => {
      const net = `${IMPORTS}class Net(nn.Module):\n    def __init__(self, width, depth):\n        super().__init__()\n        self.fc = nn.Linear(width, depth)\n`;
      const train = 'from net import Net\nwidth = 3\nexec(open("config.py").read())\nmodel = Net(width, depth)\n';
      const files = { "net.py": net, "train.py": train, "config.py": "width = 5\ndepth = 7\n" };
      assert.deepEqual((await read(files, "net.py", "Net")).layers, ["fc Linear(5, 7)"]);
      const open = await read({ ...files, "config.py": "import sys\nexec(sys.argv[1])\n" }, "net.py", "Net");
      assert.deepEqual(open.layers, ["fc Linear(3, undefined)"]);
      assert.ok(
        open.notes.some((note) => note.startsWith("depth of Net is unknown: train.py, line 4")),
        open.notes.join(),
      );
    });

    it("are open in what imports them from such a module", async () => {
      const files = {
        "settings.py": "exec(open('absent.py').read())\nwidth = 3\n",
        "star.py": "from settings import *\n",
      };
      for (const start of [
        "from settings import *",
        "from star import *",
        "from settings import width, extra",
        "try:\n    from settings import extra\nexcept ImportError:\n    extra = None",
        "import settings\nextra = settings.extra",
      ]) {
        const text = `${IMPORTS}${start}\nmodel = nn.Sequential(nn.Linear(extra * 2, 3))\n`;
        const { layers, errors } = await read({ ...files, "train.py": text });
        assert.deepEqual([layers, errors], [["0 Linear(undefined, 3)"], []], start);
      }
      const circle = { "a.py": "from b import *\nx = 1\n", "b.py": "from a import *\ny = 2\n" };
      const text = `${IMPORTS}from a import *\nmodel = nn.Sequential(nn.Linear(x, y))\nprint(extra)\n`;
      const { layers, errors } = await read({ ...circle, "train.py": text });
      assert.deepEqual([layers, errors], [["0 Linear(1, 2)"], ["NameError: name 'extra' is not defined"]]);
    });

    it("may be of folders that the code adds to sys.path", async () => {
      const text = (start: string) =>
        `import sys\n${start}\n${IMPORTS}try:\n    from far import width\nexcept ImportError:\n    width = 3\nmodel = nn.Sequential(nn.Linear(width, 4))\n`;
      const open = async (start: string) => {
        writeFiles(folder, { "train.py": text(start) });
        const packages = [join(folder, "packages")];
        return layersOf(
          modelNamed(await openModelFile(join(folder, "train.py"), undefined, { packages, memory }), "model"),
        );
      };
      assert.deepEqual(await open(""), ["0 Linear(3, 4)"]);
      assert.deepEqual(await open("sys.path.append('/opt/far')"), ["0 Linear(undefined, 4)"]);
    });
  });
});
