import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

describe("code lenses in a window", function () {
  this.timeout(180_000);

  it("stand above the layers of transformer/model.py", async () => {
    const window = await TestWindow.open({ file: "transformer/model.py" });
    try {
      await window
        .lenses(/^LoRA r=8 · 2 layers · 4,096 trainable · 8\.1× fewer · scale 2$/)
        .first()
        .waitFor();
      await window
        .lenses(/^Verify$/)
        .first()
        .waitFor();
      await window.screenshot("lenses-transformer");
    } finally {
      await window.close();
    }
  });

  it("are shown at a network without a class of its own, which is trained by its name", async () => {
    const window = await TestWindow.open({ file: "sequential/train.py" });
    try {
      await window.lenses(/^LoRA r=8 targets 2 of 3 Linear layers · 2,816 trainable/).waitFor();
      // 8 * (64 + 96) and 8 * (96 + 96).
      await window.lenses(/^LoRA r=8 · 1,280 trainable/).waitFor();
      await window.lenses(/^LoRA r=8 · 1,536 trainable/).waitFor();
      await window.command("View: Close Primary Side Bar");
      await window.screenshot("lenses-sequential");
      await window.clickLens("Train…");
      await window.startTraining(2);
      const panel = window.panel();
      await panel.locator(".verdict", { hasText: "Finished 2 epochs" }).waitFor();
      await window.screenshot("trained-sequential");
      const folder = await panel.locator("main section code").first().textContent();
      const config = JSON.parse(await readFile(join(folder!, "adapter_config.json"), "utf8"));
      assert.deepEqual(config.target_modules, ["0", "2"]);
    } finally {
      await window.close();
    }
  });

  it("have the sizes from another file, follow its changes, and lead there", async () => {
    const window = await TestWindow.open({ file: "digits/model.py" });
    try {
      await window.lenses("LoRA r=8").first().waitFor();
      await window.command("View: Close Primary Side Bar");
      const net = `from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
`;
      const run = (width: number) => `from net import Net\n\nmodel = Net(width=${width})\n`;
      await writeFile(join(window.folder, "net.py"), net);
      await window.openFile("net.py");
      await window.lenses(/^LoRA: its 3 Linear layers are of unknown size/).waitFor();
      await window.screenshot("lenses-unknown");
      await writeFile(join(window.folder, "run.py"), run(64));
      // 3 * 8 * (64 + 64).
      await window.lenses(/^LoRA r=8 · 3 layers · 3,072 trainable/).waitFor();
      await window.screenshot("lenses-elsewhere");
      await writeFile(join(window.folder, "run.py"), run(96));
      await window.lenses(/^LoRA r=8 · 3 layers · 4,608 trainable/).waitFor();
      await window.clickLens("sizes from run.py, line 3", window.page.locator(".tab.active", { hasText: "run.py" }));
      await window.page.locator(".statusbar-item", { hasText: "Ln 3, Col 1" }).waitFor();
    } finally {
      await window.close();
    }
  });

  it("have the sizes from a YAML file or a notebook's cell, follow its changes, and lead there", async () => {
    const window = await TestWindow.open({ file: "digits/model.py" });
    try {
      await window.lenses("LoRA r=8").first().waitFor();
      await window.command("View: Close Primary Side Bar");
      const net = (name: string) => `from torch import nn

class ${name}(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
`;
      const sizes = (width: number) => `# widths\nnet:\n  _target_: net.Net\n  width: ${width}\n`;
      await writeFile(join(window.folder, "sizes.yaml"), sizes(64));
      await writeFile(join(window.folder, "net.py"), net("Net"));
      await window.openFile("net.py");
      // 3 * 8 * (64 + 64).
      await window.lenses(/^LoRA r=8 · 3 layers · 3,072 trainable/).waitFor();
      await writeFile(join(window.folder, "sizes.yaml"), sizes(96));
      await window.lenses(/^LoRA r=8 · 3 layers · 4,608 trainable/).waitFor();
      await window.screenshot("lenses-yaml");
      await window.clickLens("sizes from sizes.yaml", window.page.locator(".tab.active", { hasText: "sizes.yaml" }));

      const notebook = (width: number) =>
        JSON.stringify({
          cells: [
            { cell_type: "markdown", metadata: {}, source: "Training" },
            {
              cell_type: "code",
              metadata: {},
              execution_count: null,
              outputs: [],
              source: `from other import Other\nmodel = Other(width=${width})\n`,
            },
          ],
          metadata: {},
          nbformat: 4,
          nbformat_minor: 5,
        });
      await writeFile(join(window.folder, "train.ipynb"), notebook(32));
      await writeFile(join(window.folder, "other.py"), net("Other"));
      await window.openFile("other.py");
      // 3 * 8 * (32 + 32).
      await window.lenses(/^LoRA r=8 · 3 layers · 1,536 trainable/).waitFor();
      await writeFile(join(window.folder, "train.ipynb"), notebook(48));
      await window.lenses(/^LoRA r=8 · 3 layers · 2,304 trainable/).waitFor();
      await window.screenshot("lenses-notebook-caller");
      await window.clickLens(
        "sizes from train.ipynb, cell 2, line 2",
        window.page.locator(".tab.active", { hasText: "train.ipynb" }),
      );
    } finally {
      await window.close();
    }
  });
});
