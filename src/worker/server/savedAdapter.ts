import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AdapterResult } from "../../protocol/messages";
import { weightsFileIn } from "../lora/adapter/adapterFiles";
import { CONFIG_FILE, readAdapterConfig } from "../lora/config/adapterConfig";

/** The choice kept in a folder, or null when it has no adapter_config.json. */
export async function adapterIn(folder: string): Promise<AdapterResult | null> {
  const file = join(folder, CONFIG_FILE);
  if (!existsSync(file)) return null;
  const config = await readAdapterConfig(file);
  const mapping = config.auto_mapping as { readonly base_model_class?: unknown } | null | undefined;
  const owner = mapping?.base_model_class;
  return {
    adapter: {
      rank: config.r,
      alpha: config.lora_alpha,
      dropout: config.lora_dropout,
      ...(config.target_modules === null ? {} : { targetModules: config.target_modules }),
      ...(config.exclude_modules === null ? {} : { excludeModules: config.exclude_modules }),
      rslora: config.use_rslora,
    },
    class: typeof owner === "string" ? owner : null,
    trained: weightsFileIn(folder) !== undefined,
  };
}
