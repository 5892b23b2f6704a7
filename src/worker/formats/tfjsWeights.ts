import { join } from "node:path";
import { convert } from "./convert";
import { UserError } from "./errors";
import { insideFolder, isObject, readBytes } from "./files";
import { float32, sizeOf, type Tensor, tensorFromBytes } from "./tensor";

/**
 * TensorFlow.js's weights: a manifest of groups; a group's tensors lie one after another in the concatenation of its
 * shard files, so that a tensor may span two. The files are named by the model and are not trusted.
 */

interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization: { readonly dtype: string; readonly scale: number; readonly min: number } | undefined;
}

interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

const MAX_GROUPS = 10_000;
const MAX_WEIGHTS = 100_000;
const MAX_SHARD_BYTES = 2 ** 31;
const MAX_TOTAL_BYTES = 2 ** 33;

/** Bytes of an element as stored. */
const WIDTHS: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, float16: 2, uint8: 1, uint16: 2 };

/** Reads every tensor of the manifest, as float32 but for int32 and bool ones, in the manifest's order. */
export async function readTfjsWeights(
  file: string,
  folder: string,
  manifest: unknown,
  name: (path: string) => Promise<string> = (path) => insideFolder(folder, path),
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  let total = 0;
  for (const group of groupsOf(file, manifest)) {
    const shards: Uint8Array[] = [];
    for (const path of group.paths) {
      const shard = await readBytes(
        await name(path),
        MAX_SHARD_BYTES,
        "a shard of a TensorFlow.js model is far smaller",
      );
      total += shard.length;
      if (total > MAX_TOTAL_BYTES)
        throw new UserError(`the weights of ${file} have more than ${MAX_TOTAL_BYTES} bytes`);
      shards.push(shard);
    }
    const bytes = shards.length === 1 ? shards[0]! : Buffer.concat(shards);
    let offset = 0;
    for (const weight of group.weights) {
      const stored = weight.quantization?.dtype ?? weight.dtype;
      const width = WIDTHS[stored];
      if (width === undefined) throw bad(file, `"${weight.name}" is ${stored}, which is not supported`);
      const length = sizeOf(weight.shape) * width;
      if (offset + length > bytes.length) {
        throw bad(file, `"${weight.name}" reaches beyond the end of ${group.paths.join(", ")}`);
      }
      if (tensors.has(weight.name)) throw bad(file, `"${weight.name}" is in the manifest twice`);
      tensors.set(weight.name, decode(weight, stored, bytes.subarray(offset, offset + length)));
      offset += length;
    }
    if (offset !== bytes.length) {
      throw bad(file, `${join(...group.paths)} holds ${bytes.length} bytes, but the manifest describes ${offset}`);
    }
  }
  return tensors;
}

/** value = scale * stored + min; float16 is widened (TensorFlow.js's converter's quantization). */
function decode({ shape, dtype, quantization }: WeightEntry, stored: string, bytes: Uint8Array): Tensor {
  if (stored === "uint8" || stored === "uint16") {
    const raw = stored === "uint8" ? bytes : new Uint16Array(bytes.slice().buffer);
    const values = new Float32Array(raw.length);
    const { scale, min } = quantization ?? { scale: 1, min: 0 };
    for (let i = 0; i < raw.length; i++) values[i] = raw[i]! * scale + min;
    const tensor = float32(shape, values);
    return dtype === "int32" ? convert(float32(shape, values.map(Math.round)), "int32") : tensor;
  }
  const tensor = tensorFromBytes(stored as "float32" | "int32" | "bool" | "float16", shape, bytes);
  return stored === "float16" ? convert(tensor, "float32") : tensor;
}

function groupsOf(file: string, manifest: unknown): WeightGroup[] {
  if (!Array.isArray(manifest)) throw bad(file, "it has no weightsManifest");
  if (manifest.length > MAX_GROUPS) throw bad(file, `its weightsManifest has more than ${MAX_GROUPS} groups`);
  let count = 0;
  return manifest.map((group: unknown): WeightGroup => {
    const paths = isObject(group) ? group.paths : undefined;
    const weights = isObject(group) ? group.weights : undefined;
    if (!Array.isArray(paths) || !Array.isArray(weights) || paths.some((path) => typeof path !== "string")) {
      throw bad(file, "a group of its weightsManifest lacks paths or weights");
    }
    count += weights.length + paths.length;
    if (count > MAX_WEIGHTS) throw bad(file, `its weightsManifest has more than ${MAX_WEIGHTS} entries`);
    return { paths: paths as string[], weights: weights.map((weight) => entryOf(file, weight)) };
  });
}

function entryOf(file: string, value: unknown): WeightEntry {
  if (!isObject(value) || typeof value.name !== "string") throw bad(file, "a weight of its manifest has no name");
  const { name, shape, dtype, quantization } = value;
  const isDim = (dim: unknown): dim is number => typeof dim === "number" && Number.isInteger(dim) && dim >= 0;
  if (!Array.isArray(shape) || !shape.every(isDim) || !(sizeOf(shape) < MAX_SHARD_BYTES) || typeof dtype !== "string") {
    throw bad(file, `"${name}" has no valid shape and dtype`);
  }
  if (quantization === undefined) return { name, shape, dtype, quantization: undefined };
  if (!isObject(quantization) || typeof quantization.dtype !== "string")
    throw bad(file, `"${name}" has no valid quantization`);
  const { scale = 1, min = 0 } = quantization;
  if (typeof scale !== "number" || typeof min !== "number") throw bad(file, `"${name}" has no valid quantization`);
  return { name, shape, dtype, quantization: { dtype: quantization.dtype, scale, min } };
}

function bad(file: string, what: string): UserError {
  return new UserError(`${file}: ${what}`, { file });
}
