/** A derivative by finite differences, and its error bound. */
export interface Slope {
  readonly value: number;
  readonly error: number;
}

/** The ratio of each step to the next smaller one. */
const RATIO = 4;
/** From the largest step to one of some 1e-5 of it, near what float32 tells apart. */
const STEPS = 9;
/** Relative to the slope. */
const GOOD = 1e-3;
/** The number of smallest steps, at which a smooth function's curvature is lost in rounding. */
const SMALLEST = 4;

/**
 * The slope at 0 of `f`, for which f(0) = 0, without knowing how smooth it is or how far it may be trusted: from both
 * sides together, from the one and from the other.
 *
 * Large steps err by what bends the function, and by every relu that turns within them; small ones by rounding. So the
 * slopes of shrinking steps are watched: they settle, and then rounding takes them apart. The one that agrees best with
 * those of the steps before and after it is taken; how far it is from them, and rounding as it was seen at the smallest
 * steps, are its error. The slope that is looked for has no part in the choice. Where a relu turns just beside 0, only
 * the slope of the side that 0 is on is the derivative there, and nobody can say which that is.
 *
 * @param largest the first step.
 * @param rounding the least that the values of f are off.
 * @param isEnough asked of a slope that is good to `GOOD` whether smaller steps can be spared.
 */
export async function slopesAtZero(
  f: (t: number) => Promise<number>,
  largest: number,
  rounding: number,
  isEnough: (slope: Slope) => boolean = () => false,
): Promise<Slope[]> {
  const steps = Array.from({ length: STEPS }, (_, k) => largest / RATIO ** k);
  const ahead: number[] = [];
  const behind: number[] = [];
  const central: number[] = [];
  for (const h of steps) {
    ahead.push(await f(h));
    behind.push(await f(-h));
    central.push((ahead.at(-1)! - behind.at(-1)!) / (2 * h));
    const slope = settled(central, steps, rounding);
    if (slope.error <= GOOD * Math.abs(slope.value) && isEnough(slope)) return [slope];
  }
  const noise = Math.max(rounding, roundingSeen(ahead, behind));
  // Fits a parabola to three points of one side: 0, h and RATIO h.
  const ofSide = (values: readonly number[], sign: 1 | -1) =>
    steps.map((h, k) =>
      k === 0 ? Number.NaN : (sign * (RATIO ** 2 * values[k]! - values[k - 1]!)) / ((RATIO ** 2 - RATIO) * h),
    );
  return [central, ofSide(ahead, 1), ofSide(behind, -1)].map((slopes) => settled(slopes, steps, noise));
}

/**
 * How far values are off at the smallest steps. Both sides' sum is 0 there but for rounding, and for a relu that turns
 * beside the point, whose part grows with the step and so is taken out by comparing with the next step's.
 */
function roundingSeen(ahead: readonly number[], behind: readonly number[]): number {
  const sums = ahead.map((a, k) => a + behind[k]!).slice(-SMALLEST);
  const rests = sums.slice(0, -1).map((sum, k) => Math.abs(sum - RATIO * sums[k + 1]!));
  return Math.max(...rests) / Math.hypot(1, RATIO);
}

function settled(slopes: readonly number[], steps: readonly number[], noise: number): Slope {
  let best: Slope = { value: Number.NaN, error: Number.POSITIVE_INFINITY };
  for (let k = 1; k < slopes.length - 1; k++) {
    const [before, value, after] = [slopes[k - 1]!, slopes[k]!, slopes[k + 1]!];
    // The next step's own rounding is no reason to doubt this one.
    const later = Math.max(0, Math.abs(after - value) - noise / steps[k + 1]!);
    const error = Math.max(Math.abs(before - value), later) + noise / steps[k]!;
    if (error < best.error) best = { value, error };
  }
  return best;
}
