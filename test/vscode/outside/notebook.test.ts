import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

describe("a notebook in a window", function () {
  this.timeout(180_000);
  let window: TestWindow;

  before(async () => {
    // Until extensions are there, among them VS Code's own for notebooks, an .ipynb file opens as text.
    window = await TestWindow.open({ file: "digits/model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.page.keyboard.press("Control+P");
    const input = window.page.locator(".quick-input-widget input[type=text]").first();
    await input.fill(join(window.folder, "course", "lora.ipynb"));
    await window.page.locator(".quick-input-list .monaco-list-row", { hasText: "lora.ipynb" }).first().click();
    await window.page.locator(".notebookOverlay").first().waitFor();
    await window.command("View: Close Primary Side Bar");
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  it("shows lenses in its cells, each in its own", async () => {
    const cell = window.page.locator(".notebookOverlay .cell-editor-container", { hasText: "class DigitClassifier" });
    const lenses = cell.locator(".codelens-decoration a, .codelens-decoration span");
    await lenses.filter({ hasText: /^LoRA r=8 targets 2 of 3 Linear layers/ }).waitFor();
    // 8 * (64 + 128) and 8 * (128 + 128).
    await lenses.filter({ hasText: /^LoRA r=8 · 1,536 trainable/ }).waitFor();
    await lenses.filter({ hasText: /^LoRA r=8 · 2,048 trainable/ }).waitFor();
  });

  it("shows the shapes of its assignments in its cells", async () => {
    // High enough for the whole cell.
    await window.page.setViewportSize({ width: 1280, height: 1150 });
    await window.page
      .locator(".notebookOverlay .monaco-list-row", { hasText: "class DigitClassifier" })
      .first()
      .click();
    const cell = window.page.locator(".notebookOverlay .cell-editor-container", { hasText: "class DigitClassifier" });
    await cell.getByText("[B, 128]").nth(1).waitFor();
    await window.screenshot("notebook");
    await window.page.setViewportSize({ width: 1280, height: 860 });
  });

  it("a lens opens the analysis of the notebook's class", async () => {
    await window.clickLens(/^LoRA r=8 · 2,048 trainable/);
    const panel = window.panel();
    await panel.locator("tr[aria-current=true]").filter({ hasText: "fc2" }).waitFor();
    await window.screenshot("notebook-analyze");
  });

  it("commands from the palette use the active notebook with its unsaved text", async () => {
    await window.tidy();
    await window.page
      .locator(".notebookOverlay .monaco-list-row", { hasText: "class DigitClassifier" })
      .first()
      .click();
    await window.command("LoRA Lens: Verify");
    const row = window.page.locator(".quick-input-list .monaco-list-row");
    await row.filter({ hasText: "cell 4, line 1" }).first().click();
    await window
      .panel()
      .locator(".verdict", { hasText: /All \d+ checks passed/ })
      .waitFor();
    await window.screenshot("notebook-verify");
  });

  it("its class is trained from the open cells, and the adapter is saved next to the notebook", async () => {
    await window.tidy();
    await window.clickLens("Train…");
    await window.startTraining(2);
    const panel = window.panel();
    await panel.locator(".verdict", { hasText: "Finished 2 epochs" }).waitFor();
    const folder = await panel.locator("main section code").first().textContent();
    assert.equal(folder, join(window.folder, "course", "lora-lora"));
    const config = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
    assert.deepEqual(config.target_modules, ["fc1", "fc2"]);
    await window.screenshot("notebook-trained");
  });
});
