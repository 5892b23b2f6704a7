import type { LoraConfig } from "../../../protocol/lora";

export type { GivenConfig, LoraConfig, SavedConfig } from "../../../protocol/lora";

export const DEFAULT_RANK = 8;
export const DEFAULT_ALPHA = 16;

/** PEFT's defaults, but alpha = 2r as is usual: PEFT's own alpha of 8 does not follow the rank. */
export function loraConfig(fields: Partial<LoraConfig> = {}): LoraConfig {
  const r = fields.r ?? DEFAULT_RANK;
  return {
    base_model_name_or_path: null,
    bias: "none",
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: false,
    init_lora_weights: true,
    lora_alpha: fields.lora_alpha ?? 2 * r,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r,
    target_modules: "all-linear",
    task_type: null,
    use_dora: false,
    use_rslora: false,
    ...fields,
  };
}
