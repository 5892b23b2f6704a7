import { existsSync } from "node:fs";
import * as path from "node:path";
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILES } from "../../../protocol/lora";
import { convert } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { insideFolder, makeFolder } from "../../formats/files";
import { loadTensor, readHeader, writeSafetensors } from "../../formats/safetensors";
import type { Tensor, TensorRef } from "../../formats/tensor";
import { readTorchCheckpoint } from "../../formats/torchZip/checkpoint";
import type { ParameterInfo } from "../../readers/model";
import { readAdapterConfig, writeAdapterConfig } from "../config/adapterConfig";
import type { SavedConfig } from "../config/config";
import type { LayerAdapter } from "../variants/variant";

/**
 * An adapter's folder as PEFT saves and loads it: `adapter_config.json` and `adapter_model.safetensors`, or in older ones
 * `adapter_model.bin`, whose keys are the parameters' names behind a prefix that comes from PEFT wrapping the model twice.
 */

/** The older one is ignored if the first exists. */
const [WEIGHTS_FILE, OLD_WEIGHTS_FILE] = ADAPTER_WEIGHTS_FILES;
const PREFIX = "base_model.model.";

export interface Adapter {
  readonly config: SavedConfig;
  /** Float32 tensors by parameter name: `fc1.lora_A.weight`, [r, in], and `fc1.lora_B.weight`, [out, r]. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /**
   * Weights of the base that were saved with the adapter, by the name that they have in PEFT's model: an output head's
   * `lm_head.base_layer.weight`, an embedding's `embed_tokens.weight` (PEFT's `save_embedding_layers`).
   */
  readonly base: ReadonlyMap<string, TensorRef | Tensor>;
  /** The file that held the tensors. */
  readonly file: string;
}

/**
 * Saves an adapter into `folder`, which is made when needed; returns the absolute paths of the files written.
 * "all-linear" is written as the layers it stood for, as PEFT does: in a plain torch module PEFT cannot tell the output
 * head, would put an adapter on it too, and would find no tensors for that one.
 */
export async function saveAdapter(
  folder: string,
  config: SavedConfig,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<string[]> {
  const root = await makeFolder(folder);
  const weights = await insideFolder(root, WEIGHTS_FILE);
  const configuration = await insideFolder(root, ADAPTER_CONFIG_FILE);
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

/** Names of an adapter's tensors begin with `lora_` behind the path of their layer, whatever its variant. */
const ADAPTER_TENSOR = /(?:^|\.)lora_[^.]+(?:\.|$)/;

/** Paths of the layers that the tensors belong to, in their order. */
export function adaptedLayers(tensors: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...tensors.keys()].map((name) => name.replace(/\.lora_[^.]+(\.[^.]+)?$/, "")))];
}

/** The file with a folder's adapter weights, as PEFT chooses it; undefined when there is none. */
export function weightsFileIn(folder: string): string | undefined {
  return ADAPTER_WEIGHTS_FILES.map((name) => path.join(folder, name)).find((file) => existsSync(file));
}

/** An adapter's folder whose tensors have not been read. */
export interface AdapterFile {
  readonly config: SavedConfig;
  /** By the names that `Adapter` has them under. */
  readonly tensors: ReadonlyMap<string, TensorRef | Tensor>;
  readonly base: ReadonlyMap<string, TensorRef | Tensor>;
  readonly file: string;
}

/** Reads the configuration, and which tensors there are. */
export async function readAdapter(folder: string): Promise<AdapterFile> {
  const config = await readAdapterConfig(path.join(folder, ADAPTER_CONFIG_FILE));
  const file = weightsFileIn(folder);
  if (file === undefined) {
    throw new UserError(`${folder} holds no adapter weights: neither ${WEIGHTS_FILE} nor ${OLD_WEIGHTS_FILE}`, {
      file: folder,
    });
  }
  const isOld = path.basename(file) === OLD_WEIGHTS_FILE;
  const { tensors: stored } = isOld ? await readTorchCheckpoint(file) : await readHeader(file);
  const tensors = new Map<string, TensorRef | Tensor>();
  const base = new Map<string, TensorRef | Tensor>();
  for (const [key, value] of stored) {
    const name = parameterName(key, file);
    if (tensors.has(name) || base.has(name)) {
      throw new UserError(`${file} holds "${name}" twice; save it again`, { file });
    }
    (ADAPTER_TENSOR.test(name) ? tensors : base).set(name, value);
  }
  return { config, tensors, base, file };
}

