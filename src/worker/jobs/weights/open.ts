import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ParameterValue } from "../../engines/engine";
import { UserError } from "../../formats/errors";
import { insideFolder, isObject, readJsonObject } from "../../formats/files";
import { readHeader } from "../../formats/safetensors";
import { readTorchCheckpoint } from "../../formats/torchZip/checkpoint";

/** A weights file of any kind, under the keys that it has itself. */
export interface WeightsFile {
  /** The file, or the index of shards. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, ParameterValue>;
  /** In words: the file, and where in it the state dict is. */
  readonly from: string;
  /** Metadata of a safetensors file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a folder's weights are called, the preferred first: Hugging Face's names, then PyTorch's usual ones. */
const NAMES = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
] as const;

const TORCH_FILE = /\.(pt|pth|bin|ckpt)$/i;
const SAFETENSORS_FILE = /\.safetensors(\.index\.json)?$/i;
const INDEX = /\.index\.json$/i;
/** Files that training leaves beside the weights and that are none of the model's. */
const NOT_WEIGHTS = /^(adapter_|optimizer|scheduler|scaler|training_args|rng_state)/i;

const MAX_INDEX_BYTES = 25_000_000;
/** Shards of the largest models are some 200. */
const MAX_SHARDS = 5000;

/** Whether the name is one of PyTorch's weights: another reader's own formats are not. */
export function isTorchWeights(file: string): boolean {
  return TORCH_FILE.test(file) || SAFETENSORS_FILE.test(file) || INDEX.test(file);
}

/**
 * Weights of a `.safetensors` file, of a `.pt`, `.pth`, `.bin` or `.ckpt` file of torch.save, of an index of shards of
 * either, or of a folder that holds one of these. Throws a UserError that says what was found instead.
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  const file = await fileOf(path);
  if (INDEX.test(file) && !SAFETENSORS_FILE.test(file)) return readTorchIndex(file);
  if (SAFETENSORS_FILE.test(file)) {
    const { tensors, metadata } = await readHeader(file);
    return { file, tensors, from: file, metadata };
  }
  if (TORCH_FILE.test(file)) {
    const { tensors, within } = await readTorchCheckpoint(file);
    return { file, tensors, from: within === undefined ? file : `${file}, its "${within}"`, metadata: {} };
  }
  throw new UserError(
    `${file} is no weights file by its name; weights are read from .safetensors, .pt, .pth, .bin and .ckpt files, their .index.json, or a folder with one of them`,
    { file },
  );
}

/** The file itself, or the weights file of a folder. */
async function fileOf(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const file = await weightsIn(path);
  if (file !== undefined) return file;
  throw new UserError(
    `the folder ${path} holds no weights: no ${NAMES.join(", ")}, nor another .safetensors, .pt or .pth file`,
    { file: path },
  );
}

/** The weights file of a folder; undefined when it has none. Throws a UserError when it is not clear which it is. */
export async function weightsIn(folder: string): Promise<string | undefined> {
  const names = new Set(await readdir(folder));
  const usual = NAMES.find((name) => names.has(name));
  if (usual !== undefined) return join(folder, usual);
  const others = [...names].filter((name) => !NOT_WEIGHTS.test(name) && isTorchWeights(name)).sort();
  if (others.length <= 1) return others[0] && join(folder, others[0]);
  throw new UserError(
    `the folder ${folder} holds ${others.length} weights files (${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}); choose one of them`,
    { file: folder },
  );
}

/** A path that is nothing is reported by whoever opens it. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return false;
  }
}

/** `pytorch_model.bin.index.json`: each tensor's shard by name, the shards in the same folder. */
async function readTorchIndex(file: string): Promise<WeightsFile> {
  const { weight_map: map } = await readJsonObject(file, MAX_INDEX_BYTES, "an index of shards is never that large");
  if (!isObject(map))
    throw new UserError(`${file} has no "weight_map" that says which shard holds each tensor`, { file });
  const shards = new Map<string, ReadonlyMap<string, ParameterValue>>();
  const tensors = new Map<string, ParameterValue>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string") throw new UserError(`${file}: the shard of "${name}" is not a file name`, { file });
    let held = shards.get(shard);
    if (!held) {
      if (shards.size >= MAX_SHARDS) throw new UserError(`${file} names more than ${MAX_SHARDS} shards`, { file });
      held = (await readTorchCheckpoint(await insideFolder(dirname(file), shard))).tensors;
      shards.set(shard, held);
    }
    const value = held.get(name);
    if (!value) {
      throw new UserError(`${file} says that "${name}" is in ${basename(shard)}, but it is not; download both again`, {
        file,
      });
    }
    tensors.set(name, value);
  }
  return { file, tensors, from: file, metadata: {} };
}
