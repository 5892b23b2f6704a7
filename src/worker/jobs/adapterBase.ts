import type { ParameterValue } from "../engines/engine";
import { convert, toFloat32 } from "../formats/convert";
import { UserError } from "../formats/errors";
import { loadTensor } from "../formats/safetensors";
import { bytesOf, float32, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { type Adapter, basePlaces } from "../lora/adapter/adapterFiles";
import type { LoraConfig } from "../lora/config/config";
import { type BaseChange, type ChangedWeight, changedWeight } from "../lora/init/baseChange";
import { loraA, loraB, weightOf } from "../lora/targets/layer";
import type { TargetableLayer } from "../lora/targets/targets";
import { pauseFor } from "../numbers/algebra/matrix";
import type { Model, ParameterInfo } from "../readers/model";

/** The base weights as PEFT leaves them when it loads an adapter. */

type Values = ReadonlyMap<string, ParameterValue>;

/** How an adapter is opened: what changes its base may take minutes for a large model. */
export interface OpenOptions {
  /** The model's graph, where it is traced with inputs that somebody gave. */
  readonly graph?: Graph;
  readonly signal?: AbortSignal;
  /** `fraction`: 0 to 1. */
  readonly onProgress?: (fraction: number, message: string) => void;
  /** The adapter's values before training are wanted, too. */
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
  targets: readonly TargetableLayer[],
  { stateDict }: Pick<Model, "stateDict">,
): Promise<Values> {
  const places = basePlaces(targets, stateDict);
  const saved = new Map<string, ParameterValue>();
  const names = new Map<string, string>();
  for (const [name, stored] of adapter.base) {
    const entry = places.get(name)!;
    const value = stored.dtype === entry.dtype ? stored : convert(await loadTensor(stored), entry.dtype);
    const shared = entry.tiedTo ?? entry.path;
    const other = names.get(shared);
    if (other !== undefined && !(await equal(saved.get(entry.path)!, value))) {
      throw new UserError(
        `${adapter.file}: ${other} and ${name} differ, and the model has one tensor for both; save the adapter of the model whose weights are not tied with that model`,
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

/** The targets' weights as `init_lora_weights` leaves them; those that were saved with the adapter need no computing. */
export async function changedBase(
  change: BaseChange,
  targets: readonly TargetableLayer[],
  { model, values, saved }: { readonly model: Model; readonly values: Values; readonly saved: Values },
  config: LoraConfig,
  { signal, onProgress = () => {}, initial: wanted = false }: OpenOptions,
): Promise<ChangedBase> {
  if (change === undefined) return { values: new Map(), warnings: [] };
  const changed = new Map<string, ParameterValue>();
  const initial = new Map<string, Tensor>();
  const warnings: string[] = [];
  const pause = pauseFor(signal);
  for (const [index, target] of targets.entries()) {
    const { path, fanInFanOut } = weightOf(target);
    if (saved.has(path) && !wanted) continue;
    const said = (fraction: number) =>
      onProgress(
        (index + fraction) / targets.length,
        `Base weight ${index + 1} of ${targets.length} as "${change}" leaves it: ${path}`,
      );
    said(0);
    await pause();
    const entry = model.stateDict.find((one) => one.path === path)!;
    requireSupported(entry, config);
    const value = values.get(path)!;
    const tensor = await loadTensor(value);
    const [rows, columns] = fanInFanOut
      ? [target.inFeatures, target.outFeatures]
      : [target.outFeatures, target.inFeatures];
    const matrix = { rows, columns, data: toFloat32(tensor) };
    const result = await changedWeight(change, { path, matrix, fanInFanOut }, config, pause, said);
    const residual = convert(float32(value.shape, result.residual.data), entry.dtype);
    const paths = sharing(model.stateDict, entry);
    for (const each of paths) changed.set(each, residual);
    if (paths.length > 1) warnings.push(tiedWarning(change, target.path, paths));
    if (wanted) addInitial(initial, target, result, config.r);
    if (result.warning !== undefined) warnings.push(result.warning);
  }
  return { values: changed, warnings, ...(wanted && { initial }) };
}

function tiedWarning(change: string, layer: string, paths: readonly string[]): string {
  return `${paths.join(" and ")} share one tensor: as in PEFT, what "${change}" subtracts for ${layer} is missing wherever else the tensor is used, and no adapter makes up for it there.`;
}

/** PEFT, too, refuses to decompose weights of other dtypes. */
export function requireSupported({ path, dtype }: ParameterInfo, { init_lora_weights: word }: LoraConfig): void {
  if (dtype === "float32" || dtype === "float16" || dtype === "bfloat16") return;
  throw new UserError(
    `init_lora_weights is ${JSON.stringify(word)}, and ${path} is ${dtype}; PEFT decomposes only float32, float16 and bfloat16 weights. Convert the base weights`,
  );
}

function addInitial(
  initial: Map<string, Tensor>,
  { path, inFeatures, outFeatures }: TargetableLayer,
  { a, b }: ChangedWeight,
  rank: number,
): void {
  const dataA = new Float32Array(a.length * inFeatures);
  a.forEach((row, i) => {
    dataA.set(row, i * inFeatures);
  });
  const dataB = new Float32Array(outFeatures * b.length);
  b.forEach((column, k) => {
    column.forEach((x, i) => {
      dataB[i * b.length + k] = x;
    });
  });
  initial.set(loraA(path), padded(float32([a.length, inFeatures], dataA), 0, rank));
  initial.set(loraB(path), padded(float32([outFeatures, b.length], dataB), 1, rank));
}

/**
 * The tensors with the configuration's rank: where PEFT's decomposition gave fewer rows of A and columns of B, zeros take
 * the place of the others, which changes nothing.
 */
export function ofRank(tensors: ReadonlyMap<string, Tensor>, targets: readonly TargetableLayer[], rank: number) {
  const padding = new Map(tensors);
  for (const { path } of targets) {
    padding.set(loraA(path), padded(tensors.get(loraA(path))!, 0, rank));
    padding.set(loraB(path), padded(tensors.get(loraB(path))!, 1, rank));
  }
  return padding;
}

function padded(tensor: Tensor, axis: 0 | 1, length: number): Tensor {
  const [rows, columns] = tensor.shape as readonly [number, number];
  if (tensor.shape[axis] === length) return tensor;
  const shape: readonly [number, number] = axis === 0 ? [length, columns] : [rows, length];
  const data = new Float32Array(shape[0] * shape[1]);
  const from = toFloat32(tensor);
  for (let i = 0; i < rows; i++) data.set(from.subarray(i * columns, (i + 1) * columns), i * shape[1]);
  return float32(shape, data);
}
