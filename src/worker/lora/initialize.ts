import { UserError } from "../formats/errors";
import { allocate, float32, type Tensor } from "../formats/tensor";
import type { AdapterTarget } from "./adapterFiles";
import type { LoraConfig } from "./config";
import { loraA, loraB } from "./names";
import { Random } from "./random";

/**
 * An adapter's first values by `init_lora_weights`, as PEFT draws them (though not its very numbers):
 * - true: A uniform in ±1/sqrt(in), which is kaiming_uniform with a = sqrt(5); B zero, so that injection changes nothing;
 * - "gaussian": A normal with standard deviation 1/r; B zero;
 * - false: A as by true, B uniform in ±1/sqrt(r), torch.nn.Linear's own default: the adapter has an effect at once.
 *
 * Keys are parameter names, A before B, layer by layer. A layer's values do not depend on which others are targeted.
 */
export function initializeAdapter(
  targets: readonly AdapterTarget[],
  config: LoraConfig,
  seed: number,
): Map<string, Tensor> {
  const { r, init_lora_weights: init = true } = config;
  if (init !== true && init !== false && init !== "gaussian") {
    throw new UserError(
      `init_lora_weights ${JSON.stringify(init)} is not supported; supported are true, false and "gaussian"`,
    );
  }
  const tensors = new Map<string, Tensor>();
  // Seed and path together make a layer's own stream; a seed has 53 bits.
  const high = (new Random(seed).bits() >>> 11) * 2 ** 32;
  for (const { path, inFeatures, outFeatures } of targets) {
    const random = new Random(high + hashOf(path));
    const bound = 1 / Math.sqrt(inFeatures);
    const drawA = init === "gaussian" ? () => random.normal() / r : () => random.uniform(-bound, bound);
    tensors.set(loraA(path), drawn([r, inFeatures], drawA));
    const boundB = 1 / Math.sqrt(r);
    tensors.set(
      loraB(path),
      init === false
        ? drawn([outFeatures, r], () => random.uniform(-boundB, boundB))
        : allocate("float32", [outFeatures, r]),
    );
  }
  return tensors;
}

function drawn(shape: readonly [number, number], draw: () => number): Tensor {
  const values = new Float32Array(shape[0] * shape[1]);
  for (let i = 0; i < values.length; i++) values[i] = draw();
  return float32(shape, values);
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
