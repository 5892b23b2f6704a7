import { Random } from "../random";
import { addTo, dot, type Matrix, type Pause, times, transposed, transposedTimes } from "./matrix";
import { symmetricEigen } from "./symmetric";

/**
 * The largest singular triplets of a matrix. A small one's Gram matrix is diagonalized as a whole. For a large one a
 * block Krylov basis of Wᵀ W is grown from a random start, fully orthogonalized, until the largest vectors in it are
 * those of W (Golub and Van Loan, "Matrix Computations", section 10.3.6): some hundreds of vectors, however large W is.
 */

export interface Singular {
  /** The `count` largest, largest first, and then the next one when there is one. */
  readonly values: Float64Array;
  /** `count` left vectors, of length `rows`, times their values: W v. */
  readonly leftTimesValues: readonly Float64Array[];
  /** `count` right vectors, of length `columns` and norm 1. */
  readonly right: readonly Float64Array[];
}

/** Below this size of the smaller side the whole decomposition costs less than a tenth of a second. */
const DENSE = 128;
/** So many equal singular values are told apart by the basis; more need more blocks. */
const BLOCK = 8;
/** The basis is looked at after each growth by this factor. */
const GROWTH = 1.25;
/** Memory for the basis: 2 GiB at the most. */
const MOST_NUMBERS = 2 ** 28;

/**
 * The residual of the basis' vectors must fall below this times the largest value: the rounding error that a float32
 * decomposition, PEFT's, makes of the matrix itself. The vectors are then as right as theirs.
 */
const FLOAT32_ERROR = 2 ** -24;

/** @throws RangeError when the matrix holds a value that is not finite. */
export async function largestSingular(
  matrix: Matrix,
  count: number,
  pause: Pause,
  onProgress: (fraction: number) => void = () => {},
): Promise<Singular> {
  if (!matrix.data.every(Number.isFinite)) throw new RangeError("a matrix with values that are not finite");
  // The basis lies on the smaller side.
  if (matrix.rows < matrix.columns) {
    const turned = await tall(transposed(matrix), count, pause, onProgress);
    return {
      values: turned.values,
      // W v of the turned matrix is Wᵀ u: sigma v. Its right vectors are our left ones.
      leftTimesValues: turned.right.map((u, i) => u.map((x) => x * turned.values[i]!)),
      right: turned.leftTimesValues.map((v, i) => normalized(v, turned.values[i]!)),
    };
  }
  return tall(matrix, count, pause, onProgress);
}

/** A right vector of a value that is zero to rounding is no vector of its own; nothing that uses it sees it. */
function normalized(vector: Float64Array, length: number): Float64Array {
  return length > 0 ? vector.map((x) => x / length) : vector;
}

async function tall(
  matrix: Matrix,
  count: number,
  pause: Pause,
  onProgress: (fraction: number) => void,
): Promise<Singular> {
  const { columns, rows } = matrix;
  if (columns <= DENSE || count + BLOCK >= columns / 2) return dense(matrix, count, pause);
  const most = Math.min(columns, Math.floor(MOST_NUMBERS / (rows + columns)));
  const random = new Random(columns);
  const basis: Float64Array[] = [];
  const images: Float64Array[] = [];
  /** images[i]ᵀ images[j], lower triangle. */
  const gram: Float64Array[] = [];
  let next = orthonormal(
    Array.from({ length: BLOCK }, () => drawn(columns, random)),
    basis,
    random,
  );
  let lookAt = count + 2 * BLOCK;
  for (;;) {
    basis.push(...next);
    const products = await times(matrix, next, pause);
    images.push(...products);
    for (const image of products) {
      const row = new Float64Array(images.length);
      for (let i = 0; i <= gram.length; i++) row[i] = dot(image, images[i]!);
      gram.push(row);
      await pause();
    }
    const pulled = await transposedTimes(matrix, products, pause);
    const whole = basis.length + BLOCK > most;
    if (basis.length >= lookAt || whole) {
      const size = basis.length;
      const { values, vectors } = symmetricEigen(gram.map((row) => padded(row, size)));
      await pause();
      const outside = outsideOf(pulled, basis);
      const residual = Math.hypot(...vectors.slice(0, count).map((y) => residualOf(y, outside)));
      const [first, last] = [Math.max(values[0]!, 0), Math.max(values[count - 1]!, 0)];
      // Of Wᵀ W, whose values are squares: an error e of W moves them by 2 e sigma.
      const bound = Math.max(FLOAT32_ERROR * Math.sqrt(first * last), 1e-13 * first);
      if (residual <= bound) return combined(values, vectors, basis, images, count);
      if (whole) return dense(matrix, count, pause);
      lookAt = Math.ceil(size * GROWTH);
      onProgress(Math.min(0.95, Math.log(first / residual) / Math.log(first / bound)));
    }
    next = orthonormal(pulled, basis, random);
  }
}

