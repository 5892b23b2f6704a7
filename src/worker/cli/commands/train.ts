import { resolve } from "node:path";
import { Option } from "commander";
import type { EngineChoice } from "../../../protocol/jobs";
import type { TrainReport } from "../../../protocol/reports";
import { TRAIN_METHODS, type TrainMethod } from "../../../protocol/training";
import { UserError } from "../../formats/errors";
import { DATA_SOURCES } from "../../training/data/registry";
import { LOSSES } from "../../training/losses/registry";
import { OPTIMIZERS } from "../../training/optimizers/registry";
import { SCHEDULES } from "../../training/schedules/registry";
import { jobCommand } from "../command";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  number,
  whole,
  withAdapter,
  withEngine,
  withInputs,
  withModel,
} from "../options";
import { count, injectionText, share, warningLines } from "../text";

interface TrainOptions extends ModelOptions, InputOptions, AdapterOptions {
  readonly engine: EngineChoice;
  readonly data: string;
  readonly label: string;
  readonly out: string;
  readonly method: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly loss?: string;
  readonly optimizer: string;
  readonly schedule: string;
  readonly validation: number;
}

const METHODS = Object.keys(TRAIN_METHODS) as TrainMethod[];

const rates = Object.entries(TRAIN_METHODS).map(([method, { learningRate }]) => `${learningRate} for ${method}`);

/** An option whose choices are the rows of a registry. */
function choice(flags: string, what: string, rows: readonly { readonly id: string }[]): Option {
  return new Option(flags, what).choices(rows.map(({ id }) => id));
}

export const train = jobCommand<"train", TrainOptions>({
  description: `train an adapter on ${DATA_SOURCES.map(({ what }) => what).join(", or on ")}`,
  configure: (command) =>
    withInputs(withEngine(withAdapter(withModel(command))))
      .requiredOption("--data <file>", DATA_SOURCES.map(({ what }) => what).join(", or "))
      .requiredOption("--label <column>", "the column to predict")
      .requiredOption("--out <folder>", "folder for the adapter")
      .option("--method <name>", "lora, full, or head (the last layer only)", METHODS[0])
      .option("--epochs <n>", "passes over the data", whole, 10)
      .option("--batch-size <n>", "samples per step", whole, 32)
      .option("--learning-rate <x>", `learning rate (default: ${rates.join(", ")})`, number)
      .option("--weight-decay <x>", "weight decay (default: 0)", number)
      .addOption(choice("--loss <name>", "loss to minimize (default: chosen by the labels and the output)", LOSSES))
      .addOption(choice("--optimizer <name>", "optimizer", OPTIMIZERS).default(OPTIMIZERS[0].id))
      .addOption(choice("--schedule <name>", "learning-rate schedule", SCHEDULES).default(SCHEDULES[0].id))
      .option("--validation <share>", "fraction of the rows held out for validation", number, 0.2),
  request(file, options) {
    const method = METHODS.find((known) => known === options.method);
    if (!method) throw new UserError(`--method must be ${METHODS.join(", ")}, not "${options.method}"`);
    return {
      kind: "train",
      model: modelChoice(file, options),
      adapter: adapterConfig(options),
      method,
      data: resolve(options.data),
      label: options.label,
      output: resolve(options.out),
      epochs: options.epochs,
      batchSize: options.batchSize,
      ...(options.learningRate !== undefined && { learningRate: options.learningRate }),
      ...(options.weightDecay !== undefined && { weightDecay: options.weightDecay }),
      ...(options.loss !== undefined && { loss: options.loss }),
      optimizer: options.optimizer,
      schedule: options.schedule,
      validation: options.validation,
      engine: options.engine,
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
