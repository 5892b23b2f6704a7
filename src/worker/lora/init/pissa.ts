import { UserError } from "../../formats/errors";
import { minusProduct, type Pause } from "../../numbers/algebra/matrix";
import { largestSingular } from "../../numbers/algebra/singular";
import {
  type ChangedWeight,
  CONVERT,
  type Initialization,
  refused,
  type Sized,
  type StoredWeight,
} from "./initialization";

/** arXiv 2404.02948: the r largest singular triplets are subtracted from the base weight; the scaling cancels. */
export const PISSA: Initialization = {
  name: '"pissa"',
  takes: (value) => value === "pissa",
  begins: { a: "largest singular vectors of W₀", b: "largest singular vectors of W₀" },
  identity: true,
  decomposes: true,
  refuse: (value, { scaling }) => {
    if (scaling > 0) return;
    throw refused(
      value,
      `PEFT divides the singular values by the scaling, ${scaling}, takes their roots and gets NaN`,
      "choose an adapter with a lora_alpha above 0",
    );
  },
  change,
};

/**
 * Two singular values closer than this, relative to the largest, are equal in float32: rounding then decides which r
 * vectors are subtracted, also in PEFT.
 */
const SAME = 3e-6;
/** Closer than this, rounding changes the residual by more than a thousandth of their size. */
const NEAR = 1e-4;

async function change(
  { path, matrix, fanInFanOut }: StoredWeight,
  { rank, scaling }: Sized,
  pause: Pause,
  onProgress: (fraction: number) => void,
): Promise<ChangedWeight> {
  const count = Math.min(rank, matrix.rows, matrix.columns);
  const { values, leftTimesValues, right } = await largestSingular(matrix, count, pause, onProgress);
  const [first, last, next = 0] = [values[0]!, values[count - 1]!, values[count]];
  const gap = first > 0 ? (last - next) / first : 1;
  // The subtracted part is unique if the last value is zero.
  const matters = count < values.length && last > SAME * first;
  if (matters && gap < SAME) {
    throw new UserError(
      `init_lora_weights is "pissa", and singular values ${count} and ${count + 1} of ${path} are equal within float32's rounding, so the machine decides which of them PEFT subtracts. To go on, ${CONVERT}`,
    );
  }
  const warning =
    matters && gap < NEAR
      ? `Singular values ${count} and ${count + 1} of ${path} differ by ${(100 * gap).toPrecision(1)} % of the largest, so what PiSSA subtracts there depends on rounding, also in PEFT.`
      : undefined;
  // B is [out, r]: left vectors where the weight is [out, in].
  const scaled = (vectors: readonly Float64Array[], factor: (value: number) => number) =>
    vectors.map((vector, k) => vector.map((x) => x * factor(values[k]!)));
  const left = scaled(leftTimesValues, (value) => (value > 0 ? 1 / Math.sqrt(scaling * value) : 0));
  const rightward = scaled(right, (value) => Math.sqrt(value / scaling));
  return {
    residual: await minusProduct(matrix, leftTimesValues, right, 1, pause),
    a: fanInFanOut ? left : rightward,
    b: fanInFanOut ? rightward : left,
    ...(warning !== undefined && { warning }),
  };
}
