import { isObject } from "../../formats/files";
import type { LoraConfig } from "./config";

/**
 * Fields that change what an adapter computes, with the values that leave it plain LoRA. An adapter that uses one needs
 * the variant that names the field and is refused if there is none: running it as plain LoRA would silently give wrong
 * numbers.
 */
const PLAIN = {
  alora_invocation_tokens: isEmpty,
  alpha_pattern: isEmpty,
  arrow_config: isEmpty,
  bias: (value: unknown) => value === "none",
  kasa_config: isEmpty,
  layer_replication: isEmpty,
  layers_to_transform: isEmpty,
  lora_bias: isEmpty,
  modules_to_save: isEmpty,
  monteclora_config: isEmpty,
  rank_pattern: isEmpty,
  target_parameters: isEmpty,
  trainable_token_indices: isEmpty,
  use_bdlora: isEmpty,
  use_dora: isEmpty,
  use_qalora: isEmpty,
  velora_config: isEmpty,
} satisfies Partial<Record<keyof LoraConfig, (value: unknown) => boolean>>;

export type Feature = keyof typeof PLAIN;

const FEATURES = Object.keys(PLAIN) as Feature[];

/** The listed fields that a configuration sets. */
export function setFeatures(fields: Partial<Readonly<Record<Feature, unknown>>>): Feature[] {
  return FEATURES.filter((field) => {
    const value = fields[field];
    return value !== undefined && !PLAIN[field](value);
  });
}

/** Completes a sentence about a configuration. */
export function unsupported(field: Feature, value: unknown): string {
  return `${field} ${shown(value)} is not supported; without it the adapter would compute something else`;
}

/** null, false, [] and {} all mean that the feature is not used. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === null || value === false || (isObject(value) && Object.keys(value).length === 0);
}

/** A value of a configuration for a message. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
