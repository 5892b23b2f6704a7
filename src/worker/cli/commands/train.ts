import type { TrainReport } from "../../../protocol/reports";
import { TRAIN_METHODS, type TrainMethod } from "../../../protocol/training";
import { UserError } from "../../formats/errors";
import { DATA_SOURCES } from "../../training/data/registry";
import { jobCommand } from "../command";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  withAdapter,
  withEngine,
  withInputs,
  withModel,
} from "../options";
import { count, injectionText, share, warningLines } from "../text";
import { type TrainingOptions, trainingChoice, withTraining } from "../training";

interface TrainOptions extends ModelOptions, InputOptions, AdapterOptions, TrainingOptions {
  readonly method: string;
}

const METHODS = Object.keys(TRAIN_METHODS) as TrainMethod[];

const rates = Object.entries(TRAIN_METHODS).map(([method, { learningRate }]) => `${learningRate} for ${method}`);

export const train = jobCommand<"train", TrainOptions>({
  description: `train an adapter on ${DATA_SOURCES.map(({ what }) => what).join(", or on ")}`,
  configure: (command) =>
    withTraining(withInputs(withEngine(withAdapter(withModel(command)))), rates.join(", "))
      .option("--method <name>", "lora, full, or head (the last layer only)", METHODS[0])
      .requiredOption("--out <folder>", "folder for the adapter"),
  request(file, options) {
    const method = METHODS.find((known) => known === options.method);
    if (!method) throw new UserError(`--method must be ${METHODS.join(", ")}, not "${options.method}"`);
    return {
      kind: "train",
      model: modelChoice(file, options),
      adapter: adapterConfig(options),
      method,
      ...trainingChoice(options),
    };
  },
  text: trainText,
  html: true,
});

function trainText(report: TrainReport): string {
  const method = TRAIN_METHODS[report.method].label;
  const result = (r: { loss: number; accuracy: number | null }) =>
    r.accuracy === null
      ? `loss ${r.loss.toPrecision(4)}`
      : `accuracy ${share(r.accuracy)}, loss ${r.loss.toPrecision(4)}`;
  return [
    ...warningLines(report.weights.notes),
    ...(report.injection
      ? [injectionText(report.injection)]
      : [
          `${report.model} · ${method} · trainable ${count(report.trainable)} of ${count(report.total)} parameters (${report.percent.toFixed(2)} %)`,
        ]),
    `${report.engine} · ${report.device} · ${count(report.samples.train)} training and ${count(report.samples.validation)} validation samples, batch ${report.batchSize}, learning rate ${report.learningRate}`,
    `weights: ${report.weights.from}`,
    ...labelsText(report),
    `before: ${result(report.before)}`,
    `after:  ${result(report.after)}${report.stopped ? " (stopped early)" : ""}`,
    `${count(report.losses.length)} steps in ${report.seconds.toFixed(1)} s, ${count(Math.round(report.samplesPerSecond))} samples a second`,
    ...report.output.files.map((file) => `wrote ${file}`),
  ].join("\n");
}

const SHOWN_LABELS = 12;

function labelsText({ labels }: TrainReport): string[] {
  if (!labels || labels.identity) return [];
  const shown = labels.classes.slice(0, SHOWN_LABELS).map(({ label, index }) => `${label} → ${index}`);
  const more = labels.classes.length - shown.length;
  return [
    `labels of "${labels.column}" and the outputs that stand for them: ${shown.join(", ")}${more > 0 ? ` and ${more} more, listed in labels.json` : ""}`,
  ];
}
