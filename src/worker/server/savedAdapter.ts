import { existsSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_CONFIG_FILE } from "../../protocol/lora";
import type { AdapterResult } from "../../protocol/messages";
import { weightsFileIn } from "../lora/adapter/adapterFiles";
import { readAdapterConfig } from "../lora/config/adapterConfig";

/** The configuration kept in a folder, or null when it has no adapter_config.json. */
export async function adapterIn(folder: string): Promise<AdapterResult | null> {
  const file = join(folder, ADAPTER_CONFIG_FILE);
  if (!existsSync(file)) return null;
  const config = await readAdapterConfig(file);
  const mapping = config.auto_mapping as { readonly base_model_class?: unknown } | null | undefined;
  const owner = mapping?.base_model_class;
  return {
    adapter: config,
    class: typeof owner === "string" ? owner : null,
    trained: weightsFileIn(folder) !== undefined,
  };
}
