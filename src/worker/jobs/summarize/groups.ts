import type { FlowGroup, LayerKind, LayerLine } from "../../../protocol/reports/summary";
import { sizeOf } from "../../formats/tensor";
import type { LoraConfig } from "../../lora/config/config";
import type { TargetableLayer } from "../../lora/targets/targets";
import { breakEvenRank, layerCost } from "../../lora/variants/costs";
import { resolve } from "../../lora/variants/resolve";

/** Where a layer is constructed. */
export function layerLine({ path, place: { line, cell } }: TargetableLayer): LayerLine {
  return { path, line, ...(cell !== undefined && { cell }) };
}

/**
 * Groups layers whose paths differ only in their numbers and whose sizes and kinds are equal, in the order in which the
 * groups first occur.
 */
export function flowGroups(
  layers: readonly TargetableLayer[],
  config: LoraConfig,
  kindOf: (path: string) => LayerKind,
): FlowGroup[] {
  const groups = new Map<string, TargetableLayer[]>();
  for (const layer of layers) {
    const { path, inFeatures, outFeatures, bias } = layer;
    const key = [path.replace(/\d+/g, "*"), inFeatures, outFeatures, bias, kindOf(path)].join(" ");
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return [...groups.values()].map((group) => flowGroup(group, config, kindOf(group[0]!.path)));
}

function flowGroup(layers: readonly TargetableLayer[], config: LoraConfig, layerKind: LayerKind): FlowGroup {
  const first = layers[0]!;
  const { inFeatures, outFeatures, bias } = first;
  const adapter = resolve(config, first);
  const { rank, alpha, scaling, dropout, variant } = adapter;
  const scalars = (factor: "A" | "B") =>
    variant
      .tensors(adapter)
      .filter((tensor) => tensor.factor === factor)
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    pattern: patternOf(layers.map(({ path }) => path)),
    layerKind,
    layers: layers.map(layerLine),
    inFeatures,
    outFeatures,
    bias,
    weight: inFeatures * outFeatures,
    ...layerCost(first, config),
    rank,
    alpha,
    scaling,
    dropout,
    a: scalars("A"),
    b: scalars("B"),
    breakEvenRank: breakEvenRank(first, config),
  };
}

/** The paths with `*` for each number that differs between them: `layers.*.fc1`, or `layers.3.fc1` for one alone. */
export function patternOf(paths: readonly string[]): string {
  const split = paths.map((path) => path.split(/(\d+)/));
  return split[0]!.map((part, i) => (split.every((parts) => parts[i] === part) ? part : "*")).join("");
}
