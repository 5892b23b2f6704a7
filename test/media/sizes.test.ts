import { strict as assert } from "node:assert";
import { PageLab as Lab, type PageLab, photograph } from "./pages";
import { sizesReport } from "./sampleReports";

describe("the page of layer sizes", function () {
  this.timeout(60_000);
  let lab: PageLab;
  before(async () => {
    lab = await Lab.open();
  });
  after(() => lab?.close());

  const opened = (theme: "light" | "dark" | "high-contrast" = "light", width = 1200) =>
    lab.panel({ type: "report", report: sizesReport }, theme, width);

  for (const theme of ["light", "dark", "high-contrast"] as const) {
    for (const width of [480, 1200]) {
      it(`fits into ${width} pixels in the ${theme} theme`, async () => {
        const { page } = await opened(theme, width);
        await page.locator("figure svg text").nth(3).waitFor();
        const wide = await page.evaluate("document.documentElement.scrollWidth");
        await photograph(page, `sizes-${theme}-${width}`);
        assert.ok(Number(wide) <= width, `it is ${wide} pixels wide`);
        await page.close();
      });
    }
  }

  it("has a description and a table for each of its four charts", async () => {
    const { page } = await opened();
    const charts = page.locator("figure.chart");
    assert.equal(await charts.count(), 4);
    for (const chart of await charts.all()) {
      await chart.locator(".chart-area svg").waitFor();
      assert.ok((await chart.locator(".chart-area").getAttribute("aria-label"))!.length > 40);
      assert.ok((await chart.locator("details table tbody tr").count()) >= 4);
    }
    await page.close();
  });

  it("draws every size at every rank, bars with their values, and the break-even rank", async () => {
    const { page } = await opened();
    const chart = (title: string) => page.locator("figure.chart", { hasText: title });
    // A point is a path of its own, in the color of its line, and so is the legend's.
    for (const title of ["Reduction against rank", "Adapter memory against rank"]) {
      await chart(title).locator("svg text").first().waitFor();
      for (const color of ["#3794ff", "#d18616", "#388a34", "#b180d7"])
        assert.equal(await chart(title).locator(`svg path[fill="${color}"]`).count(), 5 + 1, `${title}, ${color}`);
    }
    for (const value of ["48.1×", "76.9×", "373.2×", "0.82×"])
      await chart("Reduction by size").locator("svg text", { hasText: value }).waitFor();
    await chart("Parameters, full against LoRA").locator("svg text", { hasText: "break-even: 384.5" }).waitFor();
    await page.close();
  });

  it("follows the rank, the alpha and the dtype that somebody chooses", async () => {
    const { page } = await opened();
    const fact = (label: string) => page.locator(".fact", { hasText: label });
    await fact("Reduction at rank 8").getByText("0.82× to 373.2×").waitFor();
    const choose = (label: string, text: string) =>
      page.locator(`vscode-dropdown[aria-label="${label}"]`).evaluate((control, value) => {
        Object.assign(control, { value }).dispatchEvent(new Event("change"));
      }, text);
    await choose("Rank", "64");
    await page.locator("figcaption", { hasText: "Reduction by size at rank 64" }).waitFor();
    await page.locator(".fact", { hasText: "Scale" }).getByText("alpha 128 / rank 64").waitFor();
    await page.getByRole("textbox", { name: "Alpha: twice the rank" }).fill("32");
    await page.locator(".fact", { hasText: "Scale" }).getByText("0.5").waitFor();
    await choose("Adapter dtype", "bfloat16");
    await page.locator("figcaption", { hasText: "Adapter memory against rank, bfloat16" }).waitFor();
    // 64 · (768 + 768) scalars of 2 bytes.
    await page
      .locator("figure", { hasText: "Adapter memory" })
      .locator("tbody tr")
      .last()
      .getByText("192 KiB")
      .waitFor({
        state: "attached",
      });
    await page.close();
  });

  it("sorts the table by a column", async () => {
    const { page } = await opened();
    const first = page.locator("table.sizes tbody tr").first();
    await page.locator("table.sizes thead button", { hasText: "Reduction" }).click();
    assert.match((await first.textContent())!, /4096 × 11008/);
    await page.locator("table.sizes thead button", { hasText: "Reduction" }).click();
    assert.match((await first.textContent())!, /16 × 10/);
    await page.close();
  });

  it("asks for other sizes and ranks, and shows the answer in place", async () => {
    const panel = await opened();
    const { page } = panel;
    const last = async () => (await panel.sent()).at(-1);
    await page.getByRole("textbox", { name: "Size, such as 768x3072" }).fill("100");
    await page.getByRole("button", { name: "Add size" }).click();
    await page.getByText('"100" is no size').waitFor();
    await page.getByRole("textbox", { name: "Size, such as 768x3072" }).fill("100 x 200");
    await page.keyboard.press("Enter");
    const asked = await last();
    assert.ok(asked?.type === "compareSizes");
    assert.equal(asked.question.sizes!.length, 5);
    assert.deepEqual(asked.question.sizes![4], { inFeatures: 100, outFeatures: 200 });
    assert.deepEqual(asked.question.ranks, [4, 8, 16, 32, 64]);

    await page.getByRole("button", { name: "Remove rank 64" }).focus();
    await page.keyboard.press("Enter");
    const removed = await last();
    assert.ok(removed?.type === "compareSizes");
    assert.deepEqual(removed.question.ranks, [4, 8, 16, 32]);

    const { rows, ranks } = sizesReport;
    const fewer = { ...sizesReport, rows: rows.filter(({ rank }) => rank < 64), ranks: ranks.slice(0, 4) };
    const before = await page.locator("main").elementHandle();
    await panel.send({ type: "report", report: fewer });
    await page.getByRole("button", { name: "Remove rank 64" }).waitFor({ state: "detached" });
    assert.ok(await before!.evaluate((main) => main.isConnected));
    await page.locator('button[aria-label="Remove rank 32"]:focus').waitFor();

    await page.getByRole("button", { name: "Add the sizes of the open model" }).click();
    const model = await last();
    assert.ok(model?.type === "compareSizes" && model.question.openModel);
    await page.close();
  });

  it("offers to save the table as CSV; a saved page changes no sizes", async () => {
    const panel = await opened();
    await panel.page.getByRole("button", { name: "Save as CSV" }).click();
    assert.deepEqual((await panel.sent()).at(-1), { type: "save", format: "csv" });
    await panel.page.close();
    const page = await lab.standalone(sizesReport);
    await page.locator("figure svg text").nth(3).waitFor();
    assert.equal(await page.getByText("Add size").count(), 0);
    assert.equal(await page.title(), "Layer sizes · LoRA Lens");
    await page.close();
  });
});
