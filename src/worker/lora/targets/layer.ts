import type { LayerWeight } from "../../readers/model";

/** State-dict paths of an adapter's two matrices: A is [r, in], B is [out, r]. */
export const loraA = (path: string): string => `${path}.lora_A.weight`;
export const loraB = (path: string): string => `${path}.lora_B.weight`;

/** A layer's weight: [out, in] at `path.weight`, as torch's Linear has it, unless the layer says otherwise. */
export function weightOf(layer: { readonly path: string; readonly weight?: LayerWeight }): LayerWeight {
  return layer.weight ?? { path: `${layer.path}.weight`, fanInFanOut: false };
}
