import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { EngineChoice, TrainRequest } from "../../protocol/jobs";
import { DATA_SOURCES } from "../training/data/registry";
import { LOSSES } from "../training/losses/registry";
import { OPTIMIZERS } from "../training/optimizers/registry";
import { SCHEDULES } from "../training/schedules/registry";
import { number, whole } from "./options";

/** The options of every command that trains, and what they mean to a job. */
export interface TrainingOptions {
  readonly engine: EngineChoice;
  readonly data: string;
  readonly label: string;
  readonly out: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly loss?: string;
  readonly optimizer: string;
  readonly schedule: string;
  readonly validation: number;
}

/** @param rate the default learning rate, in words. The command adds `--out` itself, because it knows what goes there. */
export function withTraining(command: Command, rate: string): Command {
  return command
    .requiredOption("--data <file>", DATA_SOURCES.map(({ what }) => what).join(", or "))
    .requiredOption("--label <column>", "the column to predict")
    .option("--epochs <n>", "passes over the data", whole, 10)
    .option("--batch-size <n>", "samples per step", whole, 32)
    .option("--learning-rate <x>", `learning rate (default: ${rate})`, number)
    .option("--weight-decay <x>", "weight decay (default: 0)", number)
    .addOption(choice("--loss <name>", "loss to minimize (default: chosen by the labels and the output)", LOSSES))
    .addOption(choice("--optimizer <name>", "optimizer", OPTIMIZERS).default(OPTIMIZERS[0].id))
    .addOption(choice("--schedule <name>", "learning-rate schedule", SCHEDULES).default(SCHEDULES[0].id))
    .option("--validation <share>", "fraction of the rows held out for validation", number, 0.2);
}

/** An option whose choices are the rows of a registry. */
function choice(flags: string, what: string, rows: readonly { readonly id: string }[]): Option {
  return new Option(flags, what).choices(rows.map(({ id }) => id));
}

/** What the options choose, but for the model and what is trained of it. */
export function trainingChoice(options: TrainingOptions): Omit<TrainRequest, "kind" | "model" | "adapter" | "method"> {
  const { learningRate, weightDecay, loss } = options;
  return {
    data: resolve(options.data),
    label: options.label,
    output: resolve(options.out),
    epochs: options.epochs,
    batchSize: options.batchSize,
    ...(learningRate !== undefined && { learningRate }),
    ...(weightDecay !== undefined && { weightDecay }),
    ...(loss !== undefined && { loss }),
    optimizer: options.optimizer,
    schedule: options.schedule,
    validation: options.validation,
    engine: options.engine,
  };
}
