/**
 * Eigenvalues and eigenvectors of a small symmetric matrix in float64: Householder's reduction to a tridiagonal matrix,
 * then QL steps with implicit shifts (Golub and Van Loan, "Matrix Computations", sections 8.3.1 and 8.3.3).
 */

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Row i belongs to values[i]; of length 1. */
  readonly vectors: readonly Float64Array[];
}

/** QL needs two or three steps a value; this many mean that the matrix holds no finite numbers. */
const MOST_STEPS = 60;

/** `matrix`: n rows of n numbers, of which the lower triangle counts. It is left as it is. */
export function symmetricEigen(matrix: readonly Float64Array[]): Eigen {
  const n = matrix.length;
  const rows = matrix.map((row) => row.slice());
  const { diagonal, beside, basis } = tridiagonal(rows);
  ql(diagonal, beside, basis);
  const order = [...diagonal.keys()].sort((a, b) => diagonal[b]! - diagonal[a]!);
  return {
    values: Float64Array.from(order, (i) => diagonal[i]!),
    vectors: order.map((i) => basis[i] ?? new Float64Array(n)),
  };
}

/** T = Qᵀ A Q. `basis` is Qᵀ: its row i is the i-th basis vector, so that later rotations work on whole rows. */
function tridiagonal(a: Float64Array[]): { diagonal: Float64Array; beside: Float64Array; basis: Float64Array[] } {
  const n = a.length;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) a[i]![j] = a[j]![i]!;
  const reflectors: { v: Float64Array; beta: number }[] = [];
  const p = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    // The reflector I - beta v vᵀ takes column k, below its diagonal, to a multiple of the first axis.
    const v = new Float64Array(n);
    let tail = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i]![k]!;
      if (i > k + 1) tail += v[i]! * v[i]!;
    }
    if (tail === 0) {
      reflectors.push({ v, beta: 0 });
      continue;
    }
    const head = v[k + 1]!;
    const length = Math.sqrt(head * head + tail);
    v[k + 1] = head >= 0 ? head + length : head - length;
    const beta = 2 / (v[k + 1]! * v[k + 1]! + tail);
    // A - v wᵀ - w vᵀ with w = p - (beta/2)(pᵀv) v, p = beta A v.
    let pv = 0;
    for (let i = k; i < n; i++) {
      const row = a[i]!;
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += row[j]! * v[j]!;
      p[i] = beta * sum;
      pv += p[i]! * v[i]!;
    }
    for (let i = k; i < n; i++) p[i] = p[i]! - 0.5 * beta * pv * v[i]!;
    for (let i = k; i < n; i++) {
      const row = a[i]!;
      const [vi, pi] = [v[i]!, p[i]!];
      for (let j = k; j < n; j++) row[j] = row[j]! - vi * p[j]! - pi * v[j]!;
    }
    reflectors.push({ v, beta });
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i]![i]!);
  const beside = Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? a[i + 1]![i]! : 0));
  const basis = Array.from({ length: n }, (_, i) => {
    const row = new Float64Array(n);
    row[i] = 1;
    return row;
  });
  // Row i of Qᵀ is (H_0 H_1 ... e_i)ᵀ: the last reflector is the first to act.
  for (const row of basis) {
    for (let k = reflectors.length - 1; k >= 0; k--) {
      const { v, beta } = reflectors[k]!;
      if (beta === 0) continue;
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += row[j]! * v[j]!;
      if (sum === 0) continue;
      sum *= beta;
      for (let j = k + 1; j < n; j++) row[j] = row[j]! - sum * v[j]!;
    }
  }
  return { diagonal, beside, basis };
}

/** Diagonalizes in place; the rows of `basis` become the eigenvectors. */
function ql(d: Float64Array, e: Float64Array, basis: readonly Float64Array[]): void {
  const n = d.length;
  // The reduction has left errors of this size. Beside eigenvalues that are 0 there is nothing smaller to compare with.
  const error = Number.EPSILON * d.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(e[i] ?? 0)), 0);
  const isNone = (m: number) =>
    Math.abs(e[m]!) <= Math.max(error, Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!)));
  for (let l = 0; l < n; l++) {
    for (let steps = 0; ; steps++) {
      let m = l;
      while (m < n - 1 && !isNone(m)) m++;
      if (m === l) break;
      if (steps === MOST_STEPS) throw new RangeError("the eigenvalues of a matrix that is not finite");
      // Wilkinson's shift: the eigenvalue of the leading 2 by 2 block that is nearer to d[l].
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const root = Math.hypot(g, 1);
      g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? root : -root));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = d[i + 1]! - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        const t = (d[i]! - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        rotate(basis[i]!, basis[i + 1]!, c, s);
      }
      if (i >= l) continue;
      d[l] = d[l]! - p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

function rotate(lower: Float64Array, upper: Float64Array, c: number, s: number): void {
  for (let k = 0; k < lower.length; k++) {
    const [x, y] = [lower[k]!, upper[k]!];
    upper[k] = s * x + c * y;
    lower[k] = c * x - s * y;
  }
}