/**
 * Loads an adapter from `folder`. Half-precision tensors become float32, as PEFT makes them. Whether they fit a model is
 * for `checkAdapter` to say.
 */
export async function loadAdapter(folder: string): Promise<Adapter> {
  const { tensors: stored, ...adapter } = await readAdapter(folder);
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of stored) tensors.set(name, convert(await loadTensor(value), "float32"));
  return { ...adapter, tensors };
}

/**
 * `base_model.model.fc1.lora_A.weight` to `fc1.lora_A.weight`. PEFT, too, takes keys that have the adapter's name inside,
 * if that is "default"; any other name it does not find.
 */
function parameterName(key: string, file: string): string {
  if (!key.startsWith(PREFIX)) {
    throw new UserError(`${file}: the key "${key}" does not begin with "${PREFIX}"; it is not a PEFT adapter`, {
      file,
    });
  }
  return key.slice(PREFIX.length).replace(/\.(lora_[^.]+)\.default(?=\.|$)/, ".$1");
}

/**
 * Throws a UserError unless the adapter has exactly the tensors that these targets need, each of its shape, and besides
 * only tensors of the base model. PEFT ignores keys it does not expect, and silently leaves a layer whose key is
 * missing unchanged.
 */
export function checkAdapter(
  adapter: Adapter,
  layers: readonly LayerAdapter[],
  stateDict: readonly ParameterInfo[] = [],
): void {
  const expected = new Map(
    layers.flatMap((one) => one.variant.tensors(one).map(({ name, shape }) => [name, shape] as const)),
  );
  const problems: string[] = [];
  const wrong = (name: string, shape: readonly number[], needed: readonly (number | undefined)[]) =>
    problems.push(`${name} is [${shape.join(", ")}] where [${needed.join(", ")}] is needed`);
  const missing = [...expected.keys()].filter((name) => !adapter.tensors.has(name));
  if (missing.length > 0) problems.push(`it lacks ${listed(missing)}`);
  const places = basePlaces(layers, stateDict);
  const unexpected = [
    ...[...adapter.tensors.keys()].filter((name) => !expected.has(name)),
    ...[...adapter.base.keys()].filter((name) => !places.has(name)),
  ];
  if (unexpected.length > 0) problems.push(`the model does not have ${listed(unexpected)}`);
  for (const [name, shape] of expected) {
    const found = adapter.tensors.get(name)?.shape;
    if (found && !same(found, shape)) wrong(name, found, shape);
  }
  for (const [name, { shape }] of adapter.base) {
    const place = places.get(name);
    if (place && !same(shape, place.shape)) wrong(name, shape, place.shape);
  }
  if (problems.length === 0) return;
  throw new UserError(
    `the adapter does not fit the model: ${problems.slice(0, 4).join("; ")}${problems.length > 4 ? `; and ${problems.length - 4} more` : ""}. Choose the model that it was trained on, and check that r and target_modules in its ${ADAPTER_CONFIG_FILE} are unchanged`,
  );
}

/**
 * Entries of the state dict by the names that PEFT's model has for them: a target's own tensors lie one deeper, in the
 * `base_layer` that its adapter wraps.
 */
export function basePlaces(
  layers: readonly LayerAdapter[],
  stateDict: readonly ParameterInfo[],
): ReadonlyMap<string, ParameterInfo> {
  const wrapped = new Set(layers.map(({ layer }) => layer.path));
  return new Map(
    stateDict.map((entry) => {
      const dot = entry.path.lastIndexOf(".");
      const [owner, name] = [entry.path.slice(0, Math.max(dot, 0)), entry.path.slice(dot + 1)];
      return [dot >= 0 && wrapped.has(owner) ? `${owner}.base_layer.${name}` : entry.path, entry];
    }),
  );
}

function same(shape: readonly number[], needed: readonly (number | undefined)[]): boolean {
  return shape.length === needed.length && shape.every((d, i) => d === needed[i]);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(", ");
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}
