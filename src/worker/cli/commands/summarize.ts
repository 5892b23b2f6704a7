import type { FlowGroup, SummarizeReport } from "../../../protocol/reports/summary";
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
import { bytes, count, indent, injectionText, table, times } from "../text";

interface SummarizeOptions extends ModelOptions, InputOptions, AdapterOptions {
  readonly batch?: number;
  readonly sequence?: number;
}

export const summarize = jobCommand<"summarize", SummarizeOptions>({
  description: "show on one page what LoRA does to the model, what it costs, and what to do",
  configure: (command) =>
    withInputs(withAdapter(withModel(command)))
      .option("--batch <n>", "samples of the training step whose memory is estimated", whole)
      .option("--sequence <n>", "tokens of each sample of that step", whole),
  request: (file, options) => ({
    kind: "summarize",
    model: modelChoice(file, options),
    adapter: adapterConfig(options),
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.sequence !== undefined && { sequence: options.sequence }),
  }),
  text: summaryText,
  html: true,
});

function summaryText(report: SummarizeReport): string {
  const { begins, kinds, groups, insights, practices } = report;
  const kindRows = kinds.map((row) => [
    row.layerKind,
    count(row.layers),
    count(row.parameters),
    `${row.percent.toFixed(1)} %`,
    row.linear === 0 ? "" : count(row.lora),
    row.reduction === null ? "" : times(row.reduction),
  ]);
  return [
    injectionText(report.injection),
    "",
    `The forward pass of an adapted layer (A starts as ${begins.a}, B as ${begins.b}):`,
    indent(table(["layers", "number", "W₀ frozen", "A", "B", "scale"], groups.map(flowRow))),
    "",
    "By kind of layer:",
    indent(table(["kind", "layers", "parameters", "share", `LoRA r=${report.injection.rank}`, "reduction"], kindRows)),
    "",
    ...memoryText(report),
    ...insights.map(({ text }) => `- ${text}`),
    "",
    "Best practices that apply:",
    ...practices.map(({ text, here, source }) => `- ${text} Here: ${here} (${source.title}, ${source.url})`),
  ].join("\n");
}

function flowRow({ pattern, layers, inFeatures, outFeatures, full, rank, a, b, scaling }: FlowGroup): string[] {
  return [
    pattern,
    count(layers.length),
    `${inFeatures} → ${outFeatures}: ${count(full)}`,
    `${inFeatures} → ${rank}: ${count(a)}`,
    `${rank} → ${outFeatures}: ${count(b)}`,
    String(Number(scaling.toPrecision(4))),
  ];
}

function memoryText({ memory, memoryUnavailable }: SummarizeReport): string[] {
  if (!memory) return memoryUnavailable === undefined ? [] : [`memory: no estimate: ${memoryUnavailable}`, ""];
  const tokens = memory.sequence === undefined ? "" : ` of ${count(memory.sequence)} tokens`;
  const rows = memory.methods.map(({ method, rank, total }) => [
    rank === undefined ? TRAIN_METHODS[method].label : `${TRAIN_METHODS[method].label}, rank ${rank}`,
    bytes(total),
  ]);
  return [
    `Memory of a training step at batch ${count(memory.batch)}${tokens}:`,
    indent(table(["method", "peak"], rows)),
    "",
  ];
}
