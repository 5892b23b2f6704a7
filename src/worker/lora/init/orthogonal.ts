import { UserError } from "../../formats/errors";
import { firstOrthogonal } from "../../numbers/algebra/orthogonal";
import type { Random } from "../../numbers/random";
import { type FactorShape, type Factors, type Initialization, refused } from "./initialization";

/** A and B normal in rows of an orthogonal matrix, so that B A is zero though neither is. */
export const ORTHOGONAL: Initialization = {
  name: '"orthogonal"',
  takes: (value) => value === "orthogonal",
  begins: { a: "random, orthogonal to B", b: "random, orthogonal to A" },
  identity: true,
  draw,
  refuse: (value, { rank }) => {
    if (rank % 2 === 0) return;
    throw refused(value, `PEFT needs an even rank for it, but r is ${rank}`, "choose an adapter with an even rank");
  },
};

/**
 * A = (X P)ᵀ / 10 and B = Y Q / 10 for normal X [in, r/2] and Y [out, r/2], where P and Q are the odd and the even rows of
 * a random orthogonal matrix: B A is zero because each row of the one is orthogonal to each of the other.
 */
function draw({ rank: r, inFeatures, outFeatures }: FactorShape, random: Random): Factors {
  if (r % 2 !== 0) throw new UserError(`init_lora_weights "orthogonal" needs an even rank, but r is ${r}`);
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
  return { a, b };
}
