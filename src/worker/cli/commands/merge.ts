import { resolve, sep } from "node:path";
import type { MergeReport } from "../../../protocol/reports";
import { jobCommand } from "../command";
import { type InputOptions, type ModelOptions, modelChoice, withInputs, withModel } from "../options";
import { bytes, indent, small, table, warningLines } from "../text";

interface MergeOptions extends ModelOptions, InputOptions {
  readonly adapter: string;
  readonly out: string;
}

export const merge = jobCommand<"merge", MergeOptions>({
  description: "add a saved adapter to the base weights and write them all",
  configure: (command) =>
    withInputs(withModel(command))
      .requiredOption("--adapter <folder>", "the adapter")
      .requiredOption(
        "--out <path>",
        "the .safetensors file to write, or a folder for a whole checkpoint: weights in shards as the base's, its configuration and tokenizer",
      ),
  request: (file, options) => ({
    kind: "merge",
    model: modelChoice(file, options),
    adapterFolder: resolve(options.adapter),
    // A slash at its end says that it is a folder.
    output: `${resolve(options.out)}${/[/\\]$/.test(options.out) ? sep : ""}`,
  }),
  text: mergeText,
});

export function mergeText(report: MergeReport): string {
  const rows = report.merged.map((m) => [m.path, m.deltaNorm.toPrecision(4), m.weightNorm.toPrecision(4)]);
  return [
    ...warningLines([...report.weights.notes, ...(report.warnings ?? [])]),
    `weights: ${report.weights.from}`,
    indent(table(["layer", "norm of ΔW", "norm of merged W"], rows)),
    `wrote ${report.output}: ${report.tensors} tensors, ${bytes(report.bytes)}`,
    ...(report.loadedBy
      ? [
          `${report.loadedBy.library} loads it; its predictions differ from the merged model's by ${small(report.loadedBy.difference)} at most`,
        ]
      : []),
    ...checkpointText(report),
  ].join("\n");
}

function checkpointText({ checkpoint }: MergeReport): string[] {
  if (!checkpoint) return [];
  const { files, copied, leftOut } = checkpoint;
  const names = copied.length > 0 ? copied.join(", ") : "nothing";
  return [
    `${files.length > 1 ? `${files.length - 1} shards and their index` : "one weights file"}; copied from the base's folder: ${names}`,
    ...leftOut.map(({ name, reason }) => `not copied: ${name}: ${reason}`),
  ];
}
