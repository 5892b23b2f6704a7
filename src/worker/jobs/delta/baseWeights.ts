import type { StoredTensor } from "../../formats/tensor";
import { weightOf } from "../../lora/targets/layer";
import type { LayerAdapter } from "../../lora/variants/variant";
import { openWeights } from "../weights/open";
import { alignNames } from "../weights/weightNames";

/** The weights of an adapter's layers in a file of the base model, by the layer's path, as far as it has them in their sizes. */
export async function weightsOfLayers(
  path: string,
  layers: readonly LayerAdapter[],
): Promise<ReadonlyMap<string, StoredTensor>> {
  const { file, tensors } = await openWeights(path);
  const wanted = layers.map(({ layer }) => weightOf(layer).path);
  const { keys } = alignNames(wanted, [...tensors.keys()], file);
  return new Map(
    layers.flatMap(({ layer }): [string, StoredTensor][] => {
      const key = keys.get(weightOf(layer).path);
      const weight = key === undefined ? undefined : tensors.get(key);
      if (!weight || !isOfSize(weight.shape, layer.inFeatures, layer.outFeatures)) return [];
      return [[layer.path, weight]];
    }),
  );
}

/** [out, in], or [in, out] as HF's Conv1D has it. */
function isOfSize(shape: readonly number[], inFeatures: number, outFeatures: number): boolean {
  const [rows, columns] = shape;
  if (shape.length !== 2) return false;
  return (rows === outFeatures && columns === inFeatures) || (rows === inFeatures && columns === outFeatures);
}
