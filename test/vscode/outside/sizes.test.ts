import { strict as assert } from "node:assert";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

const THEMES = [
  ["light", "Default Light Modern"],
  ["dark", "Default Dark Modern"],
  ["high-contrast", "Default High Contrast"],
] as const;

describe("the comparison of layer sizes in a window", function () {
  this.timeout(300_000);
  let window: TestWindow;

  before(async () => {
    // A window without a file is as it is once its file is closed; the lens says that the extension is there.
    window = await TestWindow.open({ file: "digits/model.py" });
    await window.lenses("LoRA r=8").first().waitFor();
    await window.command("View: Close Primary Side Bar");
    await window.command("View: Close All Editors");
    await window.page.locator(".tab").first().waitFor({ state: "detached" });
  });
  afterEach(async function () {
    await window.record(this.currentTest);
  });
  after(() => window.close());

  it("needs no model, follows its controls, and takes other sizes and those of the model that is open", async () => {
    await window.command("LoRA Lens: Compare Layer Sizes");
    const panel = window.panel();
    const rows = panel.locator("table.sizes tbody tr");
    await rows.nth(24).waitFor();
    assert.equal(await rows.count(), 25);
    await panel.locator("figure svg text").nth(3).waitFor();

    await panel.locator('vscode-dropdown[aria-label="Rank"]').click();
    await panel.locator('vscode-dropdown[aria-label="Rank"] vscode-option', { hasText: "16" }).click();
    await panel.locator("figcaption", { hasText: "Reduction by size at rank 16" }).waitFor();

    await panel.getByRole("textbox", { name: "Size, such as 768x3072" }).fill("100x200");
    await panel.getByRole("button", { name: "Add size" }).click();
    await rows.nth(29).waitFor();
    await panel.getByRole("button", { name: "Remove rank 64" }).click();
    await rows.nth(24).waitFor({ state: "detached" });
    assert.equal(await rows.count(), 24);

    await window.openFile("digits/model.py");
    await window.page.locator(".tab", { hasText: "Compare Layer Sizes" }).click();
    await panel.getByRole("button", { name: "Add the sizes of the open model" }).click();
    await rows.filter({ hasText: "DigitClassifier fc1" }).nth(3).waitFor();
    assert.equal(await rows.count(), 36);
    await window.screenshot("sizes-window");
  });

  it("fits into 480 and 1,200 pixels in each theme", async () => {
    const panel = window.panel();
    await mkdir(join(window.folder, ".vscode"), { recursive: true });
    for (const [theme, name] of THEMES) {
      const settings = { "workbench.colorTheme": name, "workbench.activityBar.location": "hidden" };
      await writeFile(join(window.folder, ".vscode", "settings.json"), JSON.stringify(settings));
      await panel.locator(`body.vscode-${theme}`).waitFor();
      for (const width of [480, 1200]) {
        await window.page.setViewportSize({ width, height: 2400 });
        await panel.locator("figure svg text").nth(3).waitFor();
        const tooWide = await panel.locator("html").evaluate((html) => html.scrollWidth - html.clientWidth);
        assert.ok(tooWide <= 0, `${tooWide} pixels too wide at ${width} in ${theme}`);
        await window.screenshot(`sizes-window-${theme}-${width}`);
      }
    }
  });
});
