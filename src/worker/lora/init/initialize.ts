import { UserError } from "../../formats/errors";
import { allocate, float32, type Tensor } from "../../formats/tensor";
import { firstOrthogonal } from "../../numbers/algebra/orthogonal";
import { Random } from "../../numbers/random";
import type { AdapterTarget } from "../adapter/adapterFiles";
import type { LoraConfig } from "../config/config";
import { loraA, loraB } from "../targets/layer";

/**
 * An adapter's first values by `init_lora_weights`, as PEFT draws them (though not its very numbers):
 * - true: A uniform in ±1/sqrt(in), which is kaiming_uniform with a = sqrt(5); B zero, so that injection changes nothing;
 * - "gaussian", in any case of letters: A normal with standard deviation 1/r; B zero;
 * - "eva" and "lora_ga" as true, which is what they are where the data that they begin from is not at hand;
 * - "orthogonal": A and B normal in rows of an orthogonal matrix, so that B A is zero though neither is;
 * - false, and what Python takes for it: A as by true, B uniform in ±1/sqrt(r), torch.nn.Linear's own default: the
 *   adapter has an effect at once.
 * Words that begin from the base weights are for `baseChange.ts`.
 *
 * Keys are parameter names, A before B, layer by layer. A layer's values do not depend on which others are targeted.
 */
export function initializeAdapter(
  targets: readonly AdapterTarget[],
  config: LoraConfig,
  seed: number,
): Map<string, Tensor> {
  const { r } = config;
  const init = kindOf(config.init_lora_weights);
  const tensors = new Map<string, Tensor>();
  // Seed and path together make a layer's own stream; a seed has 53 bits.
  const high = (new Random(seed).bits() >>> 11) * 2 ** 32;
  for (const { path, inFeatures, outFeatures } of targets) {
    const random = new Random(high + hashOf(path));
    if (init === "orthogonal") {
      const { a, b } = orthogonal(r, inFeatures, outFeatures, random);
      tensors.set(loraA(path), a);
      tensors.set(loraB(path), b);
      continue;
    }
    const bound = 1 / Math.sqrt(inFeatures);
    const drawA = init === "gaussian" ? () => random.normal() / r : () => random.uniform(-bound, bound);
    tensors.set(loraA(path), drawn([r, inFeatures], drawA));
    const boundB = 1 / Math.sqrt(r);
    tensors.set(
      loraB(path),
      init === "random"
        ? drawn([outFeatures, r], () => random.uniform(-boundB, boundB))
        : allocate("float32", [outFeatures, r]),
    );
  }
  return tensors;
}

type Kind = "zeroB" | "gaussian" | "random" | "orthogonal";

function kindOf(init: unknown): Kind {
  if (init === undefined || init === true || init === "eva" || init === "lora_ga") return "zeroB";
  if (!init) return "random";
  if (init === "orthogonal") return "orthogonal";
  if (typeof init === "string" && init.toLowerCase() === "gaussian") return "gaussian";
  throw new UserError(
    `a fresh adapter with init_lora_weights ${JSON.stringify(init)} is not supported; supported are true, false, "gaussian", "orthogonal", "eva" and "lora_ga"`,
  );
}

/**
 * A = (X P)ᵀ / 10 and B = Y Q / 10 for normal X [in, r/2] and Y [out, r/2], where P and Q are the odd and the even rows of
 * a random orthogonal matrix: B A is zero because each row of the one is orthogonal to each of the other.
 */
function orthogonal(r: number, inFeatures: number, outFeatures: number, random: Random): { a: Tensor; b: Tensor } {
  if (r % 2 !== 0) throw new UserError(`init_lora_weights "orthogonal" needs an even rank, and r is ${r}`);
  const data = Float32Array.from({ length: r * r }, () => random.normal());
  const { q } = firstOrthogonal({ rows: r, columns: r, data }, r);
  const mixed = (features: number, first: 0 | 1) => {
    const normal = Float64Array.from({ length: (features * r) / 2 }, () => random.normal());
    // Row k of Q is the k-th number of each of its columns.
    return (feature: number, column: number) => {
      let sum = 0;
      for (let k = 0; k < r / 2; k++) sum += normal[(feature * r) / 2 + k]! * q[column]![2 * k + first]!;
      return sum / 10;
    };
  };
  const [ofA, ofB] = [mixed(inFeatures, 0), mixed(outFeatures, 1)];
  const a = new Float32Array(r * inFeatures);
  for (let i = 0; i < r; i++) for (let j = 0; j < inFeatures; j++) a[i * inFeatures + j] = ofA(j, i);
  const b = new Float32Array(outFeatures * r);
  for (let i = 0; i < outFeatures; i++) for (let j = 0; j < r; j++) b[i * r + j] = ofB(i, j);
  return { a: float32([r, inFeatures], a), b: float32([outFeatures, r], b) };
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
