import type { FileSummary, LayerSummary } from "../../protocol/model";
import type { InjectionSummary } from "../../protocol/reports";

import { lineText } from "../graph/node";
import { leftOutTexts } from "../lora/targets/defaults";
import { sizesFrom } from "../readers/summary";

/** What several commands print in words. */

export const count = (n: number | null): string => (n === null ? "unknown" : n.toLocaleString("en-US"));
export const times = (n: number): string =>
  `${n.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })}×`;
export const share = (fraction: number | null): string => (fraction === null ? "" : `${(100 * fraction).toFixed(1)} %`);
export const bytes = (n: number): string =>
  n < 2 ** 20
    ? `${(n / 2 ** 10).toFixed(1)} KiB`
    : n < 2 ** 30
      ? `${(n / 2 ** 20).toFixed(1)} MiB`
      : `${(n / 2 ** 30).toFixed(2)} GiB`;
export const small = (n: number): string =>
  n === 0 ? "0" : n >= 0.001 && n < 10000 ? n.toPrecision(3) : n.toExponential(1);

/** Columns padded to their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((row) => row[i]!.length)));
  const right = head.map((_, i) =>
    rows.every((row) => /^(-?[\d.,]+(e[+-]\d+)?[×%]?|unknown|)( .?i?B| %)?$/.test(row[i]!)),
  );
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
export function lineCell({ cell, line }: { readonly cell?: number; readonly line: number }): string {
  return cell === undefined ? String(line) : `cell ${cell}, ${line}`;
}

function shapeOf({ kind, inFeatures, outFeatures }: LayerSummary): string {
  if (inFeatures === null && outFeatures === null && kind !== "Linear") return "";
  return `${inFeatures ?? "unknown"} → ${outFeatures ?? "unknown"}`;
}

export function injectionText(injection: InjectionSummary): string {
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

export function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}
