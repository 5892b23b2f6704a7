import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TestWindow } from "../harness";

/** Each command in a window of its own, on the digits example with its lenses up. */
async function onDigits(work: (window: TestWindow) => Promise<void>): Promise<void> {
  const window = await TestWindow.open({ file: "digits/model.py" });
  try {
    await window.lenses("LoRA r=8").first().waitFor();
    await work(window);
  } finally {
    await window.close();
  }
}

/** Accepts what each step of a dialog offers, up to its last. */
async function acceptSteps({ page }: TestWindow, steps: number): Promise<void> {
  for (let step = 1; step <= steps; step++) {
    await page.locator(".quick-input-titlebar", { hasText: `(${step}/${steps})` }).waitFor();
    await page.keyboard.press("Enter");
  }
}

describe("commands in a window", function () {
  this.timeout(240_000);

  it("a layer's lens opens the analysis at that layer", () =>
    onDigits(async (window) => {
      await window
        .lenses(/^LoRA r=8 · [\d,]+ trainable/)
        .first()
        .click();
      await window.panel().locator("h1", { hasText: "Efficiency" }).waitFor();
      await window.panel().locator("tr[aria-current=true]").waitFor();
      await window.panel().locator("figure svg text").first().waitFor();
      await window.screenshot("analyze");
    }));

  it("Analyze Efficiency works from the palette", () =>
    onDigits(async (window) => {
      await window.command("LoRA Lens: Analyze Efficiency");
      await window.panel().locator("table.layers tbody tr").first().waitFor();
    }));

  for (const from of ["lens", "palette"] as const) {
    it(`Verify works from the ${from}`, () =>
      onDigits(async (window) => {
        if (from === "lens")
          await window
            .lenses(/^Verify$/)
            .first()
            .click();
        else await window.command("LoRA Lens: Verify");
        await window
          .panel()
          .locator(".verdict", { hasText: /All \d+ checks passed/ })
          .waitFor();
        await window.screenshot("verify");
      }));
  }

  it("Train shows its progress and can be stopped", () =>
    onDigits(async (window) => {
      await window.command("LoRA Lens: Train…");
      await acceptSteps(window, 6);
      await window.panel().locator("figure svg text").first().waitFor();
      await window.screenshot("training");
      await window.panel().getByRole("button", { name: "Stop" }).click();
      await window.panel().locator(".verdict.stopped").waitFor();
      const folder = await window.panel().locator("main section code").first().textContent();
      const config = JSON.parse(await readFile(join(folder!, "adapter_config.json"), "utf8"));
      assert.equal(config.peft_type, "LORA");
      await window.screenshot("stopped");
    }));
});
