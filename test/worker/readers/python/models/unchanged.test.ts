import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ReaderMemory } from "../../../../../src/worker/readers/memory";
import type { Model } from "../../../../../src/worker/readers/model";
import { KeptModel } from "../../../../../src/worker/readers/python/models/unchanged";
import { pythonReader } from "../../../../../src/worker/readers/python/reader";
import { summarize } from "../../../../../src/worker/readers/summary";

const memory = new ReaderMemory();

const IMPORTS = "import torch\nfrom torch import nn\n";
const WIDTH = "WIDTH = 8\n";
const part = (name: string, width: string) =>
  `class ${name}(nn.Module):\n    def __init__(self, d=${width}):\n        super().__init__()\n        self.fc = nn.Linear(d, 2 * d)\n\n    def forward(self, x):\n        return self.fc(x)\n`;
const whole = (name: string, of: string) =>
  `class ${name}(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.part = ${of}(WIDTH)\n        self.head = nn.Linear(16, missing)\n\n    def forward(self, x):\n        return self.head(self.part(x))\n`;
const configured =
  "class Config:\n    hidden = 32\n\nclass Configured(nn.Module):\n    def __init__(self, config):\n        super().__init__()\n        self.fc = nn.Linear(config.hidden, config.hidden)\n\nSMALL = Config()\n";
const PIECES = [
  IMPORTS,
  WIDTH,
  part("A", "4"),
  whole("AWhole", "A"),
  part("B", "5"),
  whole("BWhole", "B"),
  configured,
  part("Alone", "6"),
];

const open = (file: string, text: string) => pythonReader.open(file, text, { open: true, memory });
const inFeatures = (models: readonly Model[]) =>
  Object.fromEntries(models.map((m) => [m.className, m.root.children[0]?.inFeatures]));

describe("an open file, read after a keystroke", function () {
  // Some thousand readings.
  this.timeout(120_000);

  it("builds the models that an edit affects again, and keeps the rest", async () => {
    const file = "/kept.py";
    const before = await open(file, PIECES.join("\n"));
    const after = await open(file, PIECES.join("\n").replace("d=5):", "d=7):\n        # a line more"));
    assert.equal(inFeatures(after.models).B, 7);
    const kept = after.models.filter((m) => m instanceof KeptModel).map((m) => m.className);
    assert.deepEqual(
      kept,
      ["Alone"],
      "a name that A and B both use ties them together; Configured may come from anywhere",
    );
    const [old, now] = [before, after].map(({ models }) => models.find((m) => m.className === "Alone")!);
    assert.equal(now!.place.line, old!.place.line + 1);
    assert.equal(now!.root.children[0]!.place.line, old!.root.children[0]!.place.line + 1);
  });

  it("gives a kept model the parameters, values and graph of a new one", async () => {
    const file = "/lazy.py";
    await open(file, PIECES.join("\n"));
    const text = PIECES.join("\n").replace("d=5", "d=7");
    const kept = (await open(file, text)).models.find((m) => m.className === "Alone")!;
    const fresh = (await pythonReader.open(file, text)).models.find((m) => m.className === "Alone")!;
    assert.ok(kept instanceof KeptModel);
    assert.deepEqual(kept.stateDict, fresh.stateDict);
    assert.deepEqual(kept.initialize(0), fresh.initialize(0));
    assert.deepEqual(kept.shapes!().hints, fresh.shapes!().hints);
    assert.deepEqual(kept.trace().inputs, fresh.trace().inputs);
  });

  it("gives after any edits the same as reading its text alone", async () => {
    const lines = PIECES.join("\n").split("\n");
    const edit = fc.record({
      at: fc.nat(lines.length - 1),
      remove: fc.nat(2),
      insert: fc.array(
        fc.constantFrom(
          "",
          "WIDTH = 3",
          "B = A",
          "class B(A): pass",
          "nn.Linear = nn.Conv1d",
          "        self.fc = nn.Linear(d, 3)",
          "model = A(9)",
          "net = nn.Sequential(A(4), nn.Linear(8, 2))",
          "net = B()",
          "net.fc = nn.Linear(3, 3)",
          "def make(): return nn.Sequential(A(6))",
          "def build(): return B(11)",
          "Alone(12)",
          "SMALL = Config()",
          "Config.hidden = 64",
          "import torch.nn as A",
          "globals()['A'] = B",
          "x = (",
        ),
        { maxLength: 2 },
      ),
    });
    let count = 0;
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 5 }), async (edits) => {
        const now = [...lines];
        const file = `/random${count++}.py`;
        await open(file, now.join("\n"));
        for (const { at, remove, insert } of edits) {
          now.splice(at, remove, ...insert);
          const text = now.join("\n");
          const opened = await open(file, text);
          kept += opened.models.filter((m) => m instanceof KeptModel).length;
          assert.deepEqual(summarize(opened), summarize(await pythonReader.open(file, text)));
        }
      }),
      { numRuns: 150, seed: 1 },
    );
    assert.ok(kept > 100, `only ${kept} models were kept: the property says little`);
  });

  it("reads everything again when an imported file has changed, or when it is told to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lora-lens-test-"));
    try {
      const file = join(folder, "model.py");
      const text = `from sizes import WIDTH\n${IMPORTS}${part("A", "WIDTH")}\n${part("B", "5")}`;
      writeFileSync(join(folder, "sizes.py"), "WIDTH = 8\n");
      assert.equal(inFeatures((await open(file, text)).models).A, 8);
      writeFileSync(join(folder, "sizes.py"), "WIDTH = 16\n\n");
      assert.equal(inFeatures((await open(file, text.replace("d=5", "d=7"))).models).A, 16);
      const fresh = await pythonReader.open(file, text, { open: true, fresh: true, memory });
      assert.ok(!fresh.models.some((m) => m instanceof KeptModel));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
