import type { ChoiceCost, KindRow, LayerKind } from "../../../protocol/reports/summary";
import type { LoraConfig } from "../../lora/config/config";
import type { KindedLayer } from "../../lora/targets/kinds";
import { isTargetable, type TargetableLayer } from "../../lora/targets/targets";
import { type LayerCost, layerCosts } from "../../lora/variants/costs";

/** The model's parameters by kind of layer, the largest kind first. */
export function kindRows(
  layers: readonly KindedLayer[],
  config: LoraConfig,
  isTargeted: (path: string) => boolean,
  baseParameters: number,
): KindRow[] {
  const byKind = new Map<LayerKind, KindedLayer[]>();
  for (const layer of layers) byKind.set(layer.kind, [...(byKind.get(layer.kind) ?? []), layer]);
  return [...byKind]
    .map(([layerKind, ofKind]): KindRow => {
      const parameters = ofKind.reduce((sum, layer) => sum + layer.parameters, 0);
      const linear = linearOf(ofKind);
      const { full, lora } = total(layerCosts(linear, config));
      return {
        layerKind,
        layers: ofKind.length,
        parameters,
        percent: (100 * parameters) / baseParameters,
        linear: linear.length,
        adapted: linear.filter(({ path }) => isTargeted(path)).length,
        full,
        lora,
        reduction: lora === 0 ? null : full / lora,
      };
    })
    .sort((a, b) => b.parameters - a.parameters);
}

/** What it costs to train attention alone, all linear layers but the head, and the head. */
export function choiceCosts(layers: readonly KindedLayer[], config: LoraConfig, baseParameters: number): ChoiceCost[] {
  const costs: ChoiceCost[] = [];
  const adapters = (choice: "attention" | "all-linear", adapted: readonly TargetableLayer[]) => {
    if (adapted.length === 0) return;
    const trainable = total(layerCosts(adapted, config)).lora;
    const percent = (100 * trainable) / (baseParameters + trainable);
    costs.push({ choice, layers: adapted.length, trainable, percent });
  };
  adapters("attention", linearOf(layers.filter(({ kind }) => kind === "attention")));
  adapters("all-linear", linearOf(layers.filter(({ kind }) => kind !== "head")));
  const head = linearOf(layers.filter(({ kind }) => kind === "head"));
  if (head.length > 0) {
    const trainable = total(layerCosts(head, config)).full;
    costs.push({ choice: "head", layers: head.length, trainable, percent: (100 * trainable) / baseParameters });
  }
  return costs;
}

/** A layer whose weight is only read, such as MultiheadAttention's out_proj, cannot be adapted. */
function linearOf(layers: readonly KindedLayer[]): TargetableLayer[] {
  return layers
    .map(({ module }) => module)
    .filter((module) => isTargetable(module) && !module.neverCalled) as TargetableLayer[];
}

function total(costs: readonly LayerCost[]): Pick<LayerCost, "full" | "lora"> {
  return {
    full: costs.reduce((sum, { full }) => sum + full, 0),
    lora: costs.reduce((sum, { lora }) => sum + lora, 0),
  };
}
