/** What LoRA costs and saves at one Linear layer. All counts are numbers of scalars; bytes are said to be bytes. */
export interface LayerCost {
  /** in * out, and out more with a bias. */
  readonly full: number;
  /** r * (in + out). */
  readonly lora: number;
  /** full / lora: the layer's parameters, bias included, over LoRA's. */
  readonly reduction: number;
}

export interface LinearShape {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

/** Counts for a rank-r adapter: A is [r, in] and B is [out, r] (LoRA, arXiv 2106.09685, section 4.1). */
export function layerCost({ inFeatures, outFeatures, bias }: LinearShape, rank: number): LayerCost {
  const full = inFeatures * outFeatures + (bias ? outFeatures : 0);
  const lora = rank * (inFeatures + outFeatures);
  return { full, lora, reduction: full / lora };
}

/** Bytes of the adapter as stored in float32. */
export function adapterBytes(parameters: number): number {
  return parameters * 4;
}

/** The rank from which LoRA trains as many scalars as the layer has. */
export function breakEvenRank(shape: LinearShape): number {
  return layerCost(shape, 1).reduction;
}
