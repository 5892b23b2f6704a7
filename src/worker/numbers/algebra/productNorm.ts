import type { Matrix, Pause } from "./matrix";

/** Multiplications between two pauses: one or two ms. */
const WORK_A_TURN = 2 ** 20;

/**
 * The Frobenius norm of B A, without making it: its square is the trace of (BᵀB)(AAᵀ), two matrices as wide as the rank.
 * Summed in float64.
 */
export async function productNorm(b: Matrix, a: Matrix, pause: Pause): Promise<number> {
  const left = await gram(a.rows, a.columns, (k, j) => k * a.columns + j, a.data, pause);
  const right = await gram(b.columns, b.rows, (k, i) => i * b.columns + k, b.data, pause);
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i]! * right[i]!;
  // A product that cancels may leave rounding below zero.
  return Math.sqrt(Math.max(0, sum));
}

/** Inner products of `count` vectors of `length` numbers, each with each. `at` says where vector k has its number j. */
async function gram(
  count: number,
  length: number,
  at: (k: number, j: number) => number,
  data: Float32Array,
  pause: Pause,
): Promise<Float64Array> {
  const products = new Float64Array(count * count);
  const [step, next] = [at(0, 1) - at(0, 0), at(1, 0) - at(0, 0)];
  let work = 0;
  for (let i = 0; i < count; i++) {
    for (let k = 0; k <= i; k++) {
      let [p, q] = [i * next, k * next];
      let sum = 0;
      for (let j = 0; j < length; j++, p += step, q += step) sum += data[p]! * data[q]!;
      products[i * count + k] = sum;
      products[k * count + i] = sum;
      work += length;
      if (work < WORK_A_TURN) continue;
      work = 0;
      await pause();
    }
  }
  return products;
}
