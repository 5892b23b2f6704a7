import type { Hover, Position } from "vscode-languageserver";
import type { LayerSummary, ModelSummary } from "../../protocol/model";
import { loraConfig } from "../lora/config/config";
import { adapterBytes } from "../lora/variants/costs";
import { type AdapterNorms, adapterText } from "./adapterNorms";
import type { LoraSettings } from "./codeLens";
import { code } from "./codeSpan";
import {
  defaultTargets,
  highestRank,
  isKnownLinear,
  type KnownLinear,
  type LayersAtPlace,
  lastUsefulRank,
  layersByPlace,
  type Reading,
  shapeText,
  totalCost,
} from "./layers";
import { bytes, count, fewer, percent } from "./numbers";
import { contains, isIn, rangeOf } from "./ranges";

const RANKS = [4, 8, 16, 32, 64];
/** Layers made in a loop can be hundreds; a hover names this many. */
const NAMED_LAYERS = 8;

/**
 * LoRA's numbers over ranks for the layer constructed at the position, or for the model class named there. In a
 * notebook the position is one in the cell.
 */
export function hover(
  reading: Reading,
  position: Position,
  settings: LoraSettings,
  cell?: number,
  adapter?: AdapterNorms,
): Hover | null {
  const at = layersAt(reading, position, cell);
  if (at) {
    return markdown(layerText(at, settings, adapter), rangeOf(at.place));
  }
  const model = reading.summary.models.find(({ place }) => isIn(place, cell) && place.line === position.line + 1);
  const targets = model ? defaultTargets(model, reading) : [];
  if (!model || targets.length === 0) return null;
  return markdown(classText(model, targets, settings));
}

/** The layers constructed at the position, some of them linear and of known size. */
export function layersAt(reading: Reading, position: Position, cell?: number): LayersAtPlace | undefined {
  return (
    layersByPlace(reading.summary)
      .filter(({ place, layers }) => isIn(place, cell) && contains(place, position) && layers.some(isKnownLinear))
      // A Sequential's constructor call contains its layers': the innermost is meant.
      .sort((a, b) => span(a) - span(b))[0]
  );
}

function span({ place }: LayersAtPlace): number {
  return (place.endLine - place.line) * 1e6 + (place.endColumn - place.column);
}

function markdown(value: string, range?: Hover["range"]): Hover {
  return { contents: { kind: "markdown", value }, ...(range ? { range } : {}) };
}

function layerText(at: LayersAtPlace, settings: LoraSettings, adapter: AdapterNorms | undefined): string {
  const layers = at.layers.filter(isKnownLinear);
  const { full } = totalCost(layers, loraConfig({ r: 1 }));
  const rows = ranksWith(settings.rank).map((rank) => {
    const { lora, reduction } = totalCost(layers, loraConfig({ r: rank }));
    return row(rank, settings, count(lora) + aboveMark(layers, rank), fewer(reduction), bytes(adapterBytes(lora)));
  });
  return [
    `**LoRA** on ${names(layers)}  \n${shapes(layers)} · ${count(full)} parameters`,
    // Before the table: a hover shows some lines and scrolls for the others.
    ...(adapter ? [adapterText(adapter)] : []),
    ["| rank | trainable | reduction | adapter (float32) |", "| ---: | ---: | ---: | ---: |", ...rows].join("\n"),
    ...(layers.every(({ neverCalled }) => neverCalled)
      ? ["It is never called; only its weight is read. An adapter here has no effect and is never trained."]
      : []),
    breakEven(layers),
  ].join("\n\n");
}

function classText(model: ModelSummary, targets: readonly KnownLinear[], settings: LoraSettings): string {
  const base = model.parameters;
  const rows = ranksWith(settings.rank).map((rank) => {
    const { lora } = totalCost(targets, loraConfig({ r: rank }));
    const share = base === null ? "unknown" : percent((100 * lora) / (base + lora));
    return row(rank, settings, count(lora) + aboveMark(targets, rank), share, bytes(adapterBytes(lora)));
  });
  const size = base === null ? "" : ` · ${count(base)} parameters`;
  const left = leftOut(model, targets);
  return [
    `**LoRA** on ${code(model.class)}  \n${count(targets.length)} target ${plural(targets.length, "layer")}${size}`,
    ["| rank | trainable | share | adapter (float32) |", "| ---: | ---: | ---: | ---: |", ...rows].join("\n"),
    ...(left.length > 0 ? [`Left out unless you name them: ${left.join("; ")}.`] : []),
  ].join("\n\n");
}

/** Linear layers of known size that the default targets leave out, and why. */
function leftOut(model: ModelSummary, targets: readonly KnownLinear[]): string[] {
  const targeted = new Set(targets.map(({ path }) => path));
  const left = model.layers.filter(isKnownLinear).filter(({ path }) => !targeted.has(path));
  const uncalled = left.filter(({ neverCalled }) => neverCalled);
  const heads = left.filter(({ neverCalled }) => !neverCalled);
  return [
    ...(heads.length > 0 ? [`${names(heads)}, the output head`] : []),
    ...(uncalled.length > 0 ? [`${names(uncalled)}, never called`] : []),
  ];
}

/** PEFT accepts a rank above a layer's smaller side, but the smaller side would be enough. */
function aboveMark(layers: readonly KnownLinear[], rank: number): string {
  const above = layers.find((layer) => rank > highestRank(layer));
  return above ? `, above a side of ${shapeText(above)}` : "";
}

function row(rank: number, settings: LoraSettings, ...cells: readonly string[]): string {
  const name = rank === settings.rank ? `**${rank}**` : `${rank}`;
  return `| ${[name, ...cells].join(" | ")} |`;
}

function ranksWith(rank: number): number[] {
  return [...new Set([...RANKS, rank])].sort((a, b) => a - b);
}

function names(layers: readonly LayerSummary[]): string {
  const named = layers.slice(0, NAMED_LAYERS).map((layer) => code(layer.path));
  const more = layers.length - named.length;
  return named.join(", ") + (more > 0 ? ` and ${count(more)} more` : "");
}

function shapes(layers: readonly KnownLinear[]): string {
  const kinds = [...new Set(layers.map((layer) => `${shapeText(layer)}${layer.bias ? ", bias" : ", no bias"}`))];
  return layers.length === 1 ? kinds[0]! : `${count(layers.length)} layers: ${kinds.join("; ")}`;
}

function breakEven(layers: readonly KnownLinear[]): string {
  const ranks = [...new Set(layers.map(lastUsefulRank))].sort((a, b) => a - b);
  const span = ranks.length === 1 ? count(ranks[0]!) : `${count(ranks[0]!)} to ${count(ranks.at(-1)!)}, by layer`;
  return `LoRA trains fewer parameters than the layer has up to rank ${span}.`;
}

function plural(n: number, noun: string): string {
  return n === 1 ? noun : `${noun}s`;
}
