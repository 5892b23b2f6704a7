import type { FileSummary, LayerSummary } from "../../protocol/model";
import type {
  AnalyzeReport,
  EngineSummary,
  InjectionSummary,
  MergeReport,
  TrainReport,
  VerifyReport,
} from "../../protocol/reports";

import { lineText } from "../graph/node";
import { leftOutTexts } from "../lora/targets/defaults";
import { sizesFrom } from "../readers/summary";

/** Reports as text for a terminal. */

export const count = (n: number | null): string => (n === null ? "unknown" : n.toLocaleString("en-US"));
const times = (n: number): string =>
  `${n.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })}×`;
const share = (fraction: number | null): string => (fraction === null ? "" : `${(100 * fraction).toFixed(1)} %`);
const bytes = (n: number): string =>
  n < 2 ** 20
    ? `${(n / 2 ** 10).toFixed(1)} KiB`
    : n < 2 ** 30
      ? `${(n / 2 ** 20).toFixed(1)} MiB`
      : `${(n / 2 ** 30).toFixed(2)} GiB`;
const small = (n: number): string => (n === 0 ? "0" : n >= 0.001 && n < 10000 ? n.toPrecision(3) : n.toExponential(1));

/** Columns padded to their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((row) => row[i]!.length)));
  const right = head.map((_, i) => rows.every((row) => /^([\d.,]+[×%]?|unknown|)( .?i?B| %)?$/.test(row[i]!)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(head), ...rows.map(line)].join("\n");
}

export function layersText(file: FileSummary): string {
  const parts = file.models.map((model) => {
    const rows = model.layers.map((layer) => [
      layer.path,
      layer.kind,
      shapeOf(layer),
      layer.bias === null ? "" : layer.bias ? "yes" : "no",
      count(layer.parameters),
      lineCell(layer.place),
    ]);
    const kind = model.kind === undefined ? "" : `: ${model.kind}`;
    const from = sizesFrom(model);
    const trainable = model.trainable === undefined ? "" : `, ${count(model.trainable)} trainable`;
    return `${model.class}${kind} (${lineText(model.place)}) · ${count(model.parameters)} parameters${trainable}${from === undefined ? "" : ` · sizes from ${from}`}\n${indent(table(["layer", "kind", "in → out", "bias", "parameters", "line"], rows))}`;
  });
  return [
    ...parts,
    ...file.problems.map((p) => `${lineText(p.place)}: ${p.severity}: ${p.message.replaceAll("\n", " ")}`),
  ].join("\n\n");
}

/** A table's cell in the column "line"; in a notebook with the cell that the line is in. */
function lineCell({ cell, line }: { readonly cell?: number; readonly line: number }): string {
  return cell === undefined ? String(line) : `cell ${cell}, ${line}`;
}

function shapeOf({ kind, inFeatures, outFeatures }: LayerSummary): string {
  if (inFeatures === null && outFeatures === null && kind !== "Linear") return "";
  return `${inFeatures ?? "unknown"} → ${outFeatures ?? "unknown"}`;
}

function injectionText(injection: InjectionSummary): string {
  const { model, rank, alpha, scaling, targets, trainable, total, percent } = injection;
  return [
    `${model} · LoRA rank ${rank}, alpha ${alpha}, scale ${scaling} · ${targets.length} layers: ${targets.map((t) => t.path).join(", ")}`,
    `trainable ${count(trainable)} of ${count(total)} parameters (${percent.toFixed(4)} %)`,
    ...leftOutTexts(injection.leftOut ?? []).map((text) => `left out: ${text}`),
    ...warningLines(injection.warnings),
  ].join("\n");
}

/** One line each, for the top of a command's output. */
export function warningLines(warnings: readonly string[] | undefined): string[] {
  return (warnings ?? []).map((sentence) => `warning: ${sentence}`);
}

export function analyzeText(report: AnalyzeReport): string {
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

export function verifyText(report: VerifyReport): string {
  const lines = report.checks.map((check) => {
    const relation = check.relation === "at-most" ? "≤" : "≥";
    return `${check.passed ? "passed" : "FAILED"}  ${check.title}: ${small(check.measured)} ${relation} ${small(check.bound)} (${check.unit})${check.detail ? `; ${check.detail}` : ""}`;
  });
  const passed = report.checks.filter((check) => check.passed).length;
  return [
    ...warningLines(report.weights.notes),
    injectionText(report.injection),
    `${report.engine} · ${report.device} · weights: ${report.weights.from} · inputs: ${report.inputs.map((i) => `${i.name} ${i.dtype}[${i.shape.join(", ")}]`).join(", ")} (${report.inputsFrom})`,
    "",
    ...lines,
    "",
    `${report.passed ? "verified" : "NOT verified"}: ${passed} of ${report.checks.length} checks passed in ${report.seconds.toFixed(1)} s`,
  ].join("\n");
}

export function trainText(report: TrainReport): string {
  const method = { lora: "LoRA", full: "full fine-tuning", head: "the head alone" }[report.method];
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

export function enginesText(engines: readonly EngineSummary[]): string {
  return engines
    .map((e) =>
      e.available
        ? `${e.id}: ${e.label} on ${e.device}${e.software ? " (software device: right but slow)" : ""}${e.chosen ? " · auto" : ""}`
        : `${e.id}: not available: ${e.reason}`,
    )
    .join("\n");
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}
