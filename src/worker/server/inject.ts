import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import type { InjectParams } from "../../protocol/messages";
import type { InjectionSummary } from "../../protocol/reports";
import { readJsonObject } from "../formats/files";
import { writeAdapterConfig } from "../lora/adapterConfig";
import type { LoraConfig } from "../lora/config";
import { configFor, injectionSummary } from "../lora/injection";
import { matchesSuffix } from "../lora/targets";
import { type Model, walkModules } from "../readers/model";
import { chooseModel, openChosen } from "../readers/open";

const MAX_CONFIG_BYTES = 1_000_000;

/** What the choice costs, after writing it to `saveTo` when that is given. */
export async function inject({ model, adapter, layers, saveTo }: InjectParams): Promise<InjectionSummary> {
  const chosen = chooseModel(await openChosen(model), model.class);
  const config = configFor(layers ? { ...adapter, targetModules: targetModules(chosen, layers) } : adapter);
  const summary = injectionSummary(chosen, config);
  if (saveTo !== undefined) await save(saveTo, config, chosen);
  return summary;
}

/** Keeps an existing file's fields that the configuration does not have. */
async function save(file: string, config: LoraConfig, model: Model): Promise<void> {
  const existing = existsSync(file)
    ? await readJsonObject(file, MAX_CONFIG_BYTES, "an adapter's configuration is a page of text")
    : {};
  await mkdir(dirname(file), { recursive: true });
  await writeAdapterConfig(file, {
    ...existing,
    ...config,
    // PEFT's own note of what an adapter belongs to.
    auto_mapping: { base_model_class: model.className, parent_library: basename(model.file, extname(model.file)) },
  });
}

/**
 * Target modules that match the given layers and no other module of the model: names where they suffice, else a
 * regular expression for the whole path. PEFT matches a list by path suffix, so `fc` would take `block.fc` with it.
 */
export function targetModules(model: Pick<Model, "root">, layers: readonly string[]): readonly string[] | string {
  const all = [...walkModules(model.root)].map((module) => module.path);
  const wanted = new Set(layers);
  const exact = (names: readonly string[]) => all.every((path) => matchesSuffix(path, names) === wanted.has(path));
  const names = [
    ...new Set(
      layers.map((path) => {
        const name = path.split(".").at(-1)!;
        return all.every((other) => !matchesSuffix(other, [name]) || wanted.has(other)) ? name : path;
      }),
    ),
  ];
  if (exact(names)) return names;
  return layers.map((path) => path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
}
