import type { Evaluation } from "../../../../src/protocol/reports";
import type { SweepRun } from "../../../../src/protocol/reports/sweep";
import type { ChartSpec } from "../../charts";
import { type Cell, table } from "../../dom";
import { bytes, count, decimal, duration, percent, share } from "../../format";

/** What a sweep shows while it runs and when it is over: its runs as a table, and quality by rank. */

const numeric = (text: string): Cell => ({ text, numeric: true });

const hasAccuracy = (runs: readonly SweepRun[]): boolean => runs.some(({ after }) => after.accuracy !== null);

/** @param best the rank to name as the best one, if any. */
export function runsTable(runs: readonly SweepRun[], best: number | null): HTMLElement {
  const accuracy = hasAccuracy(runs);
  const heads = ["Loss", "Trainable", "Share of all", "Adapter", "Alpha", "Scale", "Time", "Samples/s"];
  return table(
    "Results by rank",
    [{ text: "Rank" }, ...(accuracy ? ["Accuracy", ...heads] : heads).map(numeric)],
    runs.map((run) => [
      { text: run.rank === best ? `${run.rank} (best)` : String(run.rank) },
      ...(accuracy
        ? [{ ...numeric(shareText(run.after.accuracy)), note: `from ${shareText(run.before.accuracy)}` }]
        : []),
      { ...numeric(decimal(run.after.loss)), note: `from ${decimal(run.before.loss)}` },
      numeric(count(run.trainable)),
      numeric(percent(run.percent)),
      numeric(bytes(run.adapterBytes)),
      numeric(decimal(run.alpha)),
      numeric(decimal(run.scaling)),
      numeric(duration(run.seconds)),
      numeric(count(run.samplesPerSecond)),
    ]),
  );
}

export function shareText(accuracy: number | null): string {
  return accuracy === null ? "" : share(accuracy);
}

/** Accuracy, where the loss has one, and loss against rank. */
export function qualityCharts(runs: readonly SweepRun[], lossLabel: string): ChartSpec[] {
  const loss = qualityChart(runs, { title: "Loss by rank", name: lossLabel, format: decimal }, ({ loss }) => loss);
  if (!hasAccuracy(runs)) return [loss];
  const accuracy = qualityChart(
    runs,
    { title: "Accuracy by rank", name: "accuracy", format: share },
    ({ accuracy }) => accuracy ?? Number.NaN,
  );
  return [accuracy, loss];
}

interface Measure {
  readonly title: string;
  readonly name: string;
  readonly format: (value: number) => string;
}

function qualityChart(
  runs: readonly SweepRun[],
  { title, name, format }: Measure,
  value: (result: Evaluation) => number,
): ChartSpec {
  const points = runs.map((run): [number, number] => [run.rank, value(run.after)]);
  const said = points.map(([rank, y]) => `${format(y)} at rank ${rank}`).join(", ");
  return {
    kind: "line",
    title,
    description: `After training, by rank on a logarithmic axis: ${said}.`,
    x: { name: "rank", format: count, log: true, base: 2, ...powersAround(runs.map(({ rank }) => rank)) },
    y: { name, format },
    lines: [{ name: "after training", points, symbols: true }],
    values: {
      head: [{ text: "Rank" }, numeric("Before training"), numeric("After training")],
      rows: runs.map(({ rank, before, after }) => [
        { text: String(rank) },
        numeric(format(value(before))),
        numeric(format(value(after))),
      ]),
    },
  };
}

/** The powers of two around the ranks, which are an axis's ends. */
function powersAround(ranks: readonly number[]): { readonly min: number; readonly max: number } {
  const low = Math.floor(Math.log2(Math.min(...ranks)));
  const high = Math.ceil(Math.log2(Math.max(...ranks)));
  return low < high ? { min: 2 ** low, max: 2 ** high } : { min: 2 ** low / 2, max: 2 ** high * 2 };
}
