import type { SizesReport } from "../../../../src/protocol/reports/sizes";
import type { BarSpec, LineSpec } from "../../charts";
import type { Cell } from "../../dom";
import { bytes, count, decimal, factor, shortCount } from "../../format";
import { type Chosen, rowsAt, rowsOf } from "./chosen";
import { shortNames, sizeText } from "./names";

const numeric = (text: string): Cell => ({ text, numeric: true });

/** Values over ranks, a column a size, as the table behind a chart. */
function byRank(report: SizesReport, text: (size: number, rank: number) => string): LineSpec["values"] {
  return {
    head: [{ text: "Rank" }, ...report.sizes.map((size) => numeric(sizeText(size)))],
    rows: report.ranks.map(({ rank }, at) => [
      { text: count(rank) },
      ...report.sizes.map((_, size) => numeric(text(size, at))),
    ]),
  };
}

export function reductionChart(report: SizesReport, { rank }: Chosen): LineSpec {
  const names = shortNames(report.sizes);
  return {
    kind: "line",
    title: "Reduction against rank",
    description: "How many times fewer parameters LoRA trains than the layer has, for each rank and size.",
    x: { name: "rank", format: count },
    y: { name: "times fewer (×)", format: factor, log: true },
    lines: names.map((name, size) => ({
      name,
      points: rowsOf(report, size).map((row) => [row.rank, row.reduction] as const),
      symbols: true,
    })),
    categories: true,
    markX: { at: rank, label: "chosen" },
    values: byRank(report, (size, at) => factor(rowsOf(report, size)[at]!.reduction)),
  };
}

export function memoryChart(report: SizesReport, { rank, dtype }: Chosen): LineSpec {
  const names = shortNames(report.sizes);
  return {
    kind: "line",
    title: `Adapter memory against rank, ${dtype.id}`,
    description: `Size of the adapter of one layer in ${dtype.id}, for each rank and size.`,
    x: { name: "rank", format: count },
    y: { name: "bytes", format: bytes, binaryTo: Math.max(...report.rows.map(dtype.bytes)) },
    lines: names.map((name, size) => ({
      name,
      points: rowsOf(report, size).map((row) => [row.rank, dtype.bytes(row)] as const),
      symbols: true,
    })),
    categories: true,
    markX: { at: rank, label: "chosen" },
    values: byRank(report, (size, at) => bytes(dtype.bytes(rowsOf(report, size)[at]!))),
  };
}

export function sizesChart(report: SizesReport, { rank }: Chosen): BarSpec {
  const rows = rowsAt(report, rank);
  return {
    kind: "bar",
    title: `Reduction by size at rank ${rank}`,
    description: `How many times fewer parameters LoRA trains at each size at rank ${rank}.`,
    value: { name: `times fewer at rank ${rank} (×)`, format: factor },
    categories: report.sizes.map(sizeText),
    bars: [{ name: "reduction", values: rows.map(({ reduction }) => reduction) }],
    labels: true,
    values: {
      head: [{ text: "Size" }, numeric(`Reduction at rank ${rank}`)],
      rows: rows.map((row) => [{ text: sizeText(row) }, numeric(factor(row.reduction))]),
    },
  };
}

export function parametersChart(report: SizesReport, chosen: Chosen): LineSpec {
  const size = report.sizes[chosen.size]!;
  const row = rowsOf(report, chosen.size).find(({ rank }) => rank === chosen.rank)!;
  const last = Math.max(size.curve.at(-1)!.rank, chosen.rank);
  return {
    kind: "line",
    title: "Parameters, full against LoRA",
    description: `Parameters of a layer of ${sizeText(size)} and of its adapter, for each rank. From rank ${decimal(size.breakEvenRank)} on, the adapter has as many as the layer.`,
    x: { name: "rank", format: count, log: true },
    y: { name: "parameters", format: shortCount, log: true },
    lines: [
      {
        name: "full",
        points: [
          [1, size.parameters],
          [last, size.parameters],
        ],
      },
      { name: "LoRA", points: size.curve.map(({ rank, loraParameters }) => [rank, loraParameters] as const) },
      { name: `LoRA, rank ${chosen.rank}`, points: [[chosen.rank, row.loraParameters]], symbols: true },
    ],
    markX: { at: size.breakEvenRank, label: `break-even: ${decimal(size.breakEvenRank)}` },
    values: {
      head: [{ text: "Rank" }, numeric("LoRA"), numeric("Full")],
      rows: [
        ...size.curve.map(({ rank, loraParameters }) => [
          { text: count(rank) },
          numeric(count(loraParameters)),
          numeric(count(size.parameters)),
        ]),
        [{ text: `Break-even rank: ${decimal(size.breakEvenRank)}` }, numeric(""), numeric(count(size.parameters))],
      ],
    },
  };
}
