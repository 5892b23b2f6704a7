import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { MergeRequest } from "../../../protocol/jobs";
import type { MergeReport } from "../../../protocol/reports";
import { chooseEngine } from "../../engines/choose";
import type { ParameterValue } from "../../engines/engine";
import { convert, toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { readBytes } from "../../formats/files";
import { loadTensor, readHeader } from "../../formats/safetensors";
import type { StoredTensor, Tensor } from "../../formats/tensor";
import { mul, parameter, reduceAll, unary } from "../../graph/build";
import { Graph } from "../../graph/graph";
import type { LayerAdapter } from "../../lora/variants/variant";
import { deltaWeight, mergedParameters } from "../../passes/merge";
import { type Model, walkModules } from "../../readers/model";
import { openAdapter, type PlannedAdapter } from "../adapter";
import type { Rearranged } from "../checkpoint/conversion";
import { Estimate, type JobContext } from "../context";
import { type OpenedModel, openModel, runOnce, valuesFor } from "../opened";
import { layOut, outputForm, writeMerged } from "./checkpoint";
import { exportable, isTfjsOutput, writeTfjsModel } from "./tfjs";

/** Metadata key of a merged file: the adapters that are already merged into it. */
const MERGED = "lora_lens.merged";

const MAX_ADAPTER_BYTES = 2 ** 31;

/** The estimated share of the time for opening the adapter: nearly none, or nearly all. */
const OPENING = 0.5;

/**
 * Adds a saved adapter's delta weights to the base and writes the whole state dict: W + scaling * B A.
 * Half-precision weights are merged in float32 and rounded once. The base file is only read, so undoing a merge is
 * using the base again, bit for bit. Refused: a result that is not finite, a weight that two modules share, and an
 * adapter that is in the weights already. An output named model.json is a TensorFlow.js layers model (export/tfjs.ts),
 * a folder a checkpoint as the base's is (export/checkpoint.ts).
 */
export async function merge(request: MergeRequest, context: JobContext): Promise<MergeReport> {
  const progress = new Estimate(context.onProgress);
  progress.at(0, "Reading the model and the adapter");
  const opened = await openModel(request.model);
  const { model } = opened;
  // A merge does not depend on inputs, but given ones are still checked.
  const traced = request.model.inputs && model.trace();
  const adapter = await openAdapter(opened, request.adapterFolder, {
    ...(traced && { graph: traced.graph }),
    signal: context.signal,
    onProgress: (fraction, message) => progress.at(OPENING * fraction, message),
  });
  const { values } = adapter;
  refuseTied(model, adapter);
  const id = createHash("sha256")
    .update(await readBytes(adapter.file, MAX_ADAPTER_BYTES, "an adapter is far smaller"))
    .digest("hex")
    .slice(0, 16);
  const base = mergedTensors(opened, new Map());
  const history = await mergedInto(base);
  if (history.has(id)) {
    throw new UserError(
      `${history.get(id)} has this adapter merged into it already; merging it again would count it twice`,
      { file: history.get(id)! },
    );
  }

  const form = await outputForm(request.output);
  if (form !== "folder") await refuseOverwrite(request, base);
  const toTfjs = form === "tfjs" ? exportable(model, request.output) : undefined;
  const layout = toTfjs ? undefined : await layOut(request.output, base, request.model.weights);
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const merged: MergeReport["merged"][number][] = [];
  const changed = new Map<string, Tensor>();
  for (const [index, one] of adapter.layers.entries()) {
    context.signal.throwIfAborted();
    progress.at(OPENING + (1 - OPENING) * (index / adapter.layers.length), `Merging ${one.layer.path}`);
    const graph = mergeGraph(one, values);
    const results = await runOnce(engine, graph, valuesFor(graph, values, adapter.tensors), new Map());
    const paths = one.variant.changes(one.layer);
    for (const path of paths) {
      // PEFT's changed base has the model's dtype; the merged file keeps the stored dtype.
      const result = convert(results.get(path)!, opened.values.get(path)!.dtype);
      requireFinite(result, one.layer.path);
      changed.set(path, result);
    }
    merged.push({
      path: one.layer.path,
      deltaNorm: toFloat32(results.get(DELTA_NORM)!)[0]!,
      weightNorm: frobenius(toFloat32(changed.get(paths[0]!)!)),
    });
  }
  progress.at(0.99, "Writing the merged weights");
  // Weights saved with the adapter replace the base's.
  for (const [path, value] of values) {
    const own = opened.values.get(path)!;
    if (value !== own && !changed.has(path)) changed.set(path, convert(await loadTensor(value), own.dtype));
  }
  const output = mergedTensors(opened, changed);
  const tensors = output.size;
  const written = layout
    ? await writeMerged(request.output, output, { [MERGED]: [...history.keys(), id].join(" ") }, layout)
    : await writeTfjsModel(toTfjs!, request.output, output);
  return {
    kind: "merge",
    model: model.className,
    weights: opened.weights,
    adapter: request.adapterFolder,
    output: layout?.folder ?? request.output,
    merged,
    tensors,
    ...written,
    ...(adapter.injection.warnings && { warnings: adapter.injection.warnings }),
  };
}

/**
 * The tensors to write: those of the model's checkpoint, under its own keys, including those that the model does not
 * have; otherwise the model's state dict. Randomly initialized values are not written.
 */
export function mergedTensors(
  { model, values, weights, checkpoint }: OpenedModel,
  changed: ReadonlyMap<string, Tensor>,
): Map<string, StoredTensor> {
  const initialized = new Set(weights.initialized);
  for (const path of changed.keys()) {
    if (!initialized.has(path)) continue;
    throw new UserError(
      `${path} is not in the weights (${weights.from}), so there is nothing to merge its adapter into; leave the layer out of the target modules, or merge into weights that have it`,
      { file: model.file },
    );
  }
  const current = (path: string): StoredTensor => changed.get(path) ?? values.get(path)!;
  if (!checkpoint) {
    const paths = model.stateDict.filter(({ path, tiedTo }) => tiedTo === undefined && !initialized.has(path));
    return new Map(paths.map(({ path }) => [path, current(path)]));
  }
  const output = new Map(checkpoint.file.tensors);
  const groups = new Set<Rearranged>();
  for (const [path, tensor] of changed) {
    const origin = checkpoint.origins.get(path);
    if (origin === undefined) {
      // The checkpoint has only one of two tied tensors.
      if (model.stateDict.some((entry) => (entry.path === path ? entry.tiedTo : entry.tiedTo === path))) continue;
      throw new Error(`${path} comes from no key of the checkpoint`);
    }
    if (typeof origin === "string") output.set(origin, tensor);
    else groups.add(origin);
  }
  for (const group of groups) {
    const parts = new Map(group.paths.map((path) => [path, current(path)]));
    for (const [key, tensor] of group.back(parts)) output.set(key, tensor);
  }
  return output;
}

const DELTA_NORM = "deltaNorm";

/** The parameters that the adapter changes, merged, by path, and the norm of what it adds to the layer's weight. */
function mergeGraph(adapter: LayerAdapter, values: ReadonlyMap<string, ParameterValue>): Graph {
  const base = (path: string) => {
    const { shape, dtype } = values.get(path)!;
    return parameter(path, shape, dtype);
  };
  return new Graph(
    "merge",
    [],
    new Map([...mergedParameters(adapter, base), [DELTA_NORM, norm(deltaWeight(adapter, base))]]),
  );
}

function norm(node: Parameters<typeof reduceAll>[1]) {
  return unary("sqrt", reduceAll("sum", mul(node, node)));
}

function frobenius(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** For each merged adapter, the base file whose metadata says so. */
async function mergedInto(values: ReadonlyMap<string, StoredTensor>): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const files = new Set([...values.values()].flatMap((value) => ("file" in value ? [value.file] : [])));
  for (const file of [...files].filter((each) => /\.safetensors$/i.test(each))) {
    const history = (await readHeader(file)).metadata[MERGED];
    for (const id of history?.split(" ") ?? []) ids.set(id, file);
  }
  return ids;
}

/** The base must not change, since it undoes the merge. Its shards are part of it; a link to one is the same file. */
async function refuseOverwrite(
  { model: { file: source, weights }, output }: MergeRequest,
  values: ReadonlyMap<string, ParameterValue>,
): Promise<void> {
  // A layers model is several files, whose names could be those of the base beside it.
  if (isTfjsOutput(output) && existsSync(dirname(output))) {
    if ((await realpath(dirname(output))) === (await realpath(dirname(source)))) {
      throw new UserError(
        `${dirname(output)} holds the base model, whose files an export must not replace; choose another folder`,
        {
          file: output,
        },
      );
    }
  }
  if (weights === undefined || !existsSync(output)) return;
  const files = new Set([weights, ...[...values.values()].flatMap((value) => ("file" in value ? [value.file] : []))]);
  const target = await realpath(output);
  for (const file of files) {
    if ((await realpath(file)) !== target) continue;
    throw new UserError(`${output} is the base weights file, which a merge must not replace; write to another file`, {
      file: output,
    });
  }
}

/** A layer with two names may be merged if forward only calls it by the adapted name. */
function refuseTied(model: Model, { layers, uses }: Pick<PlannedAdapter, "layers" | "uses">): void {
  const names = new Map([...walkModules(model.root)].map((module) => [module.path, module.aliases]));
  const changed = layers.flatMap(({ layer, variant }) =>
    variant.changes(layer).map((path) => ({ layer: layer.path, path })),
  );
  for (const { layer, path } of changed) {
    const twin = model.stateDict.find((entry) =>
      entry.path === path ? entry.tiedTo !== undefined : entry.tiedTo === path,
    );
    if (!twin) continue;
    const other = twin.path === path ? twin.tiedTo : twin.path;
    const isSameLayer = names.get(layer)?.some((alias) => other === `${alias}.weight`);
    if (isSameLayer && uses?.get(layer)?.besides === "nothing") continue;
    throw new UserError(
      `${path} and ${other} share one tensor; merging the adapter into it would change both. Keep the adapter separate, or leave the layer out of the target modules`,
      { file: model.file },
    );
  }
}

function requireFinite(tensor: Tensor, layer: string): void {
  if (toFloat32(tensor).every(Number.isFinite)) return;
  throw new UserError(
    `merging ${layer} gives values that are not finite, so nothing was written; the adapter's training has diverged, or its scale is too large for ${tensor.dtype}`,
  );
}
