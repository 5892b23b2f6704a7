import type { Random } from "../../numbers/random";
import type { FactorShape, Factors } from "./initialization";

/** A uniform in ±1/sqrt(in), which is PyTorch's kaiming_uniform with a = sqrt(5); B zero. */
export function uniform({ rank, inFeatures, outFeatures }: FactorShape, random: Random): Factors {
  const bound = 1 / Math.sqrt(inFeatures);
  const a = drawn(rank * inFeatures, () => random.uniform(-bound, bound));
  return { a, b: new Float32Array(outFeatures * rank) };
}

export function drawn(length: number, draw: () => number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = draw();
  return values;
}
