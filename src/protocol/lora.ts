/**
 * PEFT's `adapter_config.json`, field for field (LoraConfig of PEFT 0.21): the one configuration of an adapter. It
 * travels whole, so that everything written in the file applies to every job and is kept when the file is written
 * again. Fields that are not listed here survive a round trip untouched.
 */
export interface LoraConfig extends Fields {
  /** Path suffixes, a regular expression for the whole path, or "all-linear". */
  readonly target_modules: readonly string[] | string;
}

/** As it may appear in a file. */
export interface SavedConfig extends Fields {
  /** null: PEFT's default for the model's type. */
  readonly target_modules: readonly string[] | string | null;
}

/**
 * The fields of a configuration that the user chose. Absent fields have PEFT's defaults (with an alpha of twice the
 * rank); without target modules, or with null, the linear layers that are called are adapted, except the output head.
 */
export type GivenConfig = Partial<SavedConfig>;

interface Fields {
  readonly peft_type: "LORA";
  readonly task_type: unknown;
  readonly base_model_name_or_path: unknown;
  readonly inference_mode: unknown;
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly use_rslora: boolean;
  readonly exclude_modules: readonly string[] | string | null;
  readonly fan_in_fan_out: boolean;
  /** true, false or a word. */
  readonly init_lora_weights: unknown;
  readonly bias: "none" | "all" | "lora_only";
  readonly modules_to_save: readonly string[] | null;
  readonly use_dora: unknown;
  /** What the adapter belongs to, `base_model_class` of `parent_library`. */
  readonly auto_mapping?: unknown;
  readonly peft_version?: unknown;
  readonly revision?: unknown;
  readonly layers_to_transform?: unknown;
  readonly layers_pattern?: unknown;
  readonly rank_pattern?: unknown;
  readonly alpha_pattern?: unknown;
  readonly target_parameters?: unknown;
  readonly trainable_token_indices?: unknown;
  readonly layer_replication?: unknown;
  readonly lora_bias?: unknown;
  readonly alora_invocation_tokens?: unknown;
  readonly use_qalora?: unknown;
  readonly qalora_group_size?: unknown;
  readonly use_bdlora?: unknown;
  readonly arrow_config?: unknown;
  readonly kasa_config?: unknown;
  readonly monteclora_config?: unknown;
  readonly velora_config?: unknown;
  readonly loftq_config?: unknown;
  readonly eva_config?: unknown;
  readonly corda_config?: unknown;
  readonly lora_ga_config?: unknown;
  readonly megatron_config?: unknown;
  readonly megatron_core?: unknown;
  readonly runtime_config?: unknown;
  readonly ensure_weight_tying?: unknown;
}

/** Name of the configuration's file in an adapter's folder. */
export const ADAPTER_CONFIG_FILE = "adapter_config.json";

/** Names of the weights' file in an adapter's folder, as PEFT looks for them: safetensors, and torch.save's older one. */
export const ADAPTER_WEIGHTS_FILES = ["adapter_model.safetensors", "adapter_model.bin"] as const;
