import { sizeOf } from "../../formats/tensor";
import type { LoraConfig } from "../config/config";
import { resolveAll } from "./resolve";
import type { AdaptedLayer, AdapterTensor, LayerAdapter } from "./variant";

/** What an adapter costs and saves at one linear layer. All counts are numbers of scalars unless they say bytes. */
export interface LayerCost {
  /** in * out, and out more with a bias. */
  readonly full: number;
  /** Scalars of the adapter that are trained. */
  readonly lora: number;
  /** full / lora: the layer's parameters, bias included, over the adapter's. */
  readonly reduction: number;
}

/** A layer whose cost is counted. */
export type CostedLayer = AdaptedLayer & { readonly bias: boolean };

export function layerCost(layer: CostedLayer, config: LoraConfig): LayerCost {
  return layerCosts([layer], config)[0]!;
}

/** Of each of the layers. */
export function layerCosts(layers: readonly CostedLayer[], config: LoraConfig): LayerCost[] {
  return resolveAll(config, layers).map((adapter, i) => {
    const { inFeatures, outFeatures, bias } = layers[i]!;
    const full = inFeatures * outFeatures + (bias ? outFeatures : 0);
    const lora = trainedScalars(adapter);
    return { full, lora, reduction: full / lora };
  });
}

function trainedScalars(adapter: LayerAdapter): number {
  return trainedTensors(adapter).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

function trainedTensors(adapter: LayerAdapter): AdapterTensor[] {
  return adapter.variant.tensors(adapter).filter((tensor) => tensor.trained);
}

/** Names of the adapters' tensors that are trained. */
export function trainedNames(adapters: readonly LayerAdapter[]): string[] {
  return adapters.flatMap((adapter) => trainedTensors(adapter).map(({ name }) => name));
}

/** Bytes of the adapter as stored in float32. */
export function adapterBytes(parameters: number): number {
  return parameters * 4;
}

/** Bytes of the adapter as stored in float16 or bfloat16. */
export function halfPrecisionBytes(parameters: number): number {
  return parameters * 2;
}

/** Bytes of Adam's state: two float32 moments for each trained scalar. */
export function optimizerBytes(parameters: number): number {
  return 2 * adapterBytes(parameters);
}

/** The rank from which the adapter trains as many scalars as the layer has: what it trains grows evenly with the rank. */
export function breakEvenRank(layer: CostedLayer, config: LoraConfig): number {
  const [one, two] = [1, 2].map((r) => layerCost(layer, { ...config, r })) as [LayerCost, LayerCost];
  const each = two.lora - one.lora;
  return (one.full - (one.lora - each)) / each;
}
