import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { TrainReport } from "../../../../src/protocol/reports";
import { TRAIN_METHODS } from "../../../../src/protocol/training";
import { chart } from "../../charts";
import { button } from "../../controls";
import { element, facts, section, table, verdict } from "../../dom";
import { count, decimal, duration, fileName, percent, share } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { warningList } from "../../warnings";
import { epochTable, lossChart } from "./curve";

const SHOWN_LABELS = 50;

function labelsSection({ column, classes }: NonNullable<TrainReport["labels"]>): HTMLElement {
  const more = classes.length - SHOWN_LABELS;
  return section(
    "Labels",
    element("p", {}, "Each output of the model stands for a label of ", element("code", {}, column), "."),
    table(
      "Labels and their outputs",
      [{ text: "Label" }, { text: "Output", numeric: true }],
      classes
        .slice(0, SHOWN_LABELS)
        .map(({ label, index }) => [{ text: label }, { text: count(index), numeric: true }]),
    ),
    more > 0 && element("p", { class: "hint" }, `${count(more)} more are listed in labels.json.`),
  );
}

export function trainPage(report: TrainReport, host: Host): Page {
  const { before, after, epochs, samples, output, injection } = report;
  const drawn = report.losses.length > 0 ? chart(lossChart(report.losses)) : undefined;
  const change = `${decimal(before.loss)} → ${decimal(after.loss)}`;
  const adapter = report.method === "lora" ? "Adapter" : "Weights";
  const done = report.stopped
    ? `Stopped after ${count(report.losses.length)} steps; the result so far is saved`
    : `Finished ${count(epochs.length)} ${epochs.length === 1 ? "epoch" : "epochs"} in ${duration(report.seconds)}`;
  const page = element(
    "main",
    {},
    header(JOBS.train.title, report, host),
    warningList([...report.weights.notes, ...(injection?.warnings ?? [])]),
    report.stopped ? element("p", { class: "verdict stopped", role: "status" }, "■ ", done) : verdict(true, done),
    facts([
      ...(before.accuracy !== null && after.accuracy !== null
        ? [
            {
              label: "Validation accuracy",
              value: `${share(before.accuracy)} → ${share(after.accuracy)}`,
              note: "before → after",
            },
          ]
        : []),
      { label: "Validation loss", value: change, note: report.lossLabel },
      {
        label: "Trainable",
        value: percent(report.percent),
        note: `${count(report.trainable)} of ${count(report.total)}`,
      },
      {
        label: "Method",
        value: TRAIN_METHODS[report.method].label,
        ...(injection
          ? { note: `rank ${injection.rank} · alpha ${injection.alpha} · ${count(injection.targets.length)} layers` }
          : {}),
      },
      {
        label: "Speed",
        value: `${count(report.samplesPerSecond)} samples/s`,
        note: `${report.engine}, ${report.device}`,
      },
    ]),
    section(
      `${adapter} saved`,
      element("p", {}, element("code", {}, output.folder)),
      element(
        "ul",
        { class: "files" },
        ...output.files.map((file) => element("li", {}, element("code", {}, fileName(file)))),
      ),
      host.editor && button("Open", () => host.post({ type: "openOutput" }), "secondary"),
    ),
    report.labels && !report.labels.identity && labelsSection(report.labels),
    drawn && section("Loss", drawn.element),
    epochs.length > 0 && section("Epochs", epochTable(epochs)),
    section(
      "How it was trained",
      table(
        "Settings of the training",
        [{ text: "Setting" }, { text: "Value" }],
        [
          ["Data", report.data],
          ["Samples", `${count(samples.train)} to train, ${count(samples.validation)} to validate`],
          ["Batch size", count(report.batchSize)],
          ["Learning rate", decimal(report.learningRate)],
          ["Seed", String(report.seed)],
          ["Optimizer", report.optimizer],
          ["Schedule", report.schedule],
          ["Loss", report.lossLabel],
          ["Duration", duration(report.seconds)],
        ].map((row) => row.map((text) => ({ text: text! }))),
      ),
    ),
  );
  return { element: page, charts: drawn ? [drawn] : [] };
}
