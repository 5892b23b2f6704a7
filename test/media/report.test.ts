import { strict as assert } from "node:assert";
import type { Page } from "playwright-core";
import { JOBS, type JobKind, type ReportOf } from "../../src/protocol/jobRegistry";
import type { PanelState } from "../../src/protocol/panel";
import { PageLab as Lab, type PageLab, photograph, type Theme } from "./pages";
import {
  analyzeReport,
  HOSTILE,
  injection,
  mergeReport,
  summarizeReport,
  trainReport,
  verifyReport,
} from "./sampleReports";

const REPORTS: ReportOf = {
  verify: verifyReport,
  analyze: analyzeReport,
  summarize: summarizeReport,
  train: trainReport,
  merge: mergeReport,
};

const running: PanelState = {
  type: "running",
  title: "Training Digits",
  progress: {
    message: "Epoch 2 of 5",
    fraction: 0.3,
    training: {
      kind: "train-progress",
      step: 600,
      steps: 2000,
      epoch: 2,
      epochs: 5,
      losses: [],
      samplesPerSecond: 9800,
      secondsLeft: 75,
      validation: { epoch: 1, trainLoss: 1.2, validationLoss: 1.1, validationAccuracy: 0.71 },
    },
  },
  losses: trainReport.losses.slice(0, 600),
};

async function noMarkup(page: Page): Promise<void> {
  assert.equal(await page.locator("main img").count(), 0);
  assert.notEqual(await page.title(), "1");
}

