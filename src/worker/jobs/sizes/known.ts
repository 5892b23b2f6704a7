import type { LayerSize } from "../../../protocol/reports/sizes";
import { equalLayers } from "../../lora/sizes/equalLayers";

/**
 * A model whose layer sizes people know: the linear layers of the blocks that it repeats. Embeddings, poolers and heads
 * are left out.
 */
export interface KnownModel {
  /** What `--known` takes. */
  readonly id: string;
  readonly title: string;
  readonly sizes: readonly LayerSize[];
}

/** One linear layer of a block. */
interface BlockLayer {
  /** Its last part is its name for people. */
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

const layer = (path: string, inFeatures: number, outFeatures: number, bias = true): BlockLayer => ({
  path,
  inFeatures,
  outFeatures,
  bias,
});

function known(id: string, title: string, blocks: number, layers: readonly BlockLayer[]): KnownModel {
  const sizes = equalLayers(layers).map(({ name, first, paths }): LayerSize => {
    const { inFeatures, outFeatures, bias } = first;
    return { name: `${title} ${name}`, inFeatures, outFeatures, bias, layers: paths.length * blocks };
  });
  return { id, title, sizes };
}

/** BERT's and ViT's block. */
function encoder(hidden: number, feedForward: number): BlockLayer[] {
  return [
    layer("query", hidden, hidden),
    layer("key", hidden, hidden),
    layer("value", hidden, hidden),
    layer("output", hidden, hidden),
    layer("feed-forward up", hidden, feedForward),
    layer("feed-forward down", feedForward, hidden),
  ];
}

/** GPT-2's block: query, key and value are one layer. */
function gpt2(hidden: number): BlockLayer[] {
  return [
    layer("attn c_attn", hidden, 3 * hidden),
    layer("attn c_proj", hidden, hidden),
    layer("mlp c_fc", hidden, 4 * hidden),
    layer("mlp c_proj", 4 * hidden, hidden),
  ];
}

interface Decoder {
  readonly hidden: number;
  readonly feedForward: number;
  /** num_attention_heads · head_dim, where that is not the hidden size. */
  readonly query?: number;
  /** num_key_value_heads · head_dim */
  readonly keyValue: number;
  /** Of the query, key and value layers; no other layer has one. */
  readonly bias?: boolean;
}

/** Llama's and Qwen's block: grouped queries and a gated feed-forward. */
function decoder({ hidden, feedForward, query = hidden, keyValue, bias = false }: Decoder): BlockLayer[] {
  return [
    layer("q_proj", hidden, query, bias),
    layer("k_proj", hidden, keyValue, bias),
    layer("v_proj", hidden, keyValue, bias),
    layer("o_proj", query, hidden, false),
    layer("gate_proj", hidden, feedForward, false),
    layer("up_proj", hidden, feedForward, false),
    layer("down_proj", feedForward, hidden, false),
  ];
}

/** A block of Whisper's encoder and one of its decoder, which attends to itself and to the encoder. */
function whisper(hidden: number): BlockLayer[] {
  const attention = (where: string) => [
    layer(`${where}.q_proj`, hidden, hidden),
    layer(`${where}.k_proj`, hidden, hidden, false),
    layer(`${where}.v_proj`, hidden, hidden),
    layer(`${where}.out_proj`, hidden, hidden),
  ];
  const feedForward = (where: string) => [
    layer(`${where}.fc1`, hidden, 4 * hidden),
    layer(`${where}.fc2`, 4 * hidden, hidden),
  ];
  return [
    ...attention("encoder"),
    ...attention("decoder.self"),
    ...attention("decoder.cross"),
    ...feedForward("encoder"),
    ...feedForward("decoder"),
  ];
}

/**
 * The numbers are those of each model's config.json on huggingface.co, in the repository named in its line.
 * BERT-base, GPT-2, Llama-2-7B, ViT-base and Whisper-tiny are also what their configuration classes in transformers 5.18
 * say when they are given nothing. test/fixtures/sizes/make_known.py builds every model without its weights and checks
 * the number of its parameters.
 */
export const KNOWN_MODELS: readonly KnownModel[] = [
  known("bert-base", "BERT-base", 12, encoder(768, 3072)), // google-bert/bert-base-uncased
  known("bert-large", "BERT-large", 24, encoder(1024, 4096)), // google-bert/bert-large-uncased
  known("gpt2", "GPT-2", 12, gpt2(768)), // openai-community/gpt2
  known("gpt2-medium", "GPT-2 medium", 24, gpt2(1024)), // openai-community/gpt2-medium
  known("gpt2-large", "GPT-2 large", 36, gpt2(1280)), // openai-community/gpt2-large
  known("gpt2-xl", "GPT-2 XL", 48, gpt2(1600)), // openai-community/gpt2-xl
  // meta-llama/Llama-2-7b-hf, Llama-2-13b-hf, Llama-2-70b-hf
  known("llama-2-7b", "Llama-2-7B", 32, decoder({ hidden: 4096, feedForward: 11008, keyValue: 4096 })),
  known("llama-2-13b", "Llama-2-13B", 40, decoder({ hidden: 5120, feedForward: 13824, keyValue: 5120 })),
  known("llama-2-70b", "Llama-2-70B", 80, decoder({ hidden: 8192, feedForward: 28672, keyValue: 1024 })),
  // meta-llama/Llama-3.2-1B, Llama-3.2-3B, Meta-Llama-3-8B, Meta-Llama-3-70B
  known("llama-3.2-1b", "Llama-3.2-1B", 16, decoder({ hidden: 2048, feedForward: 8192, keyValue: 512 })),
  known("llama-3.2-3b", "Llama-3.2-3B", 28, decoder({ hidden: 3072, feedForward: 8192, keyValue: 1024 })),
  known("llama-3-8b", "Llama-3-8B", 32, decoder({ hidden: 4096, feedForward: 14336, keyValue: 1024 })),
  known("llama-3-70b", "Llama-3-70B", 80, decoder({ hidden: 8192, feedForward: 28672, keyValue: 1024 })),
  // Qwen/Qwen2.5-0.5B, Qwen2.5-1.5B, Qwen2.5-7B
  known("qwen2.5-0.5b", "Qwen2.5-0.5B", 24, decoder({ hidden: 896, feedForward: 4864, keyValue: 128, bias: true })),
  known("qwen2.5-1.5b", "Qwen2.5-1.5B", 28, decoder({ hidden: 1536, feedForward: 8960, keyValue: 256, bias: true })),
  known("qwen2.5-7b", "Qwen2.5-7B", 28, decoder({ hidden: 3584, feedForward: 18944, keyValue: 512, bias: true })),
  // Qwen/Qwen3-0.6B, Qwen3-8B
  known("qwen3-0.6b", "Qwen3-0.6B", 28, decoder({ hidden: 1024, feedForward: 3072, query: 2048, keyValue: 1024 })),
  known("qwen3-8b", "Qwen3-8B", 36, decoder({ hidden: 4096, feedForward: 12288, keyValue: 1024 })),
  known("vit-base", "ViT-base", 12, encoder(768, 3072)), // google/vit-base-patch16-224-in21k
  known("vit-large", "ViT-large", 24, encoder(1024, 4096)), // google/vit-large-patch16-224-in21k
  known("vit-huge", "ViT-huge", 32, encoder(1280, 5120)), // google/vit-huge-patch14-224-in21k
  // openai/whisper-tiny, -base, -small, -medium, -large-v3
  known("whisper-tiny", "Whisper tiny", 4, whisper(384)),
  known("whisper-base", "Whisper base", 6, whisper(512)),
  known("whisper-small", "Whisper small", 12, whisper(768)),
  known("whisper-medium", "Whisper medium", 24, whisper(1024)),
  known("whisper-large", "Whisper large", 32, whisper(1280)),
];

/** Compared when nobody names other sizes: the sizes that courses on LoRA compare. */
export const COMMON_SIZES: readonly LayerSize[] = [
  { name: "BERT-base attention", inFeatures: 768, outFeatures: 768 },
  { name: "BERT-base feed-forward", inFeatures: 768, outFeatures: 3072 },
  { name: "BERT-large attention", inFeatures: 1024, outFeatures: 1024 },
  { name: "BERT-large feed-forward", inFeatures: 1024, outFeatures: 4096 },
  { name: "Llama-3.2-1B query", inFeatures: 2048, outFeatures: 2048 },
];
