import { join } from "node:path";
import { Option } from "commander";
import type { SweepReport } from "../../../protocol/reports/sweep";
import { TRAIN_METHODS } from "../../../protocol/training";
import { jobCommand } from "../command";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  number,
  whole,
  withEngine,
  withInputs,
  withModel,
  withTargets,
} from "../options";
import { bytes, count, indent, share, table, warningLines } from "../text";
import { type TrainingOptions, trainingChoice, withTraining } from "../training";

interface SweepOptions extends ModelOptions, InputOptions, Omit<AdapterOptions, "rank">, TrainingOptions {
  readonly ranks: readonly number[];
}

/** As many as an analysis compares. */
const RANKS = "4,8,16,32,64";

const wholes = (text: string): number[] => text.split(",").map(whole);

export const sweep = jobCommand<"sweep", SweepOptions>({
  description: "train an adapter at each of several ranks, everything else equal, and compare quality, size and time",
  configure: (command) =>
    withTraining(
      withInputs(
        withEngine(
          withTargets(
            withModel(command)
              .addOption(
                new Option("--ranks <list>", "ranks to train, comma-separated")
                  .argParser(wholes)
                  .default(wholes(RANKS), RANKS),
              )
              .option("--alpha <a>", "lora_alpha of all ranks (default: twice each rank)", number),
          ),
        ),
      ),
      String(TRAIN_METHODS.lora.learningRate),
    ).requiredOption("--out <folder>", "folder for sweep.json and an adapter per rank, in r4, r8, ..."),
  request(file, { alpha, ...options }) {
    return {
      kind: "sweep",
      model: modelChoice(file, options),
      adapter: adapterConfig(options),
      ranks: options.ranks,
      ...(alpha !== undefined && { fixedAlpha: alpha }),
      ...trainingChoice(options),
    };
  },
  text: sweepText,
  html: true,
});

function sweepText(report: SweepReport): string {
  const { runs, samples, output } = report;
  const accuracies = runs.some(({ after }) => after.accuracy !== null);
  const head = ["rank", "alpha", "scale", "trainable", "share", "adapter"];
  const rows = runs.map((run) => [
    String(run.rank),
    plain(run.alpha),
    plain(run.scaling),
    count(run.trainable),
    `${run.percent.toFixed(2)} %`,
    bytes(run.adapterBytes),
    ...(accuracies ? [`${share(run.before.accuracy)} → ${share(run.after.accuracy)}`] : []),
    `${run.before.loss.toPrecision(4)} → ${run.after.loss.toPrecision(4)}`,
    run.seconds.toFixed(1),
    count(Math.round(run.samplesPerSecond)),
  ]);
  return [
    ...warningLines([...report.weights.notes, ...report.warnings]),
    `${report.model} · LoRA at ${runs.length === 1 ? "1 rank" : `${runs.length} ranks`} · ${report.targets.length === 1 ? "1 layer" : `${report.targets.length} layers`}: ${report.targets.join(", ")}`,
    report.alphaNote,
    `${report.engine} · ${report.device} · ${count(samples.train)} training and ${count(samples.validation)} validation samples, ${report.epochs === 1 ? "1 epoch" : `${count(report.epochs)} epochs`}, batch ${report.batchSize}, learning rate ${report.learningRate}, seed ${report.seed}`,
    `weights: ${report.weights.from}`,
    "",
    indent(table([...head, ...(accuracies ? ["accuracy"] : []), "loss", "seconds", "samples/s"], rows)),
    "",
    ...report.insights.map((sentence) => `- ${sentence}`),
    ...(report.notRun.length > 0 ? [`stopped early; not trained: rank ${report.notRun.join(", ")}`] : []),
    `${report.seconds.toFixed(1)} s in all`,
    ...output.files.map((file) => `wrote ${file}`),
    `adapters: ${runs.map(({ folder }) => join(output.folder, folder)).join(", ")}`,
  ].join("\n");
}

const plain = (n: number): string => String(Number(n.toPrecision(4)));
