import { strict as assert } from "node:assert";
import { TestWindow } from "../harness";

describe("Summarize in a window, on the digits example", function () {
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

  it("draws the forward pass of a chosen layer, and leads from the picture to the layer's line", async () => {
    await window.command("LoRA Lens: Summarize");
    const panel = window.panel();
    await panel.locator("h1", { hasText: "Summary" }).waitFor();
    const picture = panel.locator("svg.flow");
    await picture.getByText("128 × 64").waitFor();
    await panel.locator("figure svg text").first().waitFor();
    await window.screenshot("summarize");
    await picture.scrollIntoViewIfNeeded();
    await window.screenshot("summarize-flow");
    await picture.click();
    const line = window.page.locator(".statusbar-item", { hasText: /Ln 15,/ });
    await line.waitFor();
    assert.ok((await picture.getAttribute("aria-label"))!.includes("B starts as zeros."));
  });
});
