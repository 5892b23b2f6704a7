import type { Matrix } from "./matrix";

/**
 * The first `count` columns of Q in W = Q R, by Householder's reflectors as LAPACK makes them. A column that is zero,
 * below those before it, has the identity for its reflector, and Q then a column of the identity's.
 *
 * `weakest`: the least part of a column of W that no column before it has, relative to the column; zeros do not count.
 * Where it is at the level of rounding, rounding decides the direction of Q's column.
 */
export function firstOrthogonal(
  { rows, columns, data }: Matrix,
  count: number,
): { readonly q: readonly Float64Array[]; readonly weakest: number } {
  const reflectors: { readonly v: Float64Array; readonly beta: number }[] = [];
  let weakest = 1;
  for (let k = 0; k < count; k++) {
    const x = Float64Array.from({ length: rows }, (_, i) => data[i * columns + k]!);
    const length = norm(x, 0);
    reflectors.forEach(({ v, beta }, i) => {
      reflect(x, v, beta, i);
    });
    const below = norm(x, k);
    if (length > 0) weakest = Math.min(weakest, below / length);
    const tail = norm(x, k + 1);
    if (tail === 0) {
      reflectors.push({ v: x, beta: 0 });
      continue;
    }
    x[k] = x[k]! + (x[k]! >= 0 ? below : -below);
    reflectors.push({ v: x, beta: 2 / norm(x, k) ** 2 });
  }
  const q = Array.from({ length: count }, (_, column) => {
    const axis = new Float64Array(rows);
    axis[column] = 1;
    for (let k = count - 1; k >= 0; k--) reflect(axis, reflectors[k]!.v, reflectors[k]!.beta, k);
    return axis;
  });
  return { q, weakest };
}

/** x becomes (I - beta v vᵀ) x; v is zero before `from`, whatever stands there. */
function reflect(x: Float64Array, v: Float64Array, beta: number, from: number): void {
  if (beta === 0) return;
  let sum = 0;
  for (let i = from; i < x.length; i++) sum += x[i]! * v[i]!;
  sum *= beta;
  for (let i = from; i < x.length; i++) x[i] = x[i]! - sum * v[i]!;
}

function norm(x: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < x.length; i++) sum += x[i]! * x[i]!;
  return Math.sqrt(sum);
}
