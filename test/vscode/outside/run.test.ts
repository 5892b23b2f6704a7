import { strict as assert } from "node:assert";
import { TestWindow } from "../harness";

describe("Run Forward in a window, on the digits example", function () {
  this.timeout(240_000);
  let window: TestWindow;

  before(async () => {
    window = await TestWindow.open({ file: "digits/model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.command("View: Close Primary Side Bar");
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  it("compares base and trained adapter on a row of the CSV file, and the hover tells the adapter's norms", async () => {
    await window.command("LoRA Lens: Train…");
    await window.startTraining(20, "rotated.csv", "base.safetensors");
    await window.panel().locator(".verdict", { hasText: "Finished 20 epochs" }).waitFor();
    await window.tidy();

    await window.command("LoRA Lens: Run Forward…");
    const dialog = await window.step(1, 3);
    await dialog.locator(".monaco-list-row.focused", { hasText: "base.safetensors" }).waitFor();
    await window.accept();
    await window.step(2, 3);
    await dialog.locator(".monaco-list-row.focused", { hasText: "model-lora" }).waitFor();
    await window.accept();
    await window.step(3, 3);
    await window.screenshot("run-sample");
    await dialog.locator(".monaco-list-row", { hasText: "rotated.csv" }).click();
    await window.step(1, 2);
    await dialog.locator(".monaco-list-row.focused", { hasText: "label" }).waitFor();
    await window.accept();
    await window.step(2, 2);
    await window.answer("0", "The row must be a whole number, 1 or more");
    await window.answer("3", "counted from 1");
    await window.accept();

    const panel = window.panel();
    await panel.locator(".fact", { hasText: "row 3 of rotated.csv" }).waitFor();
    const difference = await panel.locator(".fact", { hasText: "Largest difference" }).locator(".value").textContent();
    assert.ok(Number(difference) > 0.1, `the adapter changes the output: ${difference}`);
    await panel.locator("figure svg text").first().waitFor();
    await panel.getByText("Values as a table").click();
    assert.equal(await panel.locator("figure.chart details table tbody tr").count(), 10);
    await window.screenshot("run-forward");
    await window.tidy();

    await window.page
      .locator(".view-line", { hasText: "self.fc2" })
      .first()
      .locator("span", { hasText: "Linear" })
      .first()
      .hover();
    const hover = window.page.locator(".monaco-hover:visible", { hasText: "‖ΔW‖/‖W₀‖" });
    await hover.filter({ hasText: /Adapter in model-lora · ‖ΔW‖ [\d.]+ · ‖ΔW‖\/‖W₀‖ [\d.]+ %/ }).waitFor();
    await window.page.waitForFunction(
      `[...document.querySelectorAll(".monaco-hover")].every((one) => getComputedStyle(one).opacity === "1")`,
    );
    await window.screenshot("hover-norms");
  });
});
