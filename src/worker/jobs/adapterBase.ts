import type { ParameterValue } from "../engines/engine";
import { convert, toFloat32 } from "../formats/convert";
import { UserError } from "../formats/errors";
import { loadTensor } from "../formats/safetensors";
import { allocate, bytesOf, float32, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { type Adapter, basePlaces } from "../lora/adapter/adapterFiles";
import type { LoraConfig } from "../lora/config/config";
import { changedWeight, changesBase } from "../lora/init/changedWeight";
import type { ChangedWeight, Initialization } from "../lora/init/initialization";
import { weightOf } from "../lora/targets/layer";
import type { LayerAdapter } from "../lora/variants/variant";
import { pauseFor } from "../numbers/algebra/matrix";
import type { Model, ParameterInfo } from "../readers/model";

/** The base weights as PEFT leaves them when it loads an adapter. */

type Values = ReadonlyMap<string, ParameterValue>;

/** How an adapter is opened. Changing a large model's base may take minutes. */
export interface OpenOptions {
  /** The model's graph, if it was traced with given inputs. */
  readonly graph?: Graph;
  readonly signal?: AbortSignal;
  /** `fraction`: 0 to 1. */
  readonly onProgress?: (fraction: number, message: string) => void;
  /** Also compute the adapter's values before training. */
  readonly initial?: boolean;
}

export interface ChangedBase {
  /** New values by state-dict path, a tied tensor's under each of its paths. */
  readonly values: Values;
  /** A and B before training, when they were asked for and begin from the base. */
  readonly initial?: ReadonlyMap<string, Tensor>;
  readonly warnings: readonly string[];
}

/** Weights of the base that were saved with the adapter, in the model's dtypes. */
export async function savedBase(
  adapter: Adapter,
  layers: readonly LayerAdapter[],
  { stateDict }: Pick<Model, "stateDict">,
): Promise<Values> {
  const places = basePlaces(layers, stateDict);
  const saved = new Map<string, ParameterValue>();
  const names = new Map<string, string>();
  for (const [name, stored] of adapter.base) {
    const entry = places.get(name)!;
    const value = stored.dtype === entry.dtype ? stored : convert(await loadTensor(stored), entry.dtype);
    const shared = entry.tiedTo ?? entry.path;
    const other = names.get(shared);
    if (other !== undefined && !(await equal(saved.get(entry.path)!, value))) {
      throw new UserError(
        `${adapter.file}: ${other} and ${name} differ, but the model has one tensor for both. Use a model whose weights are not tied, like the adapter's base model`,
        { file: adapter.file },
      );
    }
    names.set(shared, name);
    for (const path of sharing(stateDict, entry)) saved.set(path, value);
  }
  return saved;
}

async function equal(a: ParameterValue, b: ParameterValue): Promise<boolean> {
  const [x, y] = await Promise.all([a, b].map(loadTensor));
  return Buffer.compare(bytesOf(x!), bytesOf(y!)) === 0;
}

/** All paths of one tensor. */
function sharing(stateDict: readonly ParameterInfo[], { path, tiedTo = path }: ParameterInfo): string[] {
  return stateDict.filter((other) => (other.tiedTo ?? other.path) === tiedTo).map((other) => other.path);
}

/** The layers' weights after `init_lora_weights` has changed them; those saved with the adapter are not computed. */
export async function changedBase(
  init: Initialization,
  layers: readonly LayerAdapter[],
  { model, values, saved }: { readonly model: Model; readonly values: Values; readonly saved: Values },
  { signal, onProgress = () => {}, initial: wanted = false }: OpenOptions,
): Promise<ChangedBase> {
  if (!changesBase(init)) return { values: new Map(), warnings: [] };
  const changed = new Map<string, ParameterValue>();
  const initial = new Map<string, Tensor>();
  const warnings: string[] = [];
  const pause = pauseFor(signal);
  for (const [index, adapter] of layers.entries()) {
    const { layer } = adapter;
    const { path, fanInFanOut } = weightOf(layer);
    if (saved.has(path) && !wanted) continue;
    const progress = (fraction: number) =>
      onProgress(
        (index + fraction) / layers.length,
        `Changing base weight ${index + 1} of ${layers.length} for ${init.name}: ${path}`,
      );
    progress(0);
    await pause();
    const entry = model.stateDict.find((one) => one.path === path)!;
    const value = values.get(path)!;
    const tensor = await loadTensor(value);
    const [rows, columns] = fanInFanOut ? [layer.inFeatures, layer.outFeatures] : [layer.outFeatures, layer.inFeatures];
    const matrix = { rows, columns, data: toFloat32(tensor) };
    const result = await changedWeight(init, { path, matrix, fanInFanOut }, adapter, pause, progress);
    const residual = convert(float32(value.shape, result.residual.data), entry.dtype);
    const paths = sharing(model.stateDict, entry);
    for (const each of paths) changed.set(each, residual);
    if (paths.length > 1) warnings.push(tiedWarning(init.name, layer.path, paths));
    if (wanted) for (const [name, first] of initialFactors(adapter, result)) initial.set(name, first);
    if (result.warning !== undefined) warnings.push(result.warning);
  }
  return { values: changed, warnings, ...(wanted && { initial }) };
}

function tiedWarning(change: string, layer: string, paths: readonly string[]): string {
  return `${paths.join(" and ")} share one tensor. As in PEFT, ${change} subtracts from it for ${layer}, and no adapter makes up for the change where else the tensor is used.`;
}

/** PEFT, too, refuses to decompose weights of other dtypes. */
export function requireDecomposable(
  { stateDict }: Pick<Model, "stateDict">,
  layers: readonly LayerAdapter[],
  { init_lora_weights: word }: LoraConfig,
): void {
  for (const { layer } of layers) {
    const { path, dtype } = stateDict.find((entry) => entry.path === weightOf(layer).path)!;
    if (dtype === "float32" || dtype === "float16" || dtype === "bfloat16") continue;
    throw new UserError(
      `init_lora_weights is ${JSON.stringify(word)}, and ${path} is ${dtype}; PEFT decomposes only float32, float16 and bfloat16 weights. Convert the base weights`,
    );
  }
}

/** The layer's adapter as PEFT saves it: a decomposition has no more rows than the weight. */
export function asSaved(adapter: LayerAdapter, init: Initialization): LayerAdapter {
  const { inFeatures, outFeatures } = adapter.layer;
  return changesBase(init) ? { ...adapter, rank: Math.min(adapter.rank, inFeatures, outFeatures) } : adapter;
}

/** A and B from which PEFT starts, by name. */
function initialFactors(adapter: LayerAdapter, { a, b }: ChangedWeight): Map<string, Tensor> {
  const { rank, layer, variant } = adapter;
  const dataA = new Float32Array(a.length * layer.inFeatures);
  a.forEach((row, i) => {
    dataA.set(row, i * layer.inFeatures);
  });
  const dataB = new Float32Array(layer.outFeatures * b.length);
  b.forEach((column, k) => {
    column.forEach((x, i) => {
      dataB[i * b.length + k] = x;
    });
  });
  const factors = {
    A: padded(float32([a.length, layer.inFeatures], dataA), "A", rank),
    B: padded(float32([layer.outFeatures, b.length], dataB), "B", rank),
  };
  return new Map(
    variant
      .tensors(adapter)
      .flatMap(({ name, shape, factor }) => (factor ? [[name, { ...factors[factor], shape }] as const] : [])),
  );
}

/**
 * The tensors with the configuration's rank: where PEFT's decomposition gave fewer rows of A and columns of B, zeros
 * fill the rest, which changes nothing.
 */
export function ofRank(tensors: ReadonlyMap<string, Tensor>, layers: readonly LayerAdapter[]): Map<string, Tensor> {
  const padding = new Map(tensors);
  for (const adapter of layers) {
    for (const { name, factor } of adapter.variant.tensors(adapter)) {
      if (factor) padding.set(name, padded(tensors.get(name)!, factor, adapter.rank));
    }
  }
  return padding;
}

/** The tensors with one of the factors at zero. */
export function withZeros(
  tensors: ReadonlyMap<string, Tensor>,
  layers: readonly LayerAdapter[],
  zero: "A" | "B",
): Map<string, Tensor> {
  const changed = new Map(tensors);
  for (const adapter of layers) {
    for (const { name, shape, factor } of adapter.variant.tensors(adapter)) {
      if (factor === zero) changed.set(name, allocate("float32", shape));
    }
  }
  return changed;
}

/** Rows of A or columns of B are added. */
function padded(tensor: Tensor, factor: "A" | "B", rank: number): Tensor {
  const axis = factor === "A" ? 0 : 1;
  if (tensor.shape[axis] === rank) return tensor;
  const [rows, columns] = tensor.shape as readonly [number, number];
  const shape: readonly [number, number] = axis === 0 ? [rank, columns] : [rows, rank];
  const data = new Float32Array(shape[0] * shape[1]);
  const from = toFloat32(tensor);
  for (let i = 0; i < rows; i++) data.set(from.subarray(i * columns, (i + 1) * columns), i * shape[1]);
  return float32(shape, data);
}
