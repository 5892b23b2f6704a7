import { UserError } from "../../formats/errors";
import type { LoraConfig } from "../config/config";
import { type Feature, setFeatures, unsupported } from "../config/features";
import { VARIANTS } from "./registry";
import type { AdaptedLayer, LayerAdapter } from "./variant";

/**
 * What the configuration gives one layer.
 * @throws UserError when no variant computes what the configuration asks for on such a layer.
 */
export function resolve(config: LoraConfig, layer: AdaptedLayer): LayerAdapter {
  return resolver(config)(layer);
}

/** For each of the layers. */
export function resolveAll(config: LoraConfig, layers: readonly AdaptedLayer[]): LayerAdapter[] {
  return layers.map(resolver(config));
}

/** Work that is the same for all layers is done once: the editor prices a thousand with each keystroke. */
export function resolver(config: LoraConfig): (layer: AdaptedLayer) => LayerAdapter {
  const { r: rank, lora_alpha: alpha, lora_dropout: dropout, use_rslora } = config;
  const scaling = alpha / (use_rslora ? Math.sqrt(rank) : rank);
  const set = setFeatures(config);
  const variants = VARIANTS.filter(
    ({ fields }) => fields.length === set.length && set.every((field) => fields.includes(field)),
  );
  return (layer) => {
    const variant = variants.find((one) => one.adapts(layer));
    if (!variant) throw noVariant(config, set, layer);
    return { layer, rank, alpha, scaling, dropout, variant };
  };
}

function noVariant(config: LoraConfig, set: readonly Feature[], layer: AdaptedLayer): UserError {
  const rows = VARIANTS.filter((variant) => variant.adapts(layer));
  const alone = set.find((field) => !rows.some(({ fields }) => fields.includes(field)));
  if (alone !== undefined) return new UserError(unsupported(alone, config[alone]));
  if (set.length > 0) return new UserError(`${set.join(" and ")} are not supported together on ${layer.path}`);
  return new UserError(`${layer.path} is a ${layer.kind}, for which there is no adapter`);
}
