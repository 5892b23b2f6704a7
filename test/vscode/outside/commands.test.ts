import { strict as assert } from "node:assert";
import { access, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

describe("commands in a window, on the digits example", function () {
  this.timeout(180_000);
  let window: TestWindow;

  before(async () => {
    window = await TestWindow.open({ file: "digits/model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.command("View: Close Primary Side Bar");
  });
  afterEach(async function () {
    await window.record(this.currentTest);
    await window.tidy();
  });
  after(() => window.close());

  it("a layer's lens opens the analysis at that layer", async () => {
    await window.clickLens(/^LoRA r=8 · 2,048 trainable/);
    const panel = window.panel();
    await panel.locator("h1", { hasText: "Efficiency" }).waitFor();
    const focused = panel.locator("tr[aria-current=true]");
    await focused.filter({ hasText: "fc2" }).waitFor();
    assert.equal(await focused.count(), 1);
    await panel.locator("figure svg text").first().waitFor();
    await window.screenshot("analyze-lens");
  });

  it("Analyze Efficiency from the palette shows layers, ranks and four charts", async () => {
    await window.command("LoRA Lens: Analyze Efficiency");
    const panel = window.panel();
    await panel.locator("table.layers tbody tr").nth(2).waitFor();
    for (const rank of ["4", "8", "16", "32", "64"])
      await panel
        .locator("tbody th, tbody td", { hasText: new RegExp(`^${rank}\\b`) })
        .first()
        .waitFor();
    const titles = await panel.locator("figure figcaption").allTextContents();
    assert.ok(titles.length >= 4, titles.join("; "));
    await panel.locator("figure svg").nth(3).waitFor();
    await window.screenshot("analyze");
  });

  for (const from of ["lens", "palette"] as const) {
    it(`Verify from the ${from} shows each check with its measured value and bound`, async () => {
      if (from === "lens") await window.clickLens(/^Verify$/);
      else await window.command("LoRA Lens: Verify");
      const panel = window.panel();
      await panel.locator(".verdict", { hasText: /All \d+ checks passed/ }).waitFor();
      const measured = await panel.locator(".check .measured .number").allTextContents();
      assert.ok(measured.length >= 9, `${measured.length} checks`);
      for (const text of measured) assert.match(text, /^\S+ [≤≥] \S+$/);
      await window.screenshot("verify");
    });
  }

  for (const from of ["lens", "palette"] as const) {
    it(`Inject from the ${from} keeps the chosen layers, rank and alpha in adapter_config.json`, async () => {
      const folder = join(window.folder, "digits", "model-lora");
      await rm(folder, { recursive: true, force: true });
      if (from === "lens") await window.clickLens("Inject…");
      else await window.command("LoRA Lens: Inject LoRA…");

      const list = await window.step(1, 5);
      const checked = (path: string) =>
        list.locator(".monaco-list-row", { hasText: path }).locator(".monaco-checkbox.checked");
      await checked("fc1").waitFor();
      await checked("fc2").waitFor();
      assert.equal(await checked("head").count(), 0);
      await list.locator(".monaco-list-row", { hasText: "64 → 128 · 1,536 trainable · line 15" }).waitFor();
      await window.screenshot("inject-layers");
      await list.locator(".monaco-list-row", { hasText: "fc1" }).locator(".monaco-checkbox").click();
      await checked("fc1").waitFor({ state: "detached" });
      await list.locator(".quick-input-title", { hasText: "1 of 3 layers · 2,048 trainable at rank 8" }).waitFor();
      await window.accept();

      await window.step(2, 5);
      await window.answer("0", "The rank must be a whole number, 1 or more");
      await window.answer("1000", "a rank above 128 adds nothing to fc2");
      await window.screenshot("inject-rank-above");
      await window.answer("4", "1,024 trainable");
      await window.screenshot("inject-rank");
      await window.accept();
      await window.step(3, 5);
      await window.answer("12", "Scale 3");
      await window.accept();
      await window.step(4, 5);
      await window.answer("1", "from 0 to below 1");
      await window.answer("0.05", "0 to 0.1 is usual");
      await window.accept();
      const last = await window.step(5, 5);
      await last.locator(".monaco-list-row", { hasText: "1 layer · 1,024 trainable (3.7722 %) · scale 3" }).waitFor();
      await last.locator(".monaco-list-row", { hasText: "Another Folder" }).click();
      await last.locator(".quick-input-message", { hasText: "Folder of the adapter" }).waitFor();
      await window.answer(folder, "Writes");
      await window.accept();
      await last.locator(".monaco-list-row", { hasText: "Write adapter_config.json" }).click();

      // 128 * 4 + 4 * 128 beside the model's 26,122.
      await window.notification(
        /LoRA on 1 layer · original params: 26,122 · trainable params: 1,024 · all params: 27,146 · trainable%: 3\.7722 · r=4, scale 3/,
      );
      await window.screenshot("inject-summary");
      const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
      assert.equal(config.peft_type, "LORA");
      assert.equal(config.r, 4);
      assert.equal(config.lora_alpha, 12);
      assert.equal(config.lora_dropout, 0.05);
      assert.deepEqual(config.target_modules, ["fc2"]);
      await rm(folder, { recursive: true });
    });
  }

  for (const from of ["lens", "palette"] as const) {
    it(`Train from the ${from} shows its progress and can be stopped`, async () => {
      if (from === "lens") await window.clickLens("Train…");
      else await window.command("LoRA Lens: Train…");
      await window.startTraining(100_000);
      const panel = window.panel();
      await panel.locator(".fact", { hasText: "Step" }).filter({ hasText: "of" }).waitFor();
      await panel.locator(".fact", { hasText: "samples/s" }).waitFor();
      await panel.locator(".fact", { hasText: "Time left" }).waitFor();
      await panel.locator("figure svg text").first().waitFor();
      await window.screenshot("training");
      if (from === "lens") await panel.getByRole("button", { name: "Stop" }).click();
      else await window.command("LoRA Lens: Stop Training");
      await panel.locator(".verdict.stopped", { hasText: /Stopped after [\d,]+ steps/ }).waitFor();
      const folder = await panel.locator("main section code").first().textContent();
      const config = JSON.parse(await readFile(join(folder!, "adapter_config.json"), "utf8"));
      assert.equal(config.peft_type, "LORA");
      await access(join(folder!, "adapter_model.safetensors"));
      await window.screenshot("stopped");
    });
  }

  it("Train shows its result and the adapter's folder, and Merge adds the adapter to the weights", async () => {
    await window.command("LoRA Lens: Train…");
    await window.startTraining(20, "rotated.csv", "base.safetensors");
    const panel = window.panel();
    await panel.locator(".verdict", { hasText: "Finished 20 epochs" }).waitFor();
    const accuracy = await panel.locator(".fact", { hasText: "Validation accuracy" }).locator(".value").textContent();
    const [before, after] = accuracy!.split("→").map(Number.parseFloat);
    assert.ok(before! < 30 && after! > 80, `the base guesses and the adapter reads: ${accuracy}`);
    await panel.locator("h2", { hasText: "Adapter saved" }).waitFor();
    await window.screenshot("trained");
    await window.tidy();

    const output = join(window.folder, "digits", "model-merged.safetensors");
    await window.command("LoRA Lens: Merge…");
    await window.acceptSteps(1, 2, 2);
    await window.page.locator(".quick-input-title", { hasText: "Merged weights" }).waitFor();
    await window.acceptFile(output);
    await window.notification(/merged the adapter into 2 layers of DigitClassifier/);
    await window.screenshot("merged");
    assert.ok((await readFile(output)).length > 4 * 26_122);
  });

  it("Stop Training says so when none is running", async () => {
    await window.command("LoRA Lens: Stop Training");
    await window.notification("no training is running in this window");
  });

  it("Show Log opens the output of LoRA Lens", async () => {
    await window.command("LoRA Lens: Show Log");
    const tab = window.page.locator(".part.panel .action-item.checked", { hasText: "Output" });
    await tab.waitFor();
    await window.page
      .locator(".part.panel option:checked", { hasText: /^LoRA Lens$/ })
      .first()
      .waitFor({ state: "attached" });
    await window.page.keyboard.press("Control+J");
    await tab.waitFor({ state: "hidden" });
  });

  it("Restart Worker brings the lenses back", async () => {
    const lens = window.lenses(/^LoRA r=8 · 1,536 trainable/);
    await lens.waitFor();
    await window.command("LoRA Lens: Restart Worker");
    await lens.waitFor();
    await window.command("LoRA Lens: Verify");
    await window
      .panel()
      .locator(".verdict", { hasText: /All \d+ checks passed/ })
      .waitFor();
  });

  it("a job that fails says why on its page, and nowhere else", async () => {
    const source = "import torch.nn as nn\nnet = nn.Sequential(nn.Linear(64, 32), nn.Linear(31, 10))\n";
    await writeFile(join(window.folder, "broken.py"), source);
    await window.openFile("broken.py");
    await window.clickLens(/^Verify$/);
    const page = window.panel().locator("[role=alert]").locator("..");
    await page.filter({ hasText: "mat1 and mat2 shapes cannot be multiplied (2x32 and 31x10)" }).waitFor();
    assert.equal(await window.page.locator(".notification-toast").count(), 0);
    await window.screenshot("failed-job");
  });

  it("without a model it says what is missing", async () => {
    await writeFile(join(window.folder, "plain.py"), "import torch\nprint(torch.ones(2))\n");
    await window.command("View: Close All Editors");
    await window.command("LoRA Lens: Analyze Efficiency");
    await window.notification("no model file is open");
    await window.openFile("plain.py");
    await window.command("LoRA Lens: Verify");
    await window.notification(/no model was found in plain\.py/);
  });
});
