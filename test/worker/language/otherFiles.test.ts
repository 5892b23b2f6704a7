import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { diagnostics } from "../../../src/worker/language/diagnostics";
import { shapesOf } from "../../../src/worker/language/fileShapes";
import { openModelFile } from "../../../src/worker/readers/open";
import { writeFiles } from "../readers/python/reading";

const PARTS = `import torch.nn as nn
class Parts(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.a = nn.Linear(width, inner)
        self.b = nn.Linear(width, inner)
    def forward(self, x):
        return self.b(self.a(x))
`;

describe("a problem in a class of another file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lora-lens-other-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const found = async (name: string, files: Readonly<Record<string, string>>) => {
    writeFiles(folder, files);
    const file = join(folder, name);
    const { problems } = shapesOf(await openModelFile(file));
    return diagnostics({ models: [], problems }, undefined, pathToFileURL(file).href);
  };

  it("is shown at the open file's model, and leads to its line in the other file", async () => {
    const [problem, ...others] = await found("train.py", {
      "parts.py": PARTS,
      "train.py": "import torch\nfrom parts import Parts\n\nmodel = Parts(6, 4)\ny = model(torch.zeros(2, 6))\n",
    });
    assert.equal(others.length, 0);
    assert.equal(problem?.range.start.line, 3);
    assert.match(problem.message, /takes inputs whose last dimension is 6.*\(in parts\.py, line 8\)\.\nWith x/s);
    const [there] = problem.relatedInformation ?? [];
    assert.equal(there?.location.uri, pathToFileURL(join(folder, "parts.py")).href);
    assert.equal(there.location.range.start.line, 7);
  });

  it("is found through classes of two other files, without a call in the open one", async () => {
    const [problem] = await found("train.py", {
      "parts.py": PARTS,
      "whole.py": `import torch.nn as nn
from parts import Parts
class Whole(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.parts = Parts(width, 4)
    def forward(self, x):
        return self.parts(x)
`,
      "train.py": "from whole import Whole\nmodel = Whole(6)\n",
    });
    assert.equal(problem?.range.start.line, 1);
    assert.match(problem.message, /\(in parts\.py, line 8\)\.$/);
    const uris = problem.relatedInformation?.map(({ location }) => location.uri.split("/").at(-1));
    assert.deepEqual(uris, ["parts.py", "whole.py"]);
  });

  it("may be a finding about handwritten LoRA", async () => {
    const [problem] = await found("train.py", {
      "lora.py": `import torch
import torch.nn as nn
class Both(nn.Module):
    def __init__(self, width, r):
        super().__init__()
        self.base = nn.Linear(width, width)
        self.base.requires_grad_(False)
        self.a = nn.Parameter(torch.zeros(width, r))
        self.b = nn.Parameter(torch.zeros(r, width))
    def forward(self, x):
        return self.base(x) + 2.0 * (x @ self.a @ self.b)
`,
      "train.py": "from lora import Both\nmodel = Both(32, 4)\n",
    });
    assert.equal(problem?.range.start.line, 1);
    assert.match(problem.message, /both start at zero.*\nIn lora\.py, line 11\.$/s);
    assert.match(problem.relatedInformation?.[0]?.location.uri ?? "", /lora\.py$/);
  });

  it("is not shown where the class fits, and remarks on the other file are not shown either", async () => {
    const fits = { "parts.py": PARTS.replace("self.b = nn.Linear(width", "self.b = nn.Linear(inner") };
    assert.deepEqual(
      await found("train.py", { ...fits, "train.py": "from parts import Parts\nm = Parts(6, 4)\n" }),
      [],
    );
    const unknown = {
      "parts.py": PARTS.replace("return self.b", "return missing.b").replace("import", "import missing\nimport"),
    };
    assert.deepEqual(
      await found("train.py", { ...unknown, "train.py": "from parts import Parts\nm = Parts(6, 4)\n" }),
      [],
    );
  });
});
