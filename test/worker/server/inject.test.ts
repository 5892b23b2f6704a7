import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "../../../src/worker/server/inject";
import { adapterIn } from "../../../src/worker/server/savedAdapter";

const SOURCE = `
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.fc = nn.Linear(16, 16)
        self.out = nn.Linear(16, 4)
`;

describe("inject", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lora-lens-inject-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const model = () => ({ file: join(folder, "net.py"), text: SOURCE, class: "Net" });

  it("counts as PEFT does and saves the choice", async () => {
    const saveTo = join(folder, "net-lora", "adapter_config.json");
    const layers = ["fc"];
    const summary = await inject({ model: model(), adapter: { r: 2, lora_alpha: 4 }, layers, saveTo });
    // 2 * (16 + 16) in the adapter; 272 + 272 + 68 in the base.
    assert.equal(summary.trainable, 64);
    assert.equal(summary.total, 612 + 64);
    assert.deepEqual(
      summary.targets.map(({ path }) => path),
      ["fc"],
    );
    const fields = JSON.parse(await readFile(saveTo, "utf8"));
    assert.deepEqual(Object.keys(fields), Object.keys(fields).sort());
    assert.deepEqual(fields.auto_mapping, { base_model_class: "Net", parent_library: "net" });
    assert.deepEqual([fields.r, fields.lora_alpha, fields.target_modules], [2, 4, "fc"]);
    assert.deepEqual(await adapterIn(join(folder, "net-lora")), {
      adapter: fields,
      class: "Net",
      trained: false,
    });
  });

  it("keeps fields of an existing file that it does not know", async () => {
    const saveTo = join(folder, "adapter_config.json");
    await writeFile(saveTo, JSON.stringify({ peft_type: "LORA", revision: "abc", r: 64 }));
    await inject({ model: model(), adapter: { r: 2, lora_alpha: 4 }, saveTo });
    const fields = JSON.parse(await readFile(saveTo, "utf8"));
    assert.equal(fields.revision, "abc");
    assert.equal(fields.r, 2);
  });

  it("keeps what is excluded of the chosen layers in the file, and targets the others", async () => {
    const saveTo = join(folder, "adapter_config.json");
    const layers = ["block.fc", "fc"];
    const summary = await inject({ model: model(), adapter: { r: 2 }, layers, exclude: ["block.fc"], saveTo });
    assert.deepEqual(
      summary.targets.map(({ path }) => path),
      ["fc"],
    );
    const { exclude_modules } = JSON.parse(await readFile(saveTo, "utf8"));
    assert.deepEqual(exclude_modules, ["block.fc"]);
  });

  it("refuses a rank of 0 and writes nothing", async () => {
    const saveTo = join(folder, "adapter_config.json");
    await assert.rejects(inject({ model: model(), adapter: { r: 0 }, saveTo }), /rank/);
    await assert.rejects(readFile(saveTo), /ENOENT/);
  });

  it("takes a rank above a layer's smaller side, as PEFT does, with a warning that names the layer", async () => {
    const summary = await inject({ model: model(), adapter: { r: 17 } });
    assert.deepEqual(summary.warnings, [
      "The rank 17 is above the smaller side of block.fc (16 → 16), fc (16 → 16). This works, as in PEFT, but a rank of 16 can express the same change with fewer parameters.",
    ]);
    assert.equal((await inject({ model: model(), adapter: { r: 16 } })).warnings, undefined);
  });

  it("returns null where there is no file", async () => {
    assert.equal(await adapterIn(folder), null);
  });
});
