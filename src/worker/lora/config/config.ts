/**
 * PEFT's `adapter_config.json`, the project's one configuration of an adapter. Field names are PEFT's own; the fields
 * used here are typed, the others survive a round trip untouched.
 */
export interface LoraConfig extends Fields {
  /** Path suffixes, a regular expression for the whole path, or "all-linear". */
  readonly target_modules: readonly string[] | string;
}

/** As a file may have it. */
export interface SavedConfig extends Fields {
  /** null: PEFT's default for the model's type (`defaultTargets.ts`). */
  readonly target_modules: readonly string[] | string | null;
}

interface Fields {
  readonly peft_type: "LORA";
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly exclude_modules: readonly string[] | string | null;
  readonly use_rslora: boolean;
  readonly bias: "none" | "all" | "lora_only";
  readonly modules_to_save: readonly string[] | null;
  readonly [field: string]: unknown;
}

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

/** The factor on B(A(x)): lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora (arXiv 2312.03732). */
export function scalingOf(config: Pick<LoraConfig, "r" | "lora_alpha" | "use_rslora">): number {
  return config.lora_alpha / (config.use_rslora ? Math.sqrt(config.r) : config.r);
}
