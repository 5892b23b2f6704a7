import { dirname } from "node:path";
import { UserError } from "../../formats/errors";
import { isObject, readBytes, readJsonObject } from "../../formats/files";
import { Hdf5, type Hdf5Dataset, MAX_HDF5_BYTES } from "../../formats/hdf5";
import type { Tensor } from "../../formats/tensor";
import { readTfjsWeights } from "../../formats/tfjsWeights";
import { sameShape, shapeText } from "../../graph/shapes";
import { archiveMember, isHdf5, isKerasArchive } from "./archive";
import type { KerasWeight, Layer } from "./layer";

/** Weights of Keras and TensorFlow.js files, paired with a model's layers. */

const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

interface Slot {
  readonly layer: Layer;
  readonly weight: KerasWeight;
  /** Position among its own layer's weights. */
  readonly index: number;
}

/** Values by state-dict path, from a model.json, .keras, .h5 or .weights.h5 file. Throws when one is missing. */
export async function readKerasWeights(layers: Layer, file: string): Promise<Map<string, Tensor>> {
  if (isKerasArchive(file)) {
    const bytes = await archiveMember(file, "model.weights.h5", MAX_HDF5_BYTES);
    if (!bytes) throw new UserError(`${file} holds no model.weights.h5`, { file });
    return fromHdf5(layers, file, bytes);
  }
  if (isHdf5(file)) return fromHdf5(layers, file, await readBytes(file, MAX_HDF5_BYTES, "larger models are not read"));
  const json = await readJsonObject(file, MAX_MANIFEST_BYTES, "a model's JSON is smaller");
  const stored = await readTfjsWeights(file, dirname(file), json.weightsManifest);
  return byName(
    file,
    [...layers.allWeights()],
    [...stored].map(([name, tensor]) => [name, { shape: tensor.shape, read: () => tensor }]),
  );
}

/** Whether a model's JSON says where its weights lie. */
export function hasManifest(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && Array.isArray(value.weightsManifest) && value.weightsManifest.length > 0;
  } catch {
    // Python writes NaN and Infinity, which a model with weights beside it does not need.
    return false;
  }
}

function fromHdf5(layers: Layer, file: string, bytes: Uint8Array): Promise<Map<string, Tensor>> {
  return Hdf5.read(file, bytes, (hdf5) => {
    for (const group of ["/model_weights", "/"]) {
      const names = hdf5.texts(group, "layer_names");
      if (names) return fromKeras2(layers, file, hdf5, group === "/" ? "" : group, names);
    }
    return fromKeras3(layers, file, hdf5);
  });
}

/** Keras 3: each layer's weights lie under its checkpoint path, numbered. */
function fromKeras3(layers: Layer, file: string, hdf5: Hdf5): Map<string, Tensor> {
  // Keras 2.13 to 2.15 wrote this layout under another name.
  const old = hdf5.children("/").includes("_layer_checkpoint_dependencies");
  const values = new Map<string, Tensor>();
  for (const { layer, weight, index } of layers.allWeights()) {
    const { checkpoint } = layer.identity;
    const path = old ? checkpoint.replaceAll(/(^|\/)layers\//g, "$1_layer_checkpoint_dependencies/") : checkpoint;
    const at = `/${path}/vars/${index}`;
    const dataset = hdf5.dataset(at);
    if (!dataset)
      throw new UserError(`${file} lacks "${weight.path}" (${at.slice(1)}); these weights belong to another model`, {
        file,
      });
    values.set(weight.path, checked(file, weight, dataset, at));
  }
  return values;
}

/** Keras 2: a group a layer of the outermost model, with the names of its weights in order. */
function fromKeras2(
  layers: Layer,
  file: string,
  hdf5: Hdf5,
  group: string,
  names: readonly string[],
): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  for (const child of layers.children) {
    const slots = [...child.allWeights()];
    if (slots.length === 0) continue;
    const { name } = child.identity;
    if (!names.includes(name)) {
      throw new UserError(`${file} has no layer "${name}"; it has ${names.slice(0, 8).join(", ")}`, { file });
    }
    const stored = (hdf5.texts(`${group}/${name}`, "weight_names") ?? []).map((weight): [string, Hdf5Dataset] => {
      const dataset = hdf5.dataset(`${group}/${name}/${weight}`);
      if (!dataset) throw new UserError(`${file} lacks "${weight}", which it lists`, { file });
      return [weight, dataset];
    });
    for (const [path, tensor] of byName(file, slots, stored)) values.set(path, tensor);
  }
  return values;
}

/**
 * Pairs weights with stored names: `dense/kernel`, `inner/dense/kernel`, `lstm/lstm_cell/kernel:0`. A stored name fits
 * when its last part is the weight's and its other parts name the layer; what is left over is paired in order, as
 * Keras itself pairs weights, when all shapes agree.
 */
function byName(
  file: string,
  slots: readonly Slot[],
  stored: readonly (readonly [string, Hdf5Dataset])[],
): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  const left = new Map(stored.map(([name, dataset]) => [name.replace(/:0$/, ""), dataset]));
  const open: Slot[] = [];
  for (const slot of slots) {
    const name = namesOf(slot).find((candidate) => left.has(candidate));
    if (name === undefined) {
      open.push(slot);
      continue;
    }
    values.set(slot.weight.path, checked(file, slot.weight, left.get(name)!, name));
    left.delete(name);
  }
  const rest = [...left];
  if (
    open.length > rest.length ||
    (open.length > 0 && !open.every(({ weight }, i) => sameShape(weight.shape, rest[i]![1].shape)))
  ) {
    const missing = open
      .slice(0, 3)
      .map(({ weight }) => `"${weight.path}"`)
      .join(", ");
    const extra = rest
      .slice(0, 3)
      .map(([name]) => `"${name}"`)
      .join(", ");
    throw new UserError(
      `${file} lacks ${missing}${open.length > 3 ? ` and ${open.length - 3} more` : ""}${extra ? ` and holds ${extra} that the model does not have` : ""}`,
      { file },
    );
  }
  open.forEach(({ weight }, i) => {
    values.set(weight.path, checked(file, weight, rest[i]![1], rest[i]![0]));
  });
  return values;
}

/** The names under which Keras 2 and 3 and TensorFlow.js write the weight, the longest first. */
function namesOf({ weight }: Slot): string[] {
  const parts = weight.path.split(".");
  const tails = parts.slice(0, -1).map((_, i) => parts.slice(i).join("/"));
  // A recurrent layer's cell is named for its class: lstm/lstm_cell/kernel. TensorFlow.js leaves it out.
  const cell = parts.at(-2) === "cell" ? parts.slice(0, -2) : undefined;
  const kind = cell && [
    `${cell.join("/")}/${weight.name}`,
    ...["lstm_cell", "gru_cell", "simple_rnn_cell"].map((k) => `${cell.join("/")}/${k}/${weight.name}`),
  ];
  return [...tails, ...(kind ?? [])];
}

/** The stored values, read only when their shape is the weight's. */
function checked(file: string, weight: KerasWeight, stored: Hdf5Dataset, name: string): Tensor {
  if (sameShape(stored.shape, weight.shape)) return stored.read();
  throw new UserError(
    `${file}: "${name}" has shape ${shapeText(stored.shape)}, but ${weight.path} has ${shapeText(weight.shape)}; these weights belong to a model of another size`,
    { file },
  );
}
