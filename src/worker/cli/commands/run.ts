import { resolve } from "node:path";
import type { EngineChoice } from "../../../protocol/jobs";
import type { RunOutput, RunReport, RunTensor, RunValue } from "../../../protocol/reports/forward";
import { jobCommand } from "../command";
import {
  type InputOptions,
  type ModelOptions,
  modelChoice,
  whole,
  withEngine,
  withInputShape,
  withModel,
} from "../options";
import { indent, small, table, warningLines } from "../text";

interface RunOptions extends ModelOptions, InputOptions {
  readonly engine: EngineChoice;
  readonly adapter?: string;
  readonly row?: number;
  readonly label?: string;
  readonly out?: string;
}

export const run = jobCommand<"run", RunOptions>({
  description: "evaluate forward on a sample, with and without an adapter",
  configure: (command) =>
    withInputShape(withEngine(withModel(command)))
      .option("--adapter <folder>", "with this saved adapter as well")
      .option(
        "--inputs <file>",
        "the sample: an .npz file with arrays by the names of forward's parameters, an .npy file with the one input, or a CSV file with a header line (default: random numbers of the seed)",
      )
      .option("--row <n>", "of a CSV file: the row, from 1 (default: 1)", whole)
      .option(
        "--label <column>",
        'of a CSV file: the column that is no input (default: "label", "target", "class" or "y")',
      )
      .option("--out <npz>", "write the outputs to an .npz file, the adapted model's where there is an adapter"),
  request: (file, { inputs, row, label, ...options }) => ({
    kind: "run",
    model: modelChoice(file, options),
    ...(options.adapter !== undefined && { adapterFolder: resolve(options.adapter) }),
    ...(inputs !== undefined && {
      sample: { file: resolve(inputs), ...(row !== undefined && { row }), ...(label !== undefined && { label }) },
    }),
    ...(options.out !== undefined && { output: resolve(options.out) }),
    engine: options.engine,
  }),
  text: runText,
  html: true,
});

function runText(report: RunReport): string {
  const { inputs, inputsFrom, label, adapter, outputs, output } = report;
  return [
    ...warningLines([...report.weights.notes, ...(report.warnings ?? [])]),
    `${report.engine} · ${report.device} · weights: ${report.weights.from}`,
    `sample: ${inputsFrom}${label ? `, ${label.column} ${label.value}` : ""}`,
    ...inputs.map((input) => `  ${typeText(input)}: ${valuesText(input)}`),
    ...(adapter ? [`adapter: ${adapter.folder}`] : []),
    ...outputs.flatMap(outputText),
    ...(output === undefined ? [] : [`wrote ${output}: ${outputs.map(typeText).join(", ")}`]),
  ].join("\n");
}

function outputText(one: RunOutput): string[] {
  const { first, adaptedFirst, difference } = one;
  if (!adaptedFirst || !difference) return [`${outputTitle(one)}: ${valuesText(one)}`];
  const rows = first.map((value, i) => {
    const other = adaptedFirst[i]!;
    const change = typeof value === "number" && typeof other === "number" ? shown(other - value) : "";
    return [String(i), shown(value), shown(other), change];
  });
  const share = difference.share === null ? "" : `, ${small(difference.share)} of the base's largest value`;
  return [
    `${outputTitle(one)}${rows.length < sizeOf(one.shape) ? `, the first ${rows.length} values` : ""}:`,
    indent(table(["index", "base", "adapted", "difference"], rows)),
    `largest difference ${shown(difference.largest)} at [${difference.at.join(", ")}]${share}`,
  ];
}

/** Most models have one output, of that name. */
function outputTitle(one: RunTensor): string {
  return one.name === "output" ? typeText(one) : `output ${typeText(one)}`;
}

function typeText({ name, dtype, shape }: RunTensor): string {
  return `${name} ${dtype}[${shape.join(", ")}]`;
}

function valuesText({ first, shape }: RunTensor): string {
  return first.map(shown).join(", ") + (first.length < sizeOf(shape) ? ", …" : "");
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function shown(value: RunValue): string {
  if (typeof value === "string") return value;
  return `${value < 0 ? "-" : ""}${small(Math.abs(value))}`;
}
