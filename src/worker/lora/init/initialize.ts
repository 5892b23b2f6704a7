import { loadTensor } from "../../formats/safetensors";
import { float32, type StoredTensor, sizeOf, type Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import type { AdapterTensor, LayerAdapter } from "../variants/variant";
import type { FactorShape, Factors } from "./initialization";
import { freshInitialization } from "./registry";

/**
 * A fresh adapter's first values by `init_lora_weights`, as PEFT draws them (though not its very numbers), and by the
 * layers' variants for tensors other than A and B.
 *
 * Keys are parameter names, layer by layer. A layer's values do not depend on which others are targeted.
 * @param base the base's parameters by state-dict path.
 * @throws UserError where a fresh adapter cannot be initialized this way.
 */
export async function initializeAdapter(
  adapters: readonly LayerAdapter[],
  init: unknown,
  seed: number,
  base: ReadonlyMap<string, StoredTensor> = new Map(),
): Promise<Map<string, Tensor>> {
  const { draw } = freshInitialization(init);
  const all = new Map<string, Tensor>();
  // Seed and path together make a layer's own stream; a seed has 53 bits.
  const high = (new Random(seed).bits() >>> 11) * 2 ** 32;
  for (const adapter of adapters) {
    const tensors = adapter.variant.tensors(adapter);
    const random = new Random(high + hashOf(adapter.layer.path));
    const factors = drawnFactors(tensors, adapter.rank, (shape) => draw(shape, random));
    const start = { factors, base: (path: string) => baseTensor(base, path) };
    for (const tensor of tensors) {
      const first = tensor.factor ? factors.get(tensor.factor) : await tensor.initial?.(start);
      if (!first) throw new Error(`no initialization is known for ${tensor.name}`);
      all.set(tensor.name, first);
    }
  }
  return all;
}

function drawnFactors(
  tensors: readonly AdapterTensor[],
  rank: number,
  draw: (shape: FactorShape) => Factors,
): Map<"A" | "B", Tensor> {
  const [a, b] = (["A", "B"] as const).map((factor) => tensors.find((tensor) => tensor.factor === factor));
  if (!a || !b) return new Map();
  const drawn = draw({ rank, inFeatures: sizeOf(a.shape) / rank, outFeatures: sizeOf(b.shape) / rank });
  return new Map([
    ["A", float32(a.shape, drawn.a)],
    ["B", float32(b.shape, drawn.b)],
  ]);
}

async function baseTensor(base: ReadonlyMap<string, StoredTensor>, path: string): Promise<Tensor> {
  const value = base.get(path);
  if (!value) throw new Error(`no value for parameter ${path}`);
  return loadTensor(value);
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
