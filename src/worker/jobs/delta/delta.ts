import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import type { DeltaLayer, DeltaReport } from "../../../protocol/reports/delta";
import { chooseEngine } from "../../engines/choose";
import type { Engine } from "../../engines/engine";
import { convert, toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { loadTensor, writeSafetensors } from "../../formats/safetensors";
import type { DerivedTensor, StoredTensor, Tensor } from "../../formats/tensor";
import { transpose } from "../../graph/build";
import { Graph } from "../../graph/graph";
import { type AdapterFile, readAdapter } from "../../lora/adapter/adapterFiles";
import type { LayerAdapter } from "../../lora/variants/variant";
import { type Pause, pauseFor } from "../../numbers/algebra/matrix";
import { largestSingular } from "../../numbers/algebra/singular";
import { deltaWeight } from "../../passes/merge";
import { Estimate, type JobContext } from "../context";
import { runOnce } from "../opened";
import { weightsOfLayers } from "./baseWeights";
import { frobenius } from "./norms";
import { initWarning, savedLayers } from "./savedLayers";

export interface DeltaRequest {
  /** The adapter's folder. Absolute path. */
  readonly adapter: string;
  /** The .safetensors file to write. Absolute path. */
  readonly output: string;
  /** Weights of the base model: a file, an index of shards or a folder. Absolute path. */
  readonly base?: string;
  readonly singularValues?: boolean;
}

/**
 * Writes what a saved adapter adds to each layer's weight, as PEFT's `get_delta_weight` gives it: float32, under the
 * layer's path. One layer is in memory at a time.
 */
export async function delta(
  { adapter, output, base, singularValues }: DeltaRequest,
  context: JobContext,
): Promise<DeltaReport> {
  const progress = new Estimate(context.onProgress);
  const pause = pauseFor(context.signal);
  progress.at(0, "Reading the adapter");
  const opened = await readAdapter(adapter);
  const layers = savedLayers(opened);
  const weights = base === undefined ? undefined : await weightsOfLayers(base, layers);
  if (base !== undefined) await refuseOverwrite(output, base, weights!);
  await refuseOverwrite(output, opened.file, opened.tensors);
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const norms = new Map<string, number>();
  const singular = new Map<string, readonly number[]>();
  const tensors = new Map<string, DerivedTensor>();
  const { fan_in_fan_out: turned } = opened.config;
  for (const [index, one] of layers.entries()) {
    const { path } = one.layer;
    tensors.set(path, {
      dtype: "float32",
      shape: shapeOf(one, turned),
      load: async () => {
        await pause();
        progress.at(index / layers.length, `Delta weight of ${path}`);
        const value = await deltaOf(one, opened, engine);
        const norm = await frobenius(value, pause);
        if (!Number.isFinite(norm)) {
          throw new UserError(
            `the delta weight of ${path} is not finite, so nothing was written; the adapter's training has diverged`,
            { file: opened.file },
          );
        }
        norms.set(path, norm);
        if (singularValues) singular.set(path, await singularValuesOf(value, one.rank, pause));
        return value;
      },
    });
  }
  await writeSafetensors(output, tensors, {
    format: "pt",
    "lora_lens.adapter": basename(adapter),
    "lora_lens.contents": "delta weights: scaling * B A of each layer, by its path",
  });
  const rows: DeltaLayer[] = [];
  for (const one of layers) {
    const { path } = one.layer;
    const weight = weights?.get(path);
    const weightNorm = weight ? await frobenius(weight, pause) : null;
    const deltaNorm = norms.get(path)!;
    rows.push({
      path,
      shape: shapeOf(one, turned),
      rank: one.rank,
      scaling: one.scaling,
      deltaNorm,
      weightNorm,
      share: weightNorm === null || weightNorm === 0 ? null : deltaNorm / weightNorm,
      ...(singularValues && { singularValues: singular.get(path)! }),
    });
  }
  const warnings = [...initWarning(opened), ...missingWarning(rows, base)];
  return {
    adapter,
    output,
    base: base ?? null,
    layers: rows,
    ...(warnings.length > 0 && { warnings }),
  };
}

function shapeOf({ layer: { inFeatures, outFeatures } }: LayerAdapter, turned: boolean): [number, number] {
  return turned ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
}

async function deltaOf(adapter: LayerAdapter, { tensors, config, file }: AdapterFile, engine: Engine): Promise<Tensor> {
  const base = (path: string) => {
    throw new UserError(
      `the delta weight of ${adapter.layer.path} depends on the base's ${path}, which is not read here; merge the adapter instead`,
      { file },
    );
  };
  const node = deltaWeight(adapter, base);
  const graph = new Graph("delta", [], new Map([["delta", config.fan_in_fan_out ? transpose(node, [1, 0]) : node]]));
  const values = new Map<string, Tensor>();
  for (const { attrs } of graph.parameters) {
    values.set(attrs.path, convert(await loadTensor(tensors.get(attrs.path)!), "float32"));
  }
  return (await runOnce(engine, graph, values, new Map())).get("delta")!;
}

/** A product over `rank` numbers has no more than these that are not 0. */
async function singularValuesOf(value: Tensor, rank: number, pause: Pause): Promise<number[]> {
  const [rows, columns] = value.shape as [number, number];
  const count = Math.min(rank, rows, columns);
  const { values } = await largestSingular({ rows, columns, data: toFloat32(value) }, count, pause);
  return [...values.slice(0, count)];
}

function missingWarning(rows: readonly DeltaLayer[], base: string | undefined): string[] {
  const missing = base === undefined ? [] : rows.filter(({ weightNorm }) => weightNorm === null);
  if (missing.length === 0) return [];
  const named = missing.slice(0, 4).map(({ path }) => path);
  const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : "";
  return [`${base} has no weight of this size for ${named.join(", ")}${more}.`];
}

/** What is read stays as it is. */
async function refuseOverwrite(
  output: string,
  source: string,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<void> {
  if (!existsSync(output)) return;
  const target = await realpath(output);
  const files = new Set([
    source,
    ...[...tensors.values()].flatMap((tensor) => ("file" in tensor ? [tensor.file] : [])),
  ]);
  for (const file of files) {
    if ((await realpath(file)) !== target) continue;
    throw new UserError(`${output} is read here, so it must not be replaced; write to another file`, { file: output });
  }
}
