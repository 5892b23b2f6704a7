import type { PanelState } from "../../src/protocol/panel";
import type { EpochResult, TrainProgress, TrainReport } from "../../src/protocol/reports";
import { TRAIN_METHODS } from "../../src/protocol/training";
import { type Chart, type ChartSpec, chart } from "./charts";
import { button, disable, progressRing } from "./controls";
import { type Cell, element, facts, section, table, verdict } from "./dom";
import { count, decimal, duration, fileName, percent, share } from "./format";
import { header } from "./header";
import type { Host, View } from "./host";
import { smoothed, thinned } from "./losses";
import { warningList } from "./warnings";

/** Drawing the curve costs the editor's window time that typing needs, and small models end many epochs a second. */
const REDRAW_MS = 250;

type Running = Extract<PanelState, { type: "running" }>;

function lossChart(losses: readonly number[]): ChartSpec {
  return {
    kind: "line",
    title: "Training loss",
    description:
      losses.length === 0
        ? "No step is done yet."
        : `${count(losses.length)} steps, from ${decimal(losses[0]!)} to ${decimal(losses.at(-1)!)}.`,
    x: { name: "step", format: count },
    y: { name: "loss", format: decimal },
    lines: [
      { name: "each step", points: thinned(losses), faint: true },
      { name: "smoothed", points: smoothed(losses) },
    ],
  };
}

/** A job under way; with training's own numbers and curve when it trains. Updated in place, so that focus stays. */
export function runningPage(first: Running, host: Host): View {
  const ring = progressRing(first.title);
  const message = element("p", { class: "message", role: "status", "aria-live": "polite" });
  const bar = element("progress", { max: 1, "aria-label": first.title });
  const numbers = element("div", {});
  const results = element("div", {});
  const curve = element("div", {});
  const stop = button("Stop", () => {
    host.post({ type: "stop" });
    disable(stop, "Stopping…");
  });
  let drawn: Chart | undefined;
  const validations = new Map<number, EpochResult>();

  let latest = first;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const draw = () => {
    timer = undefined;
    drawnAt = performance.now();
    const { progress, losses } = latest;
    message.textContent = progress.message;
    bar.value = progress.fraction;
    const { training } = progress;
    numbers.replaceChildren(
      facts(training ? trainingFacts(training) : plainFacts(progress.fraction, progress.secondsLeft)),
    );
    if (validations.size > 0) {
      results.replaceChildren(section("Validation", epochTable([...validations.values()])));
    }
    if (losses.length > 0) {
      if (!drawn) {
        drawn = chart(lossChart(losses));
        curve.replaceChildren(drawn.element);
      } else drawn.update(lossChart(losses));
    }
  };
  const show = (state: Running) => {
    latest = state;
    const validation = state.progress.training?.validation;
    if (validation) validations.set(validation.epoch, validation);
    const wait = drawnAt + REDRAW_MS - performance.now();
    if (wait <= 0) {
      clearTimeout(timer);
      draw();
    } else timer ??= setTimeout(draw, wait);
  };
  show(first);
  return {
    element: element(
      "main",
      {},
      element(
        "header",
        {},
        element("div", { class: "busy" }, ring, element("h1", {}, first.title)),
        element("div", { class: "actions" }, stop),
      ),
      message,
      bar,
      numbers,
      curve,
      results,
    ),
    update: (state) => {
      if (state.type !== "running" || state.title !== first.title) return false;
      show(state);
      return true;
    },
    dispose: () => {
      clearTimeout(timer);
      drawn?.dispose();
    },
  };
}

function plainFacts(fraction: number, secondsLeft: number | undefined) {
  const done = { label: "Done", value: share(fraction) };
  return secondsLeft === undefined ? [done] : [done, { label: "Time left", value: duration(secondsLeft) }];
}

function trainingFacts({ step, steps, epoch, epochs, samplesPerSecond, secondsLeft }: TrainProgress) {
  return [
    { label: "Step", value: `${count(step)} of ${count(steps)}` },
    { label: "Epoch", value: `${count(epoch)} of ${count(epochs)}` },
    { label: "Speed", value: `${count(samplesPerSecond)} samples/s` },
    { label: "Time left", value: duration(secondsLeft) },
  ];
}

function epochTable(epochs: readonly EpochResult[]): HTMLElement {
  const accuracy = epochs.some(({ validationAccuracy }) => validationAccuracy !== null);
  const numeric = (text: string): Cell => ({ text, numeric: true });
  return table(
    "Results of each epoch",
    [
      { text: "Epoch" },
      { text: "Training loss", numeric: true },
      { text: "Validation loss", numeric: true },
      ...(accuracy ? [{ text: "Validation accuracy", numeric: true }] : []),
    ],
    epochs.map(({ epoch, trainLoss, validationLoss, validationAccuracy }) => [
      { text: count(epoch) },
      numeric(decimal(trainLoss)),
      numeric(decimal(validationLoss)),
      ...(accuracy ? [numeric(validationAccuracy === null ? "" : share(validationAccuracy))] : []),
    ]),
  );
}

const SHOWN_LABELS = 50;

function labelsSection({ column, classes }: NonNullable<TrainReport["labels"]>): HTMLElement {
  const more = classes.length - SHOWN_LABELS;
  return section(
    "Labels",
    element("p", {}, "The model's outputs stand for the labels of ", element("code", {}, column), " as follows."),
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

export function trainPage(report: TrainReport, host: Host): { element: HTMLElement; charts: readonly Chart[] } {
  const { before, after, epochs, samples, output, injection } = report;
  const drawn = report.losses.length > 0 ? chart(lossChart(report.losses)) : undefined;
  const change = `${decimal(before.loss)} → ${decimal(after.loss)}`;
  const adapter = report.method === "lora" ? "Adapter" : "Weights";
  const done = report.stopped
    ? `Stopped after ${count(report.losses.length)} steps; what was trained until then is saved`
    : `Finished ${count(epochs.length)} ${epochs.length === 1 ? "epoch" : "epochs"} in ${duration(report.seconds)}`;
  const page = element(
    "main",
    {},
    header("Training", report, host),
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
