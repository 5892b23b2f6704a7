import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { ADAPTER_CONFIG_FILE } from "../../protocol/lora";
import type { AdapterPlace } from "../../protocol/messages";
import { convert } from "../formats/convert";
import { UserError } from "../formats/errors";
import { loadTensor } from "../formats/safetensors";
import type { StoredTensor, Tensor } from "../formats/tensor";
import { weightsOfLayers } from "../jobs/delta/baseWeights";
import { frobenius } from "../jobs/delta/norms";
import { initWarning, savedLayers } from "../jobs/delta/savedLayers";
import type { AdapterNorms, LayerNorm } from "../language/adapterNorms";
import { type AdapterFile, readAdapter, weightsFileIn } from "../lora/adapter/adapterFiles";
import type { LayerAdapter } from "../lora/variants/variant";
import type { Pause } from "../numbers/algebra/matrix";
import { adapterIn } from "./savedAdapter";

/** A loop makes a hundred layers; a hover tells of this many, and reads no others. */
const NAMED = 8;

/** The files that this many hovers before the last one needed are kept in mind: headers and norms, no tensors. */
const KEPT = 4;

/** An adapter's folder as it was when it was read. */
interface Opened {
  readonly stamp: string;
  readonly adapter: AdapterFile;
  readonly layers: ReadonlyMap<string, LayerAdapter>;
  /** By layer. */
  readonly deltas: Map<string, number>;
  readonly notes: readonly string[];
}

interface Base {
  readonly stamp: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
  readonly norms: Map<string, number>;
}

export interface HoveredModel {
  /** Absolute path. */
  readonly file: string;
  readonly class: string;
}

/**
 * Norms of the adapter that lies beside a model, for the layers that somebody hovers over and no others. They are kept until
 * the files change. Nothing is computed for more than some milliseconds at a time.
 */
export class AdapterNormsCache {
  private readonly adapters = new Map<string, Promise<Opened>>();
  private readonly bases = new Map<string, Promise<Base>>();

  /** `undefined`: no trained adapter of the model lies there, or it is not on these layers. */
  async of(
    model: HoveredModel,
    place: AdapterPlace,
    paths: readonly string[],
    pause: Pause,
  ): Promise<AdapterNorms | undefined> {
    const folder = place.folder ?? defaultFolder(model.file);
    if (!existsSync(join(folder, ADAPTER_CONFIG_FILE)) || weightsFileIn(folder) === undefined) return undefined;
    try {
      const saved = await adapterIn(folder);
      if (!saved || (saved.class !== null && saved.class !== model.class)) return undefined;
      return await this.normsOf(folder, place.weights, paths, pause);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { folder: basename(folder), layers: [], more: 0, notes: [`It cannot be used: ${error.message}.`] };
    }
  }

  private async normsOf(
    folder: string,
    weights: string | undefined,
    paths: readonly string[],
    pause: Pause,
  ): Promise<AdapterNorms | undefined> {
    const opened = await this.adapter(folder);
    const adapted = paths.flatMap((path) => opened.layers.get(path) ?? []);
    if (adapted.length === 0) return undefined;
    const base = weights === undefined ? undefined : await this.base(weights, folder, [...opened.layers.values()]);
    const notes = [...opened.notes];
    if (!base) notes.push("‖W₀‖ is not known: choose the base's weights in Train…, Merge… or Run Forward….");
    const layers: LayerNorm[] = [];
    for (const one of adapted.slice(0, NAMED)) {
      const { path } = one.layer;
      const delta = await deltaNorm(opened, one, pause);
      if (delta === undefined) {
        notes.push(`${one.variant.name} on ${path}: "lora-lens delta" computes its norm.`);
        continue;
      }
      const weight = base && (await weightNorm(base, path, pause));
      layers.push({ path, delta, ...(weight !== undefined && { weight }) });
    }
    if (base && layers.some(({ weight }) => weight === undefined))
      notes.push(`${basename(weights!)} has no weight of this name and size.`);
    return { folder: basename(folder), layers, more: Math.max(0, adapted.length - NAMED), notes };
  }

  private async adapter(folder: string): Promise<Opened> {
    const stamp = await stampOf([join(folder, ADAPTER_CONFIG_FILE), weightsFileIn(folder)!]);
    return kept(this.adapters, folder, stamp, async () => {
      const adapter = await readAdapter(folder);
      const layers = savedLayers(adapter);
      return {
        stamp,
        adapter,
        layers: new Map(layers.map((one) => [one.layer.path, one])),
        deltas: new Map(),
        notes: initWarning(adapter),
      };
    });
  }

  private async base(weights: string, folder: string, layers: readonly LayerAdapter[]): Promise<Base> {
    const stamp = await stampOf([weights, join(folder, ADAPTER_CONFIG_FILE), weightsFileIn(folder)!]);
    return kept(this.bases, `${weights}\n${folder}`, stamp, async () => ({
      stamp,
      weights: await weightsOfLayers(weights, layers),
      norms: new Map(),
    }));
  }
}

/** `net-lora` beside `net.py`, where the dialogs put it. */
function defaultFolder(file: string): string {
  return join(dirname(file), `${basename(file, extname(file))}-lora`);
}

async function stampOf(files: readonly string[]): Promise<string> {
  const stats = await Promise.all(
    files.map((file) =>
      stat(file).catch((error: Error) => {
        throw new UserError(`cannot read ${file}: ${error.message}`, { file });
      }),
    ),
  );
  return stats.map(({ mtimeMs, size }) => `${mtimeMs} ${size}`).join("\n");
}

/** What is known under the key as long as its files are as they were; the least lately used goes first. */
async function kept<T extends { readonly stamp: string }>(
  known: Map<string, Promise<T>>,
  key: string,
  stamp: string,
  make: () => Promise<T>,
): Promise<T> {
  // A failure is not kept: it was told already.
  const before = await known.get(key)?.catch(() => undefined);
  const value = before?.stamp === stamp ? Promise.resolve(before) : make();
  known.delete(key);
  known.set(key, value);
  for (const oldest of known.keys()) {
    if (known.size <= KEPT) break;
    known.delete(oldest);
  }
  return value;
}

async function deltaNorm({ adapter, deltas }: Opened, one: LayerAdapter, pause: Pause): Promise<number | undefined> {
  const { path } = one.layer;
  const known = deltas.get(path);
  if (known !== undefined || !one.variant.deltaNorm) return known;
  const tensors = new Map<string, Tensor>();
  for (const { name } of one.variant.tensors(one)) {
    tensors.set(name, convert(await loadTensor(adapter.tensors.get(name)!), "float32"));
    await pause();
  }
  const norm = await one.variant.deltaNorm(one, (name) => tensors.get(name)!, pause);
  deltas.set(path, norm);
  return norm;
}

async function weightNorm({ weights, norms }: Base, path: string, pause: Pause): Promise<number | undefined> {
  const known = norms.get(path);
  const weight = weights.get(path);
  if (known !== undefined || !weight) return known;
  const norm = await frobenius(weight, pause);
  norms.set(path, norm);
  return norm;
}
