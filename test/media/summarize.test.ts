import { strict as assert } from "node:assert";
import type { SummarizeReport } from "../../src/protocol/reports/summary";
import { PageLab as Lab, type PageLab, photograph, type Theme } from "./pages";
import { HOSTILE, summarizeReport, sweepReport } from "./sampleReports";

describe("page of the summary", function () {
  this.timeout(60_000);
  let lab: PageLab;
  before(async () => {
    lab = await Lab.open();
  });
  after(() => lab?.close());

  const panelOf = (report: SummarizeReport, theme?: Theme, width?: number) =>
    lab.panel({ type: "report", report }, theme, width);

  it("draws the forward pass of the chosen layers, with shapes, counts and beginnings, and says it in words", async () => {
    const { page } = await panelOf(summarizeReport);
    const picture = page.locator("svg.flow");
    const texts = () => picture.locator("text").allTextContents();
    // The first group: 1024 → 256 at rank 8.
    for (const text of [
      "256 × 1,024",
      "8 × 1,024",
      "8,192 parameters",
      "256 × 8",
      "starts as zeros",
      "× α/r = 16/8 = 2",
    ]) {
      assert.ok((await texts()).includes(text), text);
    }
    await page.getByLabel("Layers whose forward pass is shown").click();
    await page.getByRole("option", { name: "attention.query × 12 (256 → 256)" }).click();
    assert.ok((await texts()).includes("65,792 parameters"));
    const words = (await picture.getAttribute("aria-label"))!;
    assert.match(words, /W₀ \(256 × 256\) and its bias, 65,792 parameters, which are not trained/);
    assert.match(words, /Then B \(256 × 8\), 2,048 trained parameters\. B starts as zeros\./);
    assert.match((await page.locator(".flow-figure figcaption").textContent())!, /and 11 equal layers/);
    await page.close();
  });

  it("leads from the picture and from a sentence to the layer's line, and to the section with the numbers", async () => {
    const panel = await panelOf(summarizeReport);
    const { page } = panel;
    const { file } = summarizeReport.injection;
    await page.locator("svg.flow").click();
    assert.deepEqual((await panel.sent()).at(-1), { type: "reveal", file, line: 13 });
    await page.locator(".insights").getByRole("button", { name: HOSTILE }).click();
    assert.equal((await panel.sent()).length, 3);
    await page.locator(".insights").getByRole("button", { name: "Kinds of layer" }).focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("h2:focus").textContent(), "Kinds of layer");
    await page.close();
  });

  it("says which command measures quality without a sweep, and draws the sweep where there is one", async () => {
    const empty = await panelOf(summarizeReport);
    const quality = (await empty.page.locator("#quality").textContent())!;
    assert.match(quality, /lora-lens sweep model\.py --data CSV --label COLUMN --out DIR/);
    assert.ok(quality.includes(HOSTILE), "a sweep that could not be read is named");
    await empty.page.close();
    const { page } = await panelOf({ ...summarizeReport, sweep: sweepReport });
    await page.locator("#quality figure svg text").first().waitFor();
    assert.doesNotMatch((await page.locator("#quality").textContent())!, /lora-lens sweep/);
    await page.close();
  });

  for (const theme of ["light", "dark", "high-contrast"] as const) {
    for (const width of [480, 1200]) {
      it(`fits into ${width} pixels in the ${theme} theme`, async () => {
        const { page } = await panelOf({ ...summarizeReport, sweep: sweepReport }, theme, width);
        await page.locator("#quality figure svg text").first().waitFor();
        assert.ok(Number(await page.evaluate("document.documentElement.scrollWidth")) <= width);
        // No text of the picture leaves its box.
        const outside = await page.locator("svg.flow g").evaluateAll((groups) =>
          groups.flatMap((group) => {
            const box = group.querySelector("rect")!.getBoundingClientRect();
            return [...group.querySelectorAll("text")].filter((text) => {
              const { left, right } = text.getBoundingClientRect();
              return left < box.left || right > box.right;
            });
          }),
        );
        assert.equal(outside.length, 0);
        await photograph(page, `summary-${theme}-${width}`);
        await page.close();
      });
    }
  }
});