async function dense(matrix: Matrix, count: number, pause: Pause): Promise<Singular> {
  const { rows, columns, data } = matrix;
  const gram = Array.from({ length: columns }, () => new Float64Array(columns));
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) row[j] = data[i * columns + j]!;
    for (let j = 0; j < columns; j++) {
      const into = gram[j]!;
      const w = row[j]!;
      for (let k = 0; k <= j; k++) into[k] = into[k]! + w * row[k]!;
    }
    if (i % 256 === 255) await pause();
  }
  const { values, vectors } = symmetricEigen(gram);
  await pause();
  const right = vectors.slice(0, count);
  return {
    values: values.slice(0, count + 1).map((value) => Math.sqrt(Math.max(value, 0))),
    leftTimesValues: await times(matrix, right, pause),
    right,
  };
}

function combined(
  values: Float64Array,
  vectors: readonly Float64Array[],
  basis: readonly Float64Array[],
  images: readonly Float64Array[],
  count: number,
): Singular {
  const mixed = (of: readonly Float64Array[], y: Float64Array) => {
    const sum = new Float64Array(of[0]!.length);
    of.forEach((vector, i) => {
      addTo(sum, vector, y[i]!);
    });
    return sum;
  };
  const chosen = vectors.slice(0, count);
  return {
    values: values.slice(0, count + 1).map((value) => Math.sqrt(Math.max(value, 0))),
    leftTimesValues: chosen.map((y) => mixed(images, y)),
    right: chosen.map((y) => mixed(basis, y)),
  };
}

function drawn(length: number, random: Random): Float64Array {
  return Float64Array.from({ length }, () => random.normal());
}

function padded(row: Float64Array, length: number): Float64Array {
  const longer = new Float64Array(length);
  longer.set(row.subarray(0, length));
  return longer;
}

/** What of the vectors lies outside the basis. */
function outsideOf(vectors: readonly Float64Array[], basis: readonly Float64Array[]): Float64Array[] {
  return vectors.map((vector) => {
    const rest = vector.slice();
    for (let pass = 0; pass < 2; pass++) for (const b of basis) addTo(rest, b, -dot(rest, b));
    return rest;
  });
}

/** |G v - theta v| of v = Σ y[i] basis[i]: what the last block's images have outside the basis, by its share in v. */
function residualOf(y: Float64Array, outside: readonly Float64Array[]): number {
  const rest = new Float64Array(outside[0]!.length);
  const from = y.length - outside.length;
  outside.forEach((vector, i) => {
    addTo(rest, vector, y[from + i]!);
  });
  return Math.sqrt(dot(rest, rest));
}

/**
 * The vectors, made orthonormal to the basis and among themselves. One that lies in their span gives way to a random
 * one: the basis then has all that it can have of where it began, and goes on elsewhere.
 */
function orthonormal(vectors: readonly Float64Array[], basis: readonly Float64Array[], random: Random): Float64Array[] {
  const made: Float64Array[] = [];
  for (let vector of vectors) {
    for (;;) {
      const before = Math.sqrt(dot(vector, vector));
      for (let pass = 0; pass < 2; pass++) {
        for (const b of basis) addTo(vector, b, -dot(vector, b));
        for (const b of made) addTo(vector, b, -dot(vector, b));
      }
      const after = Math.sqrt(dot(vector, vector));
      if (after > 1e-10 * before && before > 0) {
        made.push(vector.map((x) => x / after));
        break;
      }
      vector = drawn(vector.length, random);
    }
  }
  return made;
}
