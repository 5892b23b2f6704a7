import { UserError } from "../../formats/errors";
import type { LoraConfig } from "../config/config";
import { type Feature, setFeatures, unsupported } from "../config/features";
import { VARIANTS } from "./registry";
import type { AdaptedLayer, LayerAdapter, Variant } from "./variant";

/**
 * What the configuration gives one layer.
 * @throws UserError when no variant computes what the configuration asks for on such a layer.
 */
export function resolve(config: LoraConfig, layer: AdaptedLayer): LayerAdapter {
  const { r: rank, lora_alpha: alpha, lora_dropout: dropout, use_rslora } = config;
  const scaling = alpha / (use_rslora ? Math.sqrt(rank) : rank);
  return { layer, rank, alpha, scaling, dropout, variant: variantFor(config, layer) };
}

/** For each of the layers. */
export function resolveAll(config: LoraConfig, layers: readonly AdaptedLayer[]): LayerAdapter[] {
  return layers.map((layer) => resolve(config, layer));
}

function variantFor(config: LoraConfig, layer: AdaptedLayer): Variant {
  const set = setFeatures(config);
  const rows = VARIANTS.filter((variant) => variant.adapts(layer));
  const found = rows.find(({ fields }) => fields.length === set.length && set.every((field) => has(fields, field)));
  if (found) return found;
  const alone = set.find((field) => !rows.some(({ fields }) => has(fields, field)));
  if (alone !== undefined) throw new UserError(unsupported(alone, config[alone]));
  if (set.length > 0) throw new UserError(`${set.join(" and ")} are not supported together on ${layer.path}`);
  throw new UserError(`${layer.path} is a ${layer.kind}, which no adapter goes on`);
}

function has(fields: Variant["fields"], field: Feature): boolean {
  return fields.includes(field);
}
