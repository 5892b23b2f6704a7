import { UserError } from "../../formats/errors";
import { minusProduct, type Pause, transposedTimes } from "../../numbers/algebra/matrix";
import { firstOrthogonal } from "../../numbers/algebra/orthogonal";
import { type ChangedWeight, CONVERT, type Initialization, type Sized, type StoredWeight } from "./initialization";

/**
 * arXiv 2406.01775: scaling times the first r columns of Q with the first r rows of R, of the base weight as it is stored,
 * are subtracted from it. The scaling does not cancel.
 */
export const OLORA: Initialization = {
  name: '"olora"',
  takes: (value) => typeof value === "string" && value.toLowerCase() === "olora",
  begins: { a: "first rows of R, W₀ = Q R", b: "first columns of Q, W₀ = Q R" },
  identity: true,
  decomposes: true,
  change,
};

/** Below this part of its length, rounding decides the direction in which a column differs from those before it. */
const DEPENDENT = 1e-5;

async function change(
  { path, matrix, fanInFanOut }: StoredWeight,
  { rank, scaling }: Sized,
  pause: Pause,
): Promise<ChangedWeight> {
  const { rows, columns } = matrix;
  if (fanInFanOut && rows !== columns) {
    throw new UserError(
      `init_lora_weights is "olora", and ${path} is stored [in, out]. PEFT then makes A and B in shapes that do not fit the layer, and cannot load the adapter. Leave the layer out of the target modules`,
    );
  }
  const count = Math.min(rank, rows, columns);
  const { q, weakest } = firstOrthogonal(matrix, count);
  if (weakest < DEPENDENT) {
    throw new UserError(
      `init_lora_weights is "olora", and the first ${count} columns of ${path} are linearly dependent, so rounding decides what PEFT subtracts. To go on, ${CONVERT}`,
    );
  }
  const r = await transposedTimes(matrix, q, pause);
  return {
    residual: await minusProduct(matrix, q, r, scaling, pause),
    a: r,
    b: q,
    ...(fanInFanOut && {
      warning: `${path} is stored [in, out], which PEFT's OLoRA ignores: the adapter started as the transpose of the subtracted matrix, so it never was an identity. LoRA Lens computes it as PEFT does.`,
    }),
  };
}
