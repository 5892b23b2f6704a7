/** Beyond it erf is 1 in double precision. */
const SATURATED = 6;
/** From here on the continued fraction of erfc has converged after `LEVELS`. */
const LARGE = 3;
const LEVELS = 40;

/** The error function in double precision: 2/sqrt(pi) times the integral of exp(-t²) from 0 to x. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (size >= SATURATED) return Math.sign(x);
  return Math.sign(x) * (size < LARGE ? series(size) : 1 - fraction(size));
}

/** 2/sqrt(pi) exp(-x²) (x + 2x³/3 + 4x⁵/15 + ...), whose terms are all positive (Abramowitz and Stegun, 7.1.6). */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * Number.EPSILON; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** erfc(x) = exp(-x²)/sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...)))) (7.1.14). */
function fraction(x: number): number {
  let below = x;
  for (let n = LEVELS; n > 0; n--) below = x + n / 2 / below;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
}
