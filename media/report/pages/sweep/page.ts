import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { SweepReport } from "../../../../src/protocol/reports/sweep";
import { chart } from "../../charts";
import { button } from "../../controls";
import { element, facts, section, table, verdict } from "../../dom";
import { bytes, count, decimal, duration, share } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { warningList } from "../../warnings";
import { qualityCharts, runsTable, shareText } from "./runs";

export function sweepPage(report: SweepReport, host: Host): Page {
  const { runs, samples, output } = report;
  const charts = qualityCharts(runs, report.lossLabel).map(chart);
  const ranks = `${count(runs.length)} ${runs.length === 1 ? "rank" : "ranks"}`;
  const done = report.stopped
    ? `Stopped after ${ranks}; not trained: rank ${report.notRun.join(", ")}`
    : `Trained ${ranks} in ${duration(report.seconds)}`;
  const page = element(
    "main",
    {},
    header(JOBS.sweep.title, report, host),
    warningList([...report.weights.notes, ...report.warnings]),
    report.stopped ? element("p", { class: "verdict stopped", role: "status" }, "■ ", done) : verdict(true, done),
    facts(rankFacts(report)),
    report.insights.length > 0 &&
      section(
        "What stands out",
        element("ul", { class: "insights" }, ...report.insights.map((text) => element("li", {}, text))),
      ),
    section("Quality by rank", element("div", { class: "charts" }, ...charts.map((made) => made.element))),
    section("Ranks", runsTable(runs, report.best), element("p", { class: "hint" }, report.alphaNote)),
    section(
      "Adapters saved",
      element("p", {}, element("code", {}, output.folder)),
      element(
        "ul",
        { class: "files" },
        ...runs.map(({ rank, folder, adapterBytes }) =>
          element("li", {}, element("code", {}, folder), `: rank ${rank}, ${bytes(adapterBytes)}`),
        ),
      ),
      host.editor && button("Open", () => host.post({ type: "openOutput" }), "secondary"),
    ),
    section(
      "How each rank was trained",
      table(
        "Settings of the sweep",
        [{ text: "Setting" }, { text: "Value" }],
        [
          ["Data", report.data],
          ["Column", report.label],
          ["Samples", `${count(samples.train)} to train, ${count(samples.validation)} to validate`],
          ["Layers", report.targets.join(", ")],
          ["Epochs", count(report.epochs)],
          ["Batch size", count(report.batchSize)],
          ["Learning rate", decimal(report.learningRate)],
          ["Seed", String(report.seed)],
          ["Optimizer", report.optimizer],
          ["Schedule", report.schedule],
          ["Loss", report.lossLabel],
          ["Weights", report.weights.from],
          ["Engine", `${report.engine}, ${report.device}`],
        ].map((row) => row.map((text) => ({ text: text! }))),
      ),
    ),
  );
  return { element: page, charts };
}

function rankFacts({ runs, best, smallestGood }: SweepReport) {
  const at = (rank: number | null) => runs.find((run) => run.rank === rank);
  const [top, small] = [at(best), at(smallestGood)];
  const quality = (run: (typeof runs)[number]) =>
    run.after.accuracy === null ? `loss ${decimal(run.after.loss)}` : share(run.after.accuracy);
  const before = runs[0]!.before;
  return [
    {
      label: "Before training",
      value: before.accuracy === null ? decimal(before.loss) : shareText(before.accuracy),
      note: before.accuracy === null ? "loss" : `accuracy · loss ${decimal(before.loss)}`,
    },
    ...(top
      ? [
          {
            label: "Best rank",
            value: `${top.rank}: ${quality(top)}`,
            note: `${count(top.trainable)} trainable · ${bytes(top.adapterBytes)}`,
          },
        ]
      : []),
    ...(small && small !== top
      ? [
          {
            label: "Smallest rank as good",
            value: `${small.rank}: ${quality(small)}`,
            note: `${count(small.trainable)} trainable · within one standard error`,
          },
        ]
      : []),
  ];
}
