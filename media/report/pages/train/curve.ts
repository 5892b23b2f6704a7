import type { EpochResult } from "../../../../src/protocol/reports";
import type { ChartSpec } from "../../charts";
import { type Cell, table } from "../../dom";
import { count, decimal, share } from "../../format";
import { smoothed, thinned } from "./losses";

/** The charts and tables of a training, during and after it: the losses of its steps and the results of its epochs. */

export function lossChart(losses: readonly number[]): ChartSpec {
  return {
    kind: "line",
    title: "Training loss",
    description:
      losses.length === 0
        ? "No step is done yet."
        : `${count(losses.length)} steps, from ${decimal(losses[0]!)} to ${decimal(losses.at(-1)!)}.`,
    x: { name: "step", format: count },
    y: { name: "loss", format: decimal },
    lines: [
      { name: "each step", points: thinned(losses), faint: true },
      { name: "smoothed", points: smoothed(losses) },
    ],
  };
}

export function epochTable(epochs: readonly EpochResult[]): HTMLElement {
  const accuracy = epochs.some(({ validationAccuracy }) => validationAccuracy !== null);
  const numeric = (text: string): Cell => ({ text, numeric: true });
  return table(
    "Results of each epoch",
    [
      { text: "Epoch" },
      { text: "Training loss", numeric: true },
      { text: "Validation loss", numeric: true },
      ...(accuracy ? [{ text: "Validation accuracy", numeric: true }] : []),
    ],
    epochs.map(({ epoch, trainLoss, validationLoss, validationAccuracy }) => [
      { text: count(epoch) },
      numeric(decimal(trainLoss)),
      numeric(decimal(validationLoss)),
      ...(accuracy ? [numeric(validationAccuracy === null ? "" : share(validationAccuracy))] : []),
    ]),
  );
}
