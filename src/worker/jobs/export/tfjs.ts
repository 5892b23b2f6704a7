import { basename, dirname, join } from "node:path";
import type { MergeReport } from "../../../protocol/reports";
import type { ParameterValue } from "../../engines/engine";
import type { LayersModel } from "../../engines/tfjs/layersModel";
import { toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { makeFolder, replaceFile } from "../../formats/files";
import { loadTensor } from "../../formats/safetensors";
import { bytesOf, float32, type Tensor } from "../../formats/tensor";
import type { Layer } from "../../readers/keras/layer";
import { KerasModel } from "../../readers/keras/model";
import { tfjsTopology } from "../../readers/keras/topology";
import type { Model } from "../../readers/model";
import { checkLayersModel } from "./tfjsCheck";

/** TensorFlow.js layers models: `model.json` and its weights, as `tf.loadLayersModel` takes them. */

/** The size of shard that browsers cache, which TensorFlow.js's converter uses too. */
const SHARD_BYTES = 4 * 1024 * 1024;

export interface TfjsExport {
  readonly model: KerasModel;
  readonly topology: object;
  /** TensorFlow.js's name of each weight, with its state-dict path. */
  readonly names: ReadonlyMap<string, string>;
}

export function isTfjsOutput(output: string): boolean {
  return basename(output).toLowerCase().endsWith(".json");
}

/** The model in TensorFlow.js's form. Throws a UserError that names what TensorFlow.js does not support. */
export function exportable(model: Model, output: string): TfjsExport {
  if (!(model instanceof KerasModel)) {
    throw new UserError(
      `${output}: only Keras and TensorFlow.js models can be exported to TensorFlow.js; merge ${model.className} into a .safetensors file`,
    );
  }
  if (dirname(model.file) === dirname(output)) {
    throw new UserError(
      `${output}: this is the model's own folder, whose files an export must not replace; choose another folder`,
    );
  }
  const names = new Map<string, string>();
  for (const [name, path] of namesOf(model.layers, [])) {
    if (names.has(name)) {
      throw new UserError(
        `two layers of ${model.className} have a weight "${name}"; TensorFlow.js needs different names`,
      );
    }
    names.set(name, path);
  }
  return { model, topology: tfjsTopology(model.file, model.spec, model.layers, model.generation), names };
}

/**
 * TensorFlow.js finds weights by the name scopes in which layers are built: models add no scope; a recurrent layer's
 * cell and the layer in a TimeDistributed are built in the outer layer's scope.
 */
function* namesOf(layer: Layer, scope: readonly string[]): Generator<[string, string]> {
  const { className, name, path } = layer.identity;
  const transparent = ["Sequential", "Functional", "Model"].includes(className) || path === "";
  const own = transparent ? [] : [...scope, name];
  for (const weight of layer.weights.values())
    yield [[...own, tfjsName(className, weight.name)].join("/"), weight.path];
  for (const child of layer.children) {
    const shares = child.identity.name === "cell" || className === "TimeDistributed";
    for (const [inner, innerPath] of namesOf(child, own)) {
      const rest = inner.split("/").slice(own.length + 1);
      yield [shares ? [...own, ...rest].join("/") : inner, innerPath];
    }
  }
}

function tfjsName(className: string, name: string): string {
  return className.startsWith("DepthwiseConv") && name === "kernel" ? "depthwise_kernel" : name;
}

/**
 * Writes `output` and its shards beside it, once TensorFlow.js has loaded them from memory and predicts what the merged
 * model does. The shards come first: a reader never sees a model without its weights.
 */
export async function writeTfjsModel(
  { model, topology, names }: TfjsExport,
  output: string,
  values: ReadonlyMap<string, ParameterValue>,
): Promise<Pick<MergeReport, "bytes" | "loadedBy">> {
  const tensors = await loaded(values);
  const weights: LayersModel["weightSpecs"][number][] = [];
  const parts: Uint8Array[] = [];
  for (const [name, path] of names) {
    const tensor = tensors.get(path)!;
    weights.push({ name, shape: tensor.shape, dtype: "float32" });
    parts.push(bytesOf(float32(tensor.shape, toFloat32(tensor))));
  }
  const bytes = Buffer.concat(parts);
  const text = Buffer.from(
    `${JSON.stringify({
      format: "layers-model",
      generatedBy: "LoRA Lens",
      convertedBy: null,
      modelTopology: topology,
      weightsManifest: [{ paths: shardNames(output, bytes.length), weights }],
    })}\n`,
  );
  const written = JSON.parse(text.toString()) as { modelTopology: object };
  const loadedBy = await checkLayersModel(
    model,
    { modelTopology: written.modelTopology, weightSpecs: weights, weightData: bytes },
    tensors,
  );
  const folder = await makeFolder(dirname(output));
  for (const [i, path] of shardNames(output, bytes.length).entries()) {
    await replaceFile(join(folder, path), bytes.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
  }
  await replaceFile(output, text);
  return { bytes: bytes.length + text.length, loadedBy };
}

function shardNames(output: string, bytes: number): string[] {
  const count = Math.max(1, Math.ceil(bytes / SHARD_BYTES));
  const stem = basename(output).replace(/\.json$/i, "");
  return Array.from({ length: count }, (_, i) => `${stem}-shard${i + 1}of${count}.bin`);
}

async function loaded(values: ReadonlyMap<string, ParameterValue>): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [path, value] of values) {
    tensors.set(path, await loadTensor(value));
  }
  return tensors;
}
