import type { ComparedRank, ComparedSize, LayerSize, SizeRow } from "../../../protocol/reports/sizes";
import { loraConfig } from "../config/config";
import {
  adapterBytes,
  breakEvenRank,
  type CostedLayer,
  halfPrecisionBytes,
  layerCost,
  optimizerBytes,
} from "../variants/costs";
import { resolve } from "../variants/resolve";

/** What LoRA costs at a linear layer of one size, at each of the ranks. `alpha`: twice the rank when left out. */
export function sizeRows(size: LayerSize, ranks: readonly number[], alpha?: number): SizeRow[] {
  const layer = linear(size);
  const plain = layerCost({ ...layer, bias: false }, loraConfig()).full;
  const biased = layerCost({ ...layer, bias: true }, loraConfig()).full;
  return ranks.map((rank) => {
    const config = loraConfig({ r: rank, ...(alpha !== undefined && { lora_alpha: alpha }) });
    const { full, lora, reduction } = layerCost(layer, config);
    return {
      name: size.name ?? null,
      layers: size.layers ?? null,
      inFeatures: layer.inFeatures,
      outFeatures: layer.outFeatures,
      bias: layer.bias,
      rank,
      parameters: full,
      parametersWithoutBias: plain,
      parametersWithBias: biased,
      loraParameters: lora,
      reduction,
      alpha: config.lora_alpha,
      scaling: resolve(config, layer).scaling,
      adapterBytes: adapterBytes(lora),
      adapterBytesHalf: halfPrecisionBytes(lora),
      optimizerBytes: optimizerBytes(lora),
      breakEvenRank: breakEvenRank(layer, config),
    };
  });
}

/** The size itself, with the adapter's cost over ranks until it has passed the layer's own. */
export function comparedSize(size: LayerSize): ComparedSize {
  const layer = linear(size);
  const config = loraConfig();
  const breakEven = breakEvenRank(layer, config);
  const ranks = [1];
  while (ranks.at(-1)! < 2 * breakEven) ranks.push(2 * ranks.at(-1)!);
  return {
    name: size.name ?? null,
    inFeatures: layer.inFeatures,
    outFeatures: layer.outFeatures,
    bias: layer.bias,
    layers: size.layers ?? null,
    parameters: layerCost(layer, config).full,
    breakEvenRank: breakEven,
    curve: ranks.map((r) => ({ rank: r, loraParameters: layerCost(layer, { ...config, r }).lora })),
  };
}

export function comparedRank(rank: number): ComparedRank {
  const layer = linear({ inFeatures: 1, outFeatures: 1 });
  return { rank, scalingPerAlpha: resolve(loraConfig({ r: rank, lora_alpha: 1 }), layer).scaling };
}

function linear({ inFeatures, outFeatures, bias = true }: LayerSize): CostedLayer {
  return { path: "layer", kind: "Linear", inFeatures, outFeatures, bias };
}
