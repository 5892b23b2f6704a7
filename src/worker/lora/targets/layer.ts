import type { LayerWeight } from "../../readers/model";

/** A layer's weight: [out, in] at `path.weight`, as torch's Linear has it, unless the layer says otherwise. */
export function weightOf(layer: { readonly path: string; readonly weight?: LayerWeight }): LayerWeight {
  return layer.weight ?? { path: `${layer.path}.weight`, fanInFanOut: false };
}
