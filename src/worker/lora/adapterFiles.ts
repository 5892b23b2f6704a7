import * as path from "node:path";
import { convert } from "../formats/convert";
import { UserError } from "../formats/errors";
import { insideFolder, makeFolder } from "../formats/files";
import { readHeader, readTensors, writeSafetensors } from "../formats/safetensors";
import type { Tensor } from "../formats/tensor";
import { CONFIG_FILE, readAdapterConfig, writeAdapterConfig } from "./adapterConfig";
import type { LoraConfig } from "./config";
import { loraA, loraB } from "./names";

/**
 * An adapter's folder as PEFT saves and loads it: `adapter_config.json` and `adapter_model.safetensors`, whose keys are
 * the parameters' names behind a prefix that comes from PEFT wrapping the model twice.
 */

export const WEIGHTS_FILE = "adapter_model.safetensors";
const PREFIX = "base_model.model.";

export interface Adapter {
  readonly config: LoraConfig;
  /** Float32 tensors by parameter name: `fc1.lora_A.weight`, [r, in], and `fc1.lora_B.weight`, [out, r]. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** What must be known of a layer to check its adapter. */
export interface AdapterTarget {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/**
 * Saves an adapter into `folder`, which is made when needed; returns the absolute paths of the files written.
 * "all-linear" is written as the layers it stood for, as PEFT does: in a plain torch module PEFT cannot tell the output
 * head, would put an adapter on it too, and would find no tensors for that one.
 */
export async function saveAdapter(
  folder: string,
  config: LoraConfig,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<string[]> {
  const root = await makeFolder(folder);
  const weights = await insideFolder(root, WEIGHTS_FILE);
  const configuration = await insideFolder(root, CONFIG_FILE);
  const keyed = new Map([...tensors].map(([name, tensor]) => [PREFIX + name, tensor]));
  await writeSafetensors(weights, keyed, { format: "pt" });
  // PEFT, too, marks what it saves as made for inference; loading it to train on needs `is_trainable=True`.
  await writeAdapterConfig(configuration, {
    ...config,
    inference_mode: true,
    target_modules: config.target_modules === "all-linear" ? adaptedLayers(tensors) : config.target_modules,
  });
  return [configuration, weights];
}

/** Paths of the layers that the tensors belong to, in their order. */
function adaptedLayers(tensors: ReadonlyMap<string, Tensor>): string[] {
  const suffix = loraA("");
  return [...tensors.keys()].filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
}

/**
 * Loads an adapter from `folder`. Half-precision tensors become float32, as PEFT makes them. Whether they fit a model is
 * for `checkAdapter` to say.
 */
export async function loadAdapter(folder: string): Promise<Adapter> {
  const config = await readAdapterConfig(path.join(folder, CONFIG_FILE));
  const file = path.join(folder, WEIGHTS_FILE);
  const { tensors: refs } = await readHeader(file);
  const tensors = new Map<string, Tensor>();
  for (const [key, tensor] of await readTensors(refs)) {
    const name = parameterName(key, file);
    if (tensors.has(name)) throw new UserError(`${file} holds "${name}" twice; save it again`, { file });
    tensors.set(name, convert(tensor, "float32"));
  }
  return { config, tensors };
}

/** `base_model.model.fc1.lora_A.weight` to `fc1.lora_A.weight`; some tools leave the adapter's name "default" inside. */
function parameterName(key: string, file: string): string {
  if (!key.startsWith(PREFIX)) {
    throw new UserError(`${file}: the key "${key}" does not begin with "${PREFIX}"; it is not a PEFT adapter`, {
      file,
    });
  }
  return key.slice(PREFIX.length).replace(/\.(lora_[AB])\.default\./, ".$1.");
}

/**
 * Throws a UserError unless the adapter has exactly the tensors that these targets need, each of its shape. PEFT ignores
 * keys it does not expect, and a layer whose key is missing then stays as it was without a word.
 */
export function checkAdapter(adapter: Adapter, targets: readonly AdapterTarget[]): void {
  const { r } = adapter.config;
  const expected = new Map<string, readonly [number, number]>();
  for (const { path: layer, inFeatures, outFeatures } of targets) {
    expected.set(loraA(layer), [r, inFeatures]);
    expected.set(loraB(layer), [outFeatures, r]);
  }
  const problems: string[] = [];
  const missing = [...expected.keys()].filter((name) => !adapter.tensors.has(name));
  if (missing.length > 0) problems.push(`it lacks ${listed(missing)}`);
  const unexpected = [...adapter.tensors.keys()].filter((name) => !expected.has(name));
  if (unexpected.length > 0) problems.push(`the model has no place for ${listed(unexpected)}`);
  for (const [name, shape] of expected) {
    const found = adapter.tensors.get(name)?.shape;
    if (found && (found.length !== 2 || found[0] !== shape[0] || found[1] !== shape[1])) {
      problems.push(`${name} is [${found.join(", ")}] where [${shape.join(", ")}] is needed`);
    }
  }
  if (problems.length === 0) return;
  throw new UserError(
    `the adapter does not fit the model: ${problems.slice(0, 4).join("; ")}${problems.length > 4 ? `; and ${problems.length - 4} more` : ""}. Choose the model it was trained on, and see that r and target_modules in its ${CONFIG_FILE} are unchanged`,
  );
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(", ");
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}
