import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { LayerSize, SizesReport } from "../../../protocol/reports/sizes";
import { replaceFile } from "../../formats/files";
import { sizesCsv } from "../../jobs/sizes/csv";
import { KNOWN_MODELS } from "../../jobs/sizes/known";
import { jobCommand } from "../command";
import { type ModelOptions, modelChoice, number, whole, withReading } from "../options";
import { bytes, count, table, times } from "../text";

interface SizesOptions extends Omit<ModelOptions, "seed"> {
  readonly size?: readonly LayerSize[];
  readonly known?: readonly string[];
  readonly modelSizes?: string;
  readonly common?: boolean;
  readonly ranks?: number[];
  readonly alpha?: number;
  readonly bias: boolean;
  readonly csv?: string;
}

export const sizes = jobCommand<"sizes", SizesOptions>({
  description: "show what LoRA costs and saves at common layer sizes, without a model",
  withoutModel: true,
  configure: (command) =>
    withReading(
      command
        .option("--size <inxout>", "a layer's inputs and outputs, such as 768x3072; once for each", addSize)
        .option(
          "--known <models>",
          `sizes of known models, comma-separated: ${KNOWN_MODELS.map(({ id }) => id).join(", ")}`,
          (text: string, before: readonly string[] = []) => [...before, ...text.split(",")],
        )
        .option("--model-sizes <file>", "sizes of the model in this file")
        .option("--class <name>", "model class of that file, when it has several")
        .option("--common", "the five common sizes beside those named; alone when none is named")
        .option("--ranks <list>", "ranks to compare, comma-separated", (text: string) => text.split(",").map(whole))
        .option("--alpha <a>", "lora_alpha (default: twice the rank)", number)
        .option("--no-bias", "count the layers without a bias")
        .option("--csv <file>", "write the table as CSV"),
    ),
  request: (_, { size, known, modelSizes, common, ranks, alpha, bias, ...reading }) => ({
    kind: "sizes",
    ...(size && { sizes: size }),
    ...(known && { known }),
    ...(modelSizes !== undefined && { model: modelChoice(modelSizes, { ...reading, seed: 0 }) }),
    ...(common && { common }),
    ...(ranks && { ranks }),
    ...(alpha !== undefined && { alpha }),
    ...(!bias && { bias }),
  }),
  text: sizesText,
  html: true,
  write: async (report, { csv }) => {
    if (csv !== undefined) await replaceFile(resolve(csv), sizesCsv(report));
  },
});

function addSize(text: string, before: readonly LayerSize[] = []): readonly LayerSize[] {
  const [, inFeatures, outFeatures] = /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(text) ?? [];
  if (inFeatures === undefined) throw new InvalidArgumentError("it must be inputs and outputs, such as 768x3072");
  return [...before, { inFeatures: Number(inFeatures), outFeatures: Number(outFeatures) }];
}

function sizesText({ rows, alpha }: SizesReport): string {
  const head = [
    "size",
    "in → out",
    "bias",
    "rank",
    "parameters",
    "LoRA",
    "reduction",
    "scale",
    "float32",
    "half",
    "Adam's moments",
    "break-even rank",
  ];
  const cells = rows.map((row) => [
    `${row.name ?? ""}${row.layers === null ? "" : ` (${row.layers === 1 ? "1 layer" : `${row.layers} layers`})`}`,
    `${row.inFeatures} → ${row.outFeatures}`,
    row.bias ? "yes" : "no",
    String(row.rank),
    count(row.parameters),
    count(row.loraParameters),
    times(row.reduction),
    String(Number(row.scaling.toPrecision(4))),
    bytes(row.adapterBytes),
    bytes(row.adapterBytesHalf),
    bytes(row.optimizerBytes),
    row.breakEvenRank.toFixed(1),
  ]);
  const notes = [
    "LoRA: rank · (in + out) scalars. Reduction: the layer's parameters over LoRA's.",
    `Scale: alpha / rank, with alpha ${alpha ?? "twice the rank"}. Adam's moments are float32.`,
  ];
  return [table(head, cells), "", ...notes].join("\n");
}
