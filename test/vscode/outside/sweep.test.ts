import { strict as assert } from "node:assert";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SweepReport } from "../../../src/protocol/reports/sweep";
import { TestWindow } from "../harness";

const THEMES = { light: "Default Light Modern", dark: "Default Dark Modern", "high-contrast": "Default High Contrast" };
const WIDTHS = [480, 1200];

describe("Sweep Ranks… in a window, on the digits example", function () {
  this.timeout(300_000);
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

  /** Pictures of the page in each theme at each width, with the page alone in the window. */
  async function photograph(): Promise<void> {
    if (!process.env.LORA_LENS_SCREENSHOTS) return;
    // The second group has the page.
    await window.page.keyboard.press("Control+2");
    await window.command("View: Close Editors in Other Groups");
    await mkdir(join(window.folder, ".vscode"), { recursive: true });
    for (const [theme, name] of Object.entries(THEMES)) {
      const settings = { "workbench.colorTheme": name };
      await writeFile(join(window.folder, ".vscode/settings.json"), JSON.stringify(settings));
      const kind = theme === "light" ? "vs" : theme === "dark" ? "vs-dark" : "hc-black";
      await window.page.locator(`.monaco-workbench.${kind}`).waitFor();
      for (const width of WIDTHS) {
        // The bar of views beside the page is 48 pixels wide.
        await window.page.setViewportSize({ width: width + 48, height: 1900 });
        await window.panel().locator("figure svg text").first().waitFor();
        await window.screenshot(`sweep-${theme}-${width}`);
      }
    }
  }

  it("asks for what Train asks and the ranks, shows the finished ranks, and compares them at the end", async () => {
    await window.command("LoRA Lens: Sweep Ranks…");
    await (await window.step(1, 6)).locator(".monaco-list-row", { hasText: "rotated.csv" }).click();
    await (await window.step(2, 6)).locator(".monaco-list-row.focused", { hasText: "label" }).waitFor();
    await window.accept();
    await (await window.step(3, 6)).locator(".monaco-list-row", { hasText: "base.safetensors" }).click();
    await window.step(4, 6);
    await window.answer("4, zero", "Give up to 32 whole numbers");
    await window.answer("4, 8, 16, 32, 64", "5 trainings, one after the other");
    await window.screenshot("sweep-ranks");
    await window.accept();
    await window.step(5, 6);
    await window.answer("3, 32, 0.001", "3 epochs in batches of 32");
    await window.accept();
    await window.acceptSteps(6, 6, 6);

    const panel = window.panel();
    await panel.locator(".verdict", { hasText: "Trained 5 ranks" }).waitFor();
    const rows = panel.getByRole("table", { name: "Results by rank" }).locator("tbody tr");
    assert.equal(await rows.count(), 5);
    await panel.locator("figure svg text").first().waitFor();
    const folder = join(window.folder, "digits", "model-sweep");
    const report: SweepReport = JSON.parse(await readFile(join(folder, "sweep.json"), "utf8"));
    for (const { folder: name } of report.runs) await access(join(folder, name, "adapter_model.safetensors"));
    const accuracy = report.runs.map(({ before, after }) => [before.accuracy!, after.accuracy!] as const);
    assert.ok(accuracy.every(([before, after]) => before < 0.2 && after > before));
    assert.ok(accuracy.at(-1)![1] > accuracy[0]![1] + 0.2, "a higher rank learns more in so few steps");
    await photograph();
  });
});
