import { strict as assert } from "node:assert";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PATIENCE, TestWindow } from "../harness";

describe("a Keras model in a window", function () {
  this.timeout(6 * PATIENCE);
  let window: TestWindow;

  before(async () => {
    window = await TestWindow.open({ file: "keras/model.json" });
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  it("has lenses above the layers of keras/model.json", async () => {
    await window
      .lenses(/^LoRA r=8 · 1,280 trainable · 4\.9× fewer · scale 2$/)
      .first()
      .waitFor();
    await window.command("View: Close Primary Side Bar");
    await window.screenshot("lenses-keras");
  });

  it("is verified with the weights that its JSON names", async () => {
    await window.clickLens(/^Verify$/);
    const panel = window.panel();
    await panel.locator(".verdict", { hasText: /All \d+ checks passed/ }).waitFor();
    await window.screenshot("verify-keras");
    await window.tidy();
  });

  it("is trained, and merged into a TensorFlow.js layers model", async () => {
    await window.clickLens("Train…");
    await window.startTraining(2, "digits.csv", "The weights that the model's JSON names");
    await window.panel().locator(".verdict", { hasText: "Finished 2 epochs" }).waitFor();
    await window.screenshot("trained-keras");
    await window.tidy();

    await window.command("LoRA Lens: Merge…");
    await window.acceptSteps(1, 2, 3);
    await (await window.step(3, 3)).locator(".monaco-list-row.focused", { hasText: "TensorFlow.js" }).waitFor();
    await window.screenshot("merge-keras");
    await window.accept();
    await window.step(1, 1);
    const folder = join(window.folder, "keras", "adapted");
    await window.answer(join(window.folder, "keras"), "There is a model.json already");
    await window.answer(folder, "Writes");
    await window.accept();
    await window.notification(/merged the adapter into 2 layers of digits and wrote .*adapted\/model\.json/);
    const exported = JSON.parse(await readFile(join(folder, "model.json"), "utf8"));
    assert.equal(exported.format, "layers-model");
    for (const path of exported.weightsManifest.flatMap((group: { paths: string[] }) => group.paths))
      await access(join(folder, path));
  });
});
