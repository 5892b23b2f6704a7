import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import type { LoraConfig } from "../../protocol/lora";
import type { InjectParams } from "../../protocol/messages";
import type { InjectionSummary } from "../../protocol/reports";
import { readJsonObject } from "../formats/files";
import { injectionFor } from "../lora/adapter/injection";
import { writeAdapterConfig } from "../lora/config/adapterConfig";
import { withLayers } from "../lora/targets/chosen";
import { layerUses } from "../lora/targets/uses";
import type { ReaderMemory } from "../readers/memory";
import type { Model } from "../readers/model";
import { chooseModel, openChosen } from "../readers/open";

const MAX_CONFIG_BYTES = 1_000_000;

/** Prices the configuration, after writing it to `saveTo` if given. */
export async function inject(
  { model, adapter, layers, exclude, saveTo }: InjectParams,
  memory?: ReaderMemory,
): Promise<InjectionSummary> {
  const chosen = chooseModel(await openChosen(model, memory), model.class);
  const given = layers ? { ...withLayers(chosen, adapter, layers), exclude_modules: exclude ?? null } : adapter;
  const { config, summary } = injectionFor(chosen, given, layerUses(chosen));
  if (saveTo !== undefined) await save(saveTo, config, chosen);
  return summary;
}

/** Keeps an existing file's fields that the configuration does not have. */
async function save(file: string, config: LoraConfig, model: Model): Promise<void> {
  const existing = existsSync(file)
    ? await readJsonObject(file, MAX_CONFIG_BYTES, "an adapter's configuration is far smaller")
    : {};
  await mkdir(dirname(file), { recursive: true });
  await writeAdapterConfig(file, {
    ...existing,
    ...config,
    // PEFT's own note of what an adapter belongs to.
    auto_mapping: { base_model_class: model.className, parent_library: basename(model.file, extname(model.file)) },
  });
}
