import type { AnalyzeReport } from "../../../protocol/reports";
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
  readonly layer?: string;
}

export const analyze = jobCommand<"analyze", AnalyzeOptions>({
  description: "what LoRA costs and saves, over layers and ranks",
  configure: (command) =>
    withInputs(withAdapter(withModel(command)))
      .option("--ranks <list>", "ranks of the table, comma-separated", (text: string) => text.split(",").map(whole))
      .option("--layer <path>", "layer to show first"),
  request: (file, options) => ({
    kind: "analyze",
    model: modelChoice(file, options),
    adapter: adapterConfig(options),
    ...(options.ranks && { ranks: options.ranks }),
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
    "Parameters of each layer over its adapter's:",
    indent(table(head, rows)),
    "",
    "All targets:",
    indent(table(["rank", "trainable", "share", "reduction", "adapter", "Adam's moments"], totals)),
    "",
    ...(report.memoryUnavailable === undefined ? [] : [`memory: not known, ${report.memoryUnavailable}`]),
    ...report.insights.map((sentence) => `- ${sentence}`),
  ].join("\n");
}
