import { yieldToEvents } from "../../formats/files";

/** A dense float32 matrix, row-major, whose products are summed in float64. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** Lets other work run, and ends it: called between pieces of work of some hundredths of a second. */
export type Pause = () => Promise<void>;

export function pauseFor(signal: AbortSignal | undefined): Pause {
  return async () => {
    await yieldToEvents();
    signal?.throwIfAborted();
  };
}

/** Multiplications between two pauses. */
const WORK_A_TURN = 2 ** 25;

export function transposed({ rows, columns, data }: Matrix): Matrix {
  const turned = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j]!;
  return { rows: columns, columns: rows, data: turned };
}

/** M x for each vector x of `xs`. */
export async function times(matrix: Matrix, xs: readonly Float64Array[], pause: Pause): Promise<Float64Array[]> {
  const { rows, columns, data } = matrix;
  const products = xs.map(() => new Float64Array(rows));
  const most = Math.max(1, Math.floor(WORK_A_TURN / (columns * Math.max(1, xs.length))));
  for (let from = 0; from < rows; from += most) {
    const to = Math.min(rows, from + most);
    for (let k = 0; k + 4 <= xs.length; k += 4) timesFour(data, columns, xs, products, k, from, to);
    for (let k = xs.length - (xs.length % 4); k < xs.length; k++) {
      const [x, y] = [xs[k]!, products[k]!];
      for (let i = from; i < to; i++) {
        const at = i * columns;
        let sum = 0;
        for (let j = 0; j < columns; j++) sum += data[at + j]! * x[j]!;
        y[i] = sum;
      }
    }
    await pause();
  }
  return products;
}

/** Each weight is loaded once for four vectors. */
function timesFour(
  data: Float32Array,
  columns: number,
  xs: readonly Float64Array[],
  products: readonly Float64Array[],
  k: number,
  from: number,
  to: number,
): void {
  const [a, b, c, d] = [xs[k]!, xs[k + 1]!, xs[k + 2]!, xs[k + 3]!];
  for (let i = from; i < to; i++) {
    const at = i * columns;
    let [sa, sb, sc, sd] = [0, 0, 0, 0];
    for (let j = 0; j < columns; j++) {
      const w = data[at + j]!;
      sa += w * a[j]!;
      sb += w * b[j]!;
      sc += w * c[j]!;
      sd += w * d[j]!;
    }
    products[k]![i] = sa;
    products[k + 1]![i] = sb;
    products[k + 2]![i] = sc;
    products[k + 3]![i] = sd;
  }
}

/** Mᵀ y for each vector y of `ys`. */
export async function transposedTimes(
  matrix: Matrix,
  ys: readonly Float64Array[],
  pause: Pause,
): Promise<Float64Array[]> {
  const { rows, columns, data } = matrix;
  const products = ys.map(() => new Float64Array(columns));
  const most = Math.max(1, Math.floor(WORK_A_TURN / (columns * Math.max(1, ys.length))));
  for (let from = 0; from < rows; from += most) {
    const to = Math.min(rows, from + most);
    for (let k = 0; k + 4 <= ys.length; k += 4) transposedTimesFour(data, columns, ys, products, k, from, to);
    for (let k = ys.length - (ys.length % 4); k < ys.length; k++) {
      const [y, x] = [ys[k]!, products[k]!];
      for (let i = from; i < to; i++) {
        const at = i * columns;
        const yi = y[i]!;
        for (let j = 0; j < columns; j++) x[j] = x[j]! + data[at + j]! * yi;
      }
    }
    await pause();
  }
  return products;
}

function transposedTimesFour(
  data: Float32Array,
  columns: number,
  ys: readonly Float64Array[],
  products: readonly Float64Array[],
  k: number,
  from: number,
  to: number,
): void {
  const [a, b, c, d] = [products[k]!, products[k + 1]!, products[k + 2]!, products[k + 3]!];
  for (let i = from; i < to; i++) {
    const at = i * columns;
    const [ya, yb, yc, yd] = [ys[k]![i]!, ys[k + 1]![i]!, ys[k + 2]![i]!, ys[k + 3]![i]!];
    for (let j = 0; j < columns; j++) {
      const w = data[at + j]!;
      a[j] = a[j]! + w * ya;
      b[j] = b[j]! + w * yb;
      c[j] = c[j]! + w * yc;
      d[j] = d[j]! + w * yd;
    }
  }
}

/** M - factor * Σ left[k] right[k]ᵀ, each element summed in float64 and rounded once. */
export async function minusProduct(
  { rows, columns, data }: Matrix,
  left: readonly Float64Array[],
  right: readonly Float64Array[],
  factor: number,
  pause: Pause,
): Promise<Matrix> {
  const result = new Float32Array(data.length);
  const row = new Float64Array(columns);
  const most = Math.max(1, Math.floor(WORK_A_TURN / (columns * Math.max(1, left.length))));
  for (let i = 0; i < rows; i++) {
    const at = i * columns;
    row.fill(0);
    for (let k = 0; k < left.length; k++) {
      const l = left[k]![i]!;
      const r = right[k]!;
      for (let j = 0; j < columns; j++) row[j] = row[j]! + l * r[j]!;
    }
    for (let j = 0; j < columns; j++) result[at + j] = data[at + j]! - factor * row[j]!;
    if (i % most === most - 1) await pause();
  }
  return { rows, columns, data: result };
}

export function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

/** y += factor * x */
export function addTo(y: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < y.length; i++) y[i] = y[i]! + factor * x[i]!;
}