describe("report page", function () {
  this.timeout(60_000);
  let lab: PageLab;
  before(async () => {
    lab = await Lab.open();
  });
  after(() => lab?.close());

  for (const theme of ["light", "dark", "high-contrast"] as const satisfies readonly Theme[]) {
    for (const [kind, report] of Object.entries(REPORTS)) {
      it(`shows ${kind} in the ${theme} theme, hostile names as text`, async () => {
        const { page } = await lab.panel({ type: "report", report }, theme);
        await page.locator("main h1", { hasText: JOBS[kind as JobKind].title }).waitFor();
        if (kind === "analyze" || kind === "train") await page.locator("figure svg text").first().waitFor();
        assert.ok((await page.locator("main").textContent())!.includes(HOSTILE));
        await noMarkup(page);
        await photograph(page, `${kind}-${theme}`);
        await page.close();
      });
    }
  }

  it("shows warnings on every page that has an injection, as text", async () => {
    for (const report of [
      verifyReport,
      analyzeReport,
      trainReport,
      { ...mergeReport, warnings: injection.warnings! },
    ]) {
      const { page } = await lab.panel({ type: "report", report });
      const note = await page.locator("main .warnings li").allTextContents();
      const notes = "weights" in report ? report.weights.notes : [];
      assert.deepEqual(note, [...notes, ...injection.warnings!], report.kind);
      await noMarkup(page);
      await page.close();
    }
    const weights = { ...mergeReport.weights, notes: [] };
    const { page } = await lab.panel({ type: "report", report: { ...mergeReport, weights } });
    await page.locator("main h1").waitFor();
    assert.equal(await page.locator(".warnings").count(), 0);
    await page.close();
  });

  it("says which checks failed, with value, bound and unit", async () => {
    const { page } = await lab.panel({ type: "report", report: verifyReport });
    assert.match((await page.locator(".verdict").textContent())!, /1 of 3 checks failed: Merged equals unmerged/);
    assert.match(
      (await page.locator('[data-check="merged"] .measured').textContent())!,
      /3\.1e-4 > 1\.2e-5\s*largest absolute/,
    );
    const why = page.locator('[data-check="identity-at-init"] details');
    await why.locator("summary").focus();
    await page.keyboard.press("Enter");
    assert.ok(await why.getByText("rounding of a sum").isVisible());
    await page.close();
  });

  it("shows how a training was done, and where its result was saved", async () => {
    const panel = await lab.panel({ type: "report", report: trainReport });
    const settings = await panel.page.getByRole("table", { name: "Settings of the training" }).textContent();
    for (const note of ["digits.csv", "1,437 to train, 360 to validate", "AdamW", "constant", "cross-entropy"])
      assert.ok(settings!.includes(note), note);
    const facts = await panel.page.locator("main").textContent();
    for (const note of ["31.2 % → 94.7 %", "4.21 → 0.31", "adapter_model.safetensors", "LoRA"])
      assert.ok(facts!.includes(note), note);
    await panel.page.getByRole("button", { name: "Open" }).click();
    assert.deepEqual((await panel.sent()).at(-1), { type: "openOutput" });
    await panel.page.close();
  });

  it("sorts the layers by a column, both ways", async () => {
    const { page } = await lab.panel({ type: "report", report: analyzeReport });
    const paths = () =>
      page.locator("tr[data-layer]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-layer")));
    const head = page.locator("table.layers thead button", { hasText: "Parameters" });
    await head.click();
    assert.equal((await paths())[0], "feed_forward.0");
    await head.click();
    assert.equal((await paths())[0], "head");
    assert.equal(await page.locator("th[aria-sort=ascending]").count(), 1);
    await page.close();
  });

  it("marks the layer in focus and reveals a layer's line", async () => {
    const panel = await lab.panel({ type: "report", report: analyzeReport });
    assert.equal(await panel.page.locator("tr[aria-current=true]").getAttribute("data-layer"), "feed_forward.0");
    await panel.page.getByRole("button", { name: "attention.key" }).click();
    const reveal = { type: "reveal", file: analyzeReport.injection.file, line: 11 };
    assert.deepEqual((await panel.sent()).at(-1), reveal);
    await panel.page.close();
  });

  it("describes each chart in words and as a table", async () => {
    const { page } = await lab.panel({ type: "report", report: analyzeReport });
    const charts = page.locator("figure.chart");
    assert.equal(await charts.count(), 5);
    for (const chart of await charts.all()) {
      await chart.locator(".chart-area svg").waitFor();
      assert.ok((await chart.locator(".chart-area").getAttribute("aria-label"))!.length > 40);
      assert.ok((await chart.locator("details table tbody tr").count()) > 0);
    }
    await page.close();
  });

  it("shows training under way, updates in place, and stops", async () => {
    const panel = await lab.panel(running);
    const { page } = panel;
    await page.locator("figure svg text").first().waitFor();
    await photograph(page, "running");
    await page.getByRole("button", { name: "Stop" }).focus();
    assert.ok(running.type === "running");
    const training = { ...running.progress.training!, step: 700 };
    await panel.send({
      ...running,
      progress: { ...running.progress, training },
      losses: trainReport.losses.slice(0, 700),
    });
    await page.getByText("700 of 2,000").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("Stopping…").waitFor();
    assert.deepEqual(
      (await panel.sent()).map(({ type }) => type),
      ["ready", "stop"],
    );
    await page.close();
  });

  it("draws 100,000 steps with few points", async () => {
    const losses = Array.from({ length: 100_000 }, (_value, step) => 1 / (1 + step / 1000));
    const { page } = await lab.panel({ ...running, losses } as PanelState);
    await page.locator("figure svg text").first().waitFor();
    const lengths = await page
      .locator("figure svg path")
      .evaluateAll((paths) => paths.map((path) => path.getAttribute("d")!.length));
    assert.ok(Math.max(...lengths) < 40_000);
    await page.close();
  });

  it("shows the message of a failed job unchanged", async () => {
    const { page } = await lab.panel({ type: "failed", title: "Training Digits", message: `no column ${HOSTILE}` });
    assert.equal(await page.locator(".failure").textContent(), `no column ${HOSTILE}`);
    await noMarkup(page);
    await page.close();
  });

  it("fits into 300 pixels", async () => {
    for (const report of Object.values(REPORTS)) {
      const { page } = await lab.panel({ type: "report", report }, "light", 300);
      if (report.kind === "analyze") await page.locator("figure svg text").first().waitFor();
      const wide = await page.evaluate("document.documentElement.scrollWidth");
      await photograph(page, `${report.kind}-narrow`);
      assert.ok(Number(wide) <= 300, `${report.kind} is ${wide} pixels wide`);
      await page.close();
    }
  });

  for (const scheme of ["light", "dark"] as const) {
    it(`is a stand-alone page when saved, ${scheme}`, async () => {
      const hostile = { ...analyzeReport, insights: ["</script><script>document.title='1'</script><!--"] };
      const page = await lab.standalone(hostile, scheme);
      await page.locator("figure svg text").first().waitFor();
      assert.equal(await page.getByText("Save as JSON").count(), 0);
      assert.ok(await page.getByText("</script><script>").isVisible());
      await noMarkup(page);
      await photograph(page, `standalone-${scheme}`);
      await page.close();
    });
  }
});
