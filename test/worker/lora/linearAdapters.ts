import type { LoraConfig } from "../../../src/worker/lora/config/config";
import { resolveAll } from "../../../src/worker/lora/variants/resolve";
import type { AdaptedLayer, LayerAdapter } from "../../../src/worker/lora/variants/variant";

/** What a configuration gives linear layers. */
export function linearAdapters(config: LoraConfig, ...layers: readonly Omit<AdaptedLayer, "kind">[]): LayerAdapter[] {
  return resolveAll(
    config,
    layers.map((layer) => ({ ...layer, kind: "Linear" })),
  );
}
