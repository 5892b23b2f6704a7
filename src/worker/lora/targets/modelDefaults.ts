import { ADAPTER_CONFIG_FILE } from "../../../protocol/lora";
import { UserError } from "../../formats/errors";
import type { LoraConfig, SavedConfig } from "../config/config";

/**
 * The target modules that PEFT takes for a configuration without any, by the base model's `model_type`
 * (TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING of PEFT 0.21). A string is a regular expression.
 */
export const DEFAULT_TARGETS: Readonly<Record<string, readonly string[] | string>> = {
  bart: ["q_proj", "v_proj"],
  bert: ["query", "value"],
  "blip-2": ["q", "v", "q_proj", "v_proj"],
  bloom: ["query_key_value"],
  btlm: ["c_proj", "c_attn"],
  chatglm: ["query_key_value"],
  codegen: ["qkv_proj"],
  deberta: ["in_proj"],
  "deberta-v2": ["query_proj", "value_proj"],
  electra: ["query", "value"],
  falcon: ["query_key_value"],
  gemma: ["q_proj", "v_proj"],
  gemma2: ["q_proj", "v_proj"],
  gemma3_text: ["q_proj", "v_proj"],
  gemma4: String.raw`.*language_model\..*\.(q_proj|v_proj)`,
  gpt2: ["c_attn"],
  gpt_bigcode: ["c_attn"],
  gpt_neo: ["q_proj", "v_proj"],
  gpt_neox: ["query_key_value"],
  gptj: ["q_proj", "v_proj"],
  layoutlm: ["query", "value"],
  llama: ["q_proj", "v_proj"],
  llama4: ["q_proj", "v_proj"],
  mistral: ["q_proj", "v_proj"],
  mixtral: ["q_proj", "v_proj"],
  mpt: ["Wqkv"],
  mt5: ["q", "v"],
  nemotron_h: ["q_proj", "k_proj", "v_proj", "o_proj"],
  opt: ["q_proj", "v_proj"],
  phi: ["q_proj", "v_proj", "fc1", "fc2"],
  qwen2: ["q_proj", "v_proj"],
  qwen3: ["q_proj", "v_proj"],
  RefinedWeb: ["query_key_value"],
  RefinedWebModel: ["query_key_value"],
  roberta: ["query", "value"],
  rwkv: ["key", "value", "receptance", "output"],
  rwkv7: ["r_proj", "k_proj", "v_proj", "o_proj", "key", "value"],
  stablelm: ["q_proj", "v_proj"],
  t5: ["q", "v"],
  "xlm-roberta": ["query", "value"],
};

/**
 * The configuration with its target modules: for one that names none, PEFT's default for the model.
 * @throws UserError where PEFT has no default.
 */
export function withTargets(
  config: SavedConfig,
  model: { readonly className: string; readonly modelType?: string | undefined },
): LoraConfig {
  const { target_modules } = config;
  if (target_modules !== null) return { ...config, target_modules };
  const { className, modelType } = model;
  const known = modelType !== undefined && Object.hasOwn(DEFAULT_TARGETS, modelType);
  if (known) return { ...config, target_modules: DEFAULT_TARGETS[modelType]! };
  const why =
    modelType === undefined
      ? `${className} has no configuration with a model_type`
      : `PEFT has no default for the model_type "${modelType}" of ${className}`;
  throw new UserError(
    `target_modules is null in ${ADAPTER_CONFIG_FILE}, which means PEFT's default, but ${why}. Name the layers in target_modules`,
  );
}
