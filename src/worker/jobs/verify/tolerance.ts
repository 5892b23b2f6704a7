/**
 * How much two float32 computations of the same value may differ. Rounding errors of a sum of K products grow as
 * sqrt(K) when they are independent (Higham, "Accuracy and Stability of Numerical Algorithms", section 2.8), and layers
 * add theirs up likewise; the factor leaves room for the constant and for products summed in another order.
 */
export const EPS_FLOAT32 = 2 ** -23;
const ROOM = 8;

export interface Tolerance {
  readonly bound: number;
  /** In words, with the numbers. */
  readonly from: string;
}

/** `sumLength`: the longest sum; `layers`: how many follow one another; `magnitude`: the largest value compared. */
export function tolerance(sumLength: number, layers: number, magnitude: number): Tolerance {
  const bound = ROOM * EPS_FLOAT32 * Math.sqrt(sumLength * layers) * magnitude;
  return {
    bound,
    from: `${ROOM} × float32's epsilon (1.19e-7) × √(${sumLength} terms × ${layers} ${layers === 1 ? "layer" : "layers"}) × the largest value, ${magnitude.toPrecision(3)}`,
  };
}
