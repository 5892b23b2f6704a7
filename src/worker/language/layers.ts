import type { FileSummary, LayerSummary, ModelSummary, Place } from "../../protocol/model";
import { type LoraConfig, loraConfig } from "../lora/config/config";
import { breakEvenRank, type CostedLayer, type LayerCost, layerCost } from "../lora/variants/costs";
import type { SearchedFolder } from "../readers/model";

/** The result of reading a model file: plain data, so that it can be sent between threads. */
export interface Reading {
  readonly summary: FileSummary;
  /** By class: paths of the layers targeted unless the user says otherwise: the Linear ones but the output head. */
  readonly defaultTargets: ReadonlyMap<string, readonly string[]>;
  /** Other files that it was read from, but for installed packages. Absolute paths. */
  readonly dependencies?: readonly string[];
  /** Where a new file may say what this one leaves open. */
  readonly searched?: SearchedFolder;
}

export const EMPTY_READING: Reading = { summary: { models: [], problems: [] }, defaultTargets: new Map() };

/** The reading, updated with a later trace's uses of its layers. */
export function traced(reading: Reading, onlyRead: readonly Place[] | undefined): Reading {
  if (!onlyRead) return reading;
  const isOnlyRead = ({ place }: LayerSummary) =>
    onlyRead.some(({ cell, line, column }) => place.cell === cell && place.line === line && place.column === column);
  const models = reading.summary.models.map((model) => ({
    ...model,
    layers: model.layers.map((layer) =>
      isLinear(layer) && isOnlyRead(layer) ? { ...layer, neverCalled: true as const } : layer,
    ),
  }));
  const uncalled = new Map(
    models.map(({ class: name, layers }) => [name, new Set(layers.filter((l) => l.neverCalled).map((l) => l.path))]),
  );
  const defaultTargets = [...reading.defaultTargets].map(
    ([name, paths]) => [name, paths.filter((path) => !uncalled.get(name)?.has(path))] as const,
  );
  return { ...reading, summary: { ...reading.summary, models }, defaultTargets: new Map(defaultTargets) };
}

/** A Linear layer with known sizes. */
export type KnownLinear = LayerSummary & {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
};

/** As variants see it: any linear layer is adapted like torch's own Linear. */
export function adaptedLayer({ path, inFeatures, outFeatures, bias }: KnownLinear): CostedLayer {
  return { path, kind: "Linear", inFeatures, outFeatures, bias };
}

/** MultiheadAttention's own layer, which it never calls, is not reported separately. */
const WITHIN_ATTENTION = "NonDynamicallyQuantizableLinear";

export function isLinear(layer: LayerSummary): boolean {
  return (layer.kind === "Linear" || layer.linear === true) && layer.kind !== WITHIN_ATTENTION;
}

export function isKnownLinear(layer: LayerSummary): layer is KnownLinear {
  return isLinear(layer) && layer.inFeatures !== null && layer.outFeatures !== null && layer.bias !== null;
}

/** The highest rank that the layer's weight can have; a higher LoRA rank has no benefit. */
export function highestRank(layer: KnownLinear): number {
  return Math.min(layer.inFeatures, layer.outFeatures);
}

/** LoRA's cost over several layers. Counts are scalars. */
export interface TotalCost {
  readonly full: number;
  readonly lora: number;
  readonly reduction: number;
}

/** A model of experts has a hundred thousand layers of a few sizes, and is counted with each keystroke. */
export function totalCost(layers: readonly KnownLinear[], config: LoraConfig): TotalCost {
  const byInput = new Map<number, Map<number, LayerCost>>();
  let [full, lora] = [0, 0];
  for (const layer of layers) {
    const alike = byInput.get(layer.inFeatures) ?? new Map<number, LayerCost>();
    if (alike.size === 0) byInput.set(layer.inFeatures, alike);
    const output = 2 * layer.outFeatures + (layer.bias ? 1 : 0);
    const cost = alike.get(output) ?? layerCost(adaptedLayer(layer), config);
    alike.set(output, cost);
    full += cost.full;
    lora += cost.lora;
  }
  return { full, lora, reduction: full / lora };
}

/** The largest rank at which LoRA still trains fewer scalars than the layer has. */
export function lastUsefulRank(layer: KnownLinear): number {
  return Math.max(0, Math.ceil(breakEvenRank(adaptedLayer(layer), loraConfig())) - 1);
}

/** The layers of one constructor call: several when it stands in a loop, or in a class that is used several times. */
export interface LayersAtPlace {
  readonly place: Place;
  readonly model: ModelSummary;
  readonly layers: readonly LayerSummary[];
}

/**
 * Layers by the place they are constructed at, in source order. When several models of the file share a place, the
 * model with the most layers there stands for it: it is the one that contains the others.
 */
export function layersByPlace(summary: FileSummary): LayersAtPlace[] {
  const places = new Map<string, LayersAtPlace>();
  for (const model of summary.models) {
    for (const [key, layers] of groupByPlace(model.layers)) {
      const known = places.get(key);
      if (!known || layers.length > known.layers.length) places.set(key, { place: layers[0]!.place, model, layers });
    }
  }
  return [...places.values()].sort(
    ({ place: a }, { place: b }) => (a.cell ?? 0) - (b.cell ?? 0) || a.line - b.line || a.column - b.column,
  );
}

function groupByPlace(layers: readonly LayerSummary[]): Map<string, LayerSummary[]> {
  const groups = new Map<string, LayerSummary[]>();
  for (const layer of layers) {
    const key = `${layer.place.cell}:${layer.place.line}:${layer.place.column}:${layer.kind}`;
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return groups;
}

/** The default targets of a model, with known sizes. */
export function defaultTargets(model: ModelSummary, reading: Reading): KnownLinear[] {
  const paths = new Set(reading.defaultTargets.get(model.class));
  return model.layers.filter(isKnownLinear).filter((layer) => paths.has(layer.path));
}

/** "768 → 3,072" or "unknown → 10". */
export function shapeText(layer: Pick<LayerSummary, "inFeatures" | "outFeatures">): string {
  const side = (n: number | null) => n?.toLocaleString("en-US") ?? "unknown";
  return `${side(layer.inFeatures)} → ${side(layer.outFeatures)}`;
}

/** "in_features", "in_features and out_features": what could not be evaluated. */
export function unknownSizes(layer: LayerSummary): string[] {
  return [
    layer.inFeatures === null ? "in_features" : [],
    layer.outFeatures === null ? "out_features" : [],
    layer.bias === null ? "bias" : [],
  ].flat();
}
