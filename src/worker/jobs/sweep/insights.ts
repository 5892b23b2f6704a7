import type { SweepReport, SweepRun } from "../../../protocol/reports/sweep";

/** What the results say about the rank to choose. */
export type Findings = Pick<SweepReport, "best" | "smallestGood" | "insights">;

const share = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
const points = (fraction: number): string => `${(100 * fraction).toFixed(1)} points`;
const count = (n: number): string => n.toLocaleString("en-US");

/** @param runs by rising rank. @param measured number of samples that each result is the mean of. */
export function findings(runs: readonly SweepRun[], measured: number): Findings {
  const [first] = runs;
  if (!first) return { best: null, smallestGood: null, insights: [] };
  // Strictly better only, so that of equals the smallest rank is the best.
  const best = runs.reduce((a, b) => (isBetter(b, a) ? b : a));
  if (best.after.accuracy === null) return { best: best.rank, smallestGood: null, insights: lossInsights(runs, best) };
  const accuracy = best.after.accuracy;
  // The standard error of a share p of n samples: sqrt(p (1 - p) / n).
  const error = Math.sqrt((accuracy * (1 - accuracy)) / measured);
  const good = runs.find((run) => run.after.accuracy !== null && run.after.accuracy >= accuracy - error) ?? best;
  return {
    best: best.rank,
    smallestGood: good.rank,
    insights: [
      `Rank ${best.rank} has the highest accuracy: ${share(accuracy)}, from ${share(best.before.accuracy ?? 0)} before training.`,
      ...(runs.length > 1 ? [goodInsight(runs, best, good, error, measured)] : []),
      ...noGain(runs, accuracy <= (best.before.accuracy ?? 0), "accuracy"),
    ],
  };
}

function isBetter({ after: a }: SweepRun, { after: b }: SweepRun): boolean {
  if (a.accuracy !== null && b.accuracy !== null) return a.accuracy > b.accuracy;
  return a.loss < b.loss || (Number.isNaN(b.loss) && !Number.isNaN(a.loss));
}

function goodInsight(
  runs: readonly SweepRun[],
  best: SweepRun,
  good: SweepRun,
  error: number,
  measured: number,
): string {
  const margin = `one standard error (${points(error)} for ${count(measured)} samples)`;
  if (good.rank < best.rank) {
    return `Rank ${good.rank} is the smallest within ${margin} of it: ${share(good.after.accuracy!)} with ${count(good.trainable)} trained parameters instead of ${count(best.trainable)}.`;
  }
  if (best === runs[0]) return "No larger rank does better, so a smaller one may be enough.";
  if (best === runs.at(-1)) return `No smaller rank is within ${margin} of it. A larger rank may do better still.`;
  return `No smaller rank is within ${margin} of it.`;
}

function lossInsights(runs: readonly SweepRun[], best: SweepRun): string[] {
  const [before, after] = [best.before.loss, best.after.loss].map((loss) => loss.toPrecision(4));
  return [
    `Rank ${best.rank} has the lowest loss: ${after}, from ${before} before training.`,
    ...noGain(runs, best.after.loss >= best.before.loss, "loss"),
  ];
}

function noGain(runs: readonly SweepRun[], none: boolean, measure: string): string[] {
  if (!none) return [];
  const who = runs.length === 1 ? "The training does not improve" : "No rank improves";
  return [`${who} the ${measure}: train for more epochs, or with another learning rate.`];
}
