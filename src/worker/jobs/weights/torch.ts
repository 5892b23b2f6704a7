import { basename, dirname } from "node:path";
import type { ParameterValue } from "../../engines/engine";
import { UserError } from "../../formats/errors";
import { insideFolder, isObject, readJsonObject } from "../../formats/files";
import { readTorchCheckpoint } from "../../formats/torchZip/checkpoint";
import type { WeightFormat, WeightsFile } from "./weightFormat";

const INDEX = /\.index\.json$/i;
const MAX_INDEX_BYTES = 25_000_000;
/** Shards of the largest models are some 200. */
const MAX_SHARDS = 5000;

/** Files of torch.save. */
export const TORCH: WeightFormat = {
  name: "PyTorch",
  endings: [".pt", ".pth", ".bin"],
  rareEndings: [".ckpt"],
  indexEndings: [".bin.index.json"],
  usualNames: ["pytorch_model.bin", "pytorch_model.bin.index.json"],
  models: ["pytorch"],
  async open(file) {
    if (INDEX.test(file)) return readIndex(file);
    const { tensors, within } = await readTorchCheckpoint(file);
    return { file, tensors, from: within === undefined ? file : `${file}, its "${within}"`, metadata: {} };
  },
};

/** `pytorch_model.bin.index.json`: each tensor's shard by name, the shards in the same folder. */
async function readIndex(file: string): Promise<WeightsFile> {
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
