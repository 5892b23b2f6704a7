import type { AnalyzeReport } from "../../../protocol/reports";
import { TRAIN_METHODS } from "../../../protocol/training";
import { jobCommand } from "../command";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  whole,
  withAdapter,
  withInputs,
  withModel,
} from "../options";
import { bytes, count, indent, injectionText, lineCell, table, times } from "../text";

interface AnalyzeOptions extends ModelOptions, InputOptions, AdapterOptions {
  readonly ranks?: number[];
  readonly batch?: number;
  readonly sequence?: number;
  readonly layer?: string;
}

export const analyze = jobCommand<"analyze", AnalyzeOptions>({
  description: "show what LoRA costs and saves, by layer and rank",
  configure: (command) =>
    withInputs(withAdapter(withModel(command)))
      .option("--ranks <list>", "ranks of the table, comma-separated", (text: string) => text.split(",").map(whole))
      .option("--batch <n>", "samples of the training step whose memory is estimated", whole)
      .option("--sequence <n>", "tokens of each sample of that step", whole)
      .option("--layer <path>", "layer to show first"),
  request: (file, options) => ({
    kind: "analyze",
    model: modelChoice(file, options),
    adapter: adapterConfig(options),
    ...(options.ranks && { ranks: options.ranks }),
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.sequence !== undefined && { sequence: options.sequence }),
    ...(options.layer !== undefined && { focus: options.layer }),
  }),
  text: analyzeText,
  html: true,
});

function analyzeText(report: AnalyzeReport): string {
  const head = ["layer", "in → out", "parameters", ...report.ranks.map((rank) => `r=${rank}`), "line"];
  // Of tens of thousands of layers nearly all are of a few sizes, and writing a number takes microseconds.
  const written = new Map<number, string>();
  const fewer = (reduction: number): string => {
    const text = written.get(reduction) ?? times(reduction);
    written.set(reduction, text);
    return text;
  };
  const rows = report.layers.map((layer) => [
    `${layer.path}${layer.targeted ? "" : " (not a target)"}`,
    `${layer.inFeatures} → ${layer.outFeatures}`,
    count(layer.full),
    ...layer.byRank.map(({ reduction }) => fewer(reduction)),
    lineCell(layer),
  ]);
  const totals = report.totals.map((t) => [
    String(t.rank),
    count(t.trainable),
    `${t.percent.toFixed(2)} %`,
    times(t.reduction),
    bytes(t.adapterBytes),
    bytes(t.optimizerBytes),
  ]);
  return [
    injectionText(report.injection),
    "",
    "Reduction: parameters of each layer / parameters of its adapter:",
    indent(table(head, rows)),
    "",
    "All targets:",
    indent(table(["rank", "trainable", "share", "reduction", "adapter", "Adam's moments"], totals)),
    "",
    ...memoryText(report),
    ...report.insights.map((sentence) => `- ${sentence}`),
  ].join("\n");
}

function memoryText({ memory, memoryUnavailable }: AnalyzeReport): string[] {
  if (!memory) return memoryUnavailable === undefined ? [] : [`memory: no estimate: ${memoryUnavailable}`, ""];
  const tokens = memory.sequence === undefined ? "" : ` of ${count(memory.sequence)} tokens`;
  const rows = memory.methods.map((row) => [
    row.rank === undefined ? TRAIN_METHODS[row.method].label : `${TRAIN_METHODS[row.method].label}, rank ${row.rank}`,
    ...[row.weights, row.adapter, row.gradients, row.optimizer, row.activations, row.update, row.total].map(bytes),
  ]);
  const head = ["method", "weights", "adapters", "gradients", "moments", "activations", "update", "peak"];
  return [
    `Memory of a training step with Adam at batch ${count(memory.batch)}${tokens}:`,
    indent(table(head, rows)),
    "",
  ];
}
