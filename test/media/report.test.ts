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
  runReport,
  sizesReport,
  summarizeReport,
  sweepReport,
  trainReport,
  verifyReport,
} from "./sampleReports";

const REPORTS: ReportOf = {
  verify: verifyReport,
  analyze: analyzeReport,
  summarize: summarizeReport,
  train: trainReport,
  merge: mergeReport,
  run: runReport,
  sizes: sizesReport,
  sweep: sweepReport,
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
        if (["analyze", "train", "sweep"].includes(kind)) await page.locator("figure svg text").first().waitFor();
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

  for (const theme of ["light", "dark", "high-contrast"] as const satisfies readonly Theme[]) {
    for (const width of [480, 1200]) {
      it(`shows a run of forward in the ${theme} theme at ${width} pixels: values in a chart and a table`, async () => {
        const { page } = await lab.panel({ type: "report", report: runReport }, theme, width);
        await page.locator("figure svg text").first().waitFor();
        const text = (await page.locator("main").textContent())!;
        assert.ok(text.includes("The largest difference is 4.6 at [0, 1], 58.2 % of the base's largest value."));
        assert.ok(text.includes("The highest value is at index 3 without the adapter, and at index 1 with it."));
        const rows = page.locator("figure.chart details table tbody tr");
        assert.equal(await rows.count(), 10);
        assert.deepEqual(await rows.nth(1).locator("th, td").allTextContents(), ["1", "1.5", "6.1", "4.6"]);
        assert.match((await page.locator(".chart-area").getAttribute("aria-label"))!, /1: 1\.5 and 6\.1/);
        const wide = await page.evaluate("document.documentElement.scrollWidth");
        assert.ok(Number(wide) <= width, `${wide} pixels wide`);
        await photograph(page, `run-${theme}-${width}`);
        await page.close();
      });
    }
  }

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

  it("shows a sweep's results by rank, in charts with tables and with the best rank named", async () => {
    const { page } = await lab.panel({ type: "report", report: sweepReport });
    const rows = await page.getByRole("table", { name: "Results by rank" }).locator("tbody th").allTextContents();
    assert.deepEqual(rows, ["4", "8", "16", "32 (best)", "64"]);
    const charts = page.locator("figure.chart");
    assert.deepEqual(await charts.locator("figcaption").allTextContents(), ["Accuracy by rank", "Loss by rank"]);
    for (const chart of await charts.all()) {
      await chart.locator(".chart-area svg").waitFor();
      assert.equal(await chart.locator("details table tbody tr").count(), sweepReport.runs.length);
    }
    // The ranks are powers of two: evenly spaced, with a tick at each.
    const ticks = await charts.first().locator("svg text").allTextContents();
    for (const { rank } of sweepReport.runs) assert.ok(ticks.includes(String(rank)), `${rank} in ${ticks.join(" ")}`);
    const text = (await page.locator("main").textContent())!;
    for (const note of ["32: 83.0 %", "16: 81.3 %", "within one standard error", "the scale is 2 at every rank"])
      assert.ok(text.includes(note), note);
    await page.close();
  });

  it("shows a sweep that was stopped, and one of a loss without accuracy", async () => {
    const runs = sweepReport.runs.slice(0, 1).map((run) => ({
      ...run,
      before: { ...run.before, accuracy: null },
      after: { ...run.after, accuracy: null },
    }));
    const stopped = { ...sweepReport, runs, notRun: [8, 16], stopped: true, best: 4, smallestGood: null };
    const { page } = await lab.panel({ type: "report", report: stopped });
    await page.locator("figure svg text").first().waitFor();
    assert.match((await page.locator(".verdict").textContent())!, /Stopped after 1 rank; not trained: rank 8, 16/);
    assert.deepEqual(await page.locator("figcaption").allTextContents(), ["Loss by rank"]);
    assert.ok(!(await page.locator("main").textContent())!.includes("NaN"));
    await photograph(page, "sweep-stopped");
    await page.close();
  });

  it("shows the finished ranks of a sweep under way", async () => {
    const progress = { message: "Rank 16 (3 of 5): Epoch 1 of 3", fraction: 0.5, sweep: sweepReport.runs.slice(0, 2) };
    const { page } = await lab.panel({ type: "running", title: "Sweep Digits", progress, losses: [] });
    const rows = await page.getByRole("table", { name: "Results by rank" }).locator("tbody th").allTextContents();
    assert.deepEqual(rows, ["4", "8"]);
    await photograph(page, "sweep-running");
    await page.close();
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

  it("draws a line for each group of equal layers, the eight largest of many, and tabulates all", async () => {
    const group = analyzeReport.groups[0]!;
    const groups = Array.from({ length: 11 }, (_, index) => ({ ...group, name: `kind${index}`, full: 1000 + index }));
    const { page } = await lab.panel({ type: "report", report: { ...analyzeReport, groups } });
    const chart = page.locator("figure.chart", { hasText: "Reduction against rank" });
    await chart.locator("svg text", { hasText: "kind10 " }).waitFor();
    assert.equal(await chart.locator("svg text", { hasText: /^kind/ }).count(), 8);
    assert.equal(await chart.locator("tbody tr").count(), 11);
    await chart.getByText("The 8 groups with the most parameters of 11 are drawn").waitFor();
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
      if (report.kind === "analyze" || report.kind === "sweep") await page.locator("figure svg text").first().waitFor();
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
