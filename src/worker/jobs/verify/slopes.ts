/** Slopes by finite differences, with an estimate of how far they can be trusted. */

export interface Slope {
  readonly value: number;
  /** How far the value may be off by truncation and rounding, estimated from how well smaller steps agree with it. */
  readonly error: number;
}

/** Halvings of the step: from a change of a tenth, by far too much, to one of a hundred thousandth. */
const LEVELS = 14;
/** Differences that agree so well need no smaller step. */
const GOOD = 5e-4;

/**
 * The derivative of `f` at 0 by central differences whose step is halved, extrapolated to a step of zero: of all
 * extrapolations the one counts that agrees best with the plain differences of the next two steps (after Ridders,
 * "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982; his neighbors in the
 * tableau agree by chance where relus turn within the steps). What the slope should be plays no part in the choice, so
 * that a wrong gradient is not matched by trying.
 *
 * Where a relu turns nearer than the smallest step, the slopes of the two sides differ and the central one lies between
 * them: half of what they differ by is uncertain, too.
 *
 * `around(h)`: f(h) - f(0) and f(0) - f(-h).
 */
export async function slopeAtZero(
  around: (h: number) => Promise<readonly [ahead: number, behind: number]>,
  largest: number,
): Promise<Slope> {
  let best: Slope = { value: Number.NaN, error: Infinity };
  const rows: number[][] = [];
  for (let level = 0, h = largest; level < LEVELS; level++, h /= 2) {
    const [ahead, behind] = await around(h);
    const row = [(ahead + behind) / (2 * h)];
    const bend = Math.abs(ahead - behind) / (2 * h);
    const before = rows.at(-1);
    // The error of a central difference has even powers of the step alone.
    for (let k = 1, factor = 4; before && k <= before.length; k++, factor *= 4)
      row.push((factor * row[k - 1]! - before[k - 1]!) / (factor - 1));
    rows.push(row);
    for (const value of rows.at(-3) ?? []) {
      const error = Math.max(Math.abs(value - before![0]!), Math.abs(value - row[0]!), bend);
      if (error <= best.error) best = { value, error };
    }
    if (best.error <= GOOD * Math.abs(best.value)) break;
  }
  return best;
}
