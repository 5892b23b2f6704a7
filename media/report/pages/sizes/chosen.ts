import type { ComparedSize, SizeRow, SizesReport } from "../../../../src/protocol/reports/sizes";
import type { Choices } from "../../host";

/** How the adapter's numbers are stored, and how many bytes a row says that takes. */
export const DTYPES: readonly {
  readonly id: string;
  readonly bytes: (row: SizeRow) => number;
}[] = [
  { id: "float32", bytes: ({ adapterBytes }) => adapterBytes },
  { id: "float16", bytes: ({ adapterBytesHalf }) => adapterBytesHalf },
  { id: "bfloat16", bytes: ({ adapterBytesHalf }) => adapterBytesHalf },
];

const DEFAULT_RANK = 8;

/** What the controls say, where the report has it; else the defaults. */
export interface Chosen {
  readonly rank: number;
  /** As typed: empty means twice the rank. */
  readonly alphaText: string;
  readonly alpha: number;
  /** alpha / rank */
  readonly scaling: number;
  readonly dtype: (typeof DTYPES)[number];
  /** Index of the size whose parameters are drawn. */
  readonly size: number;
}

export function chosenOf(report: SizesReport, choices: Choices): Chosen {
  const { ranks } = report;
  const wanted = choices.rank ?? DEFAULT_RANK;
  const at = ranks.find(({ rank }) => rank === wanted) ?? ranks[0]!;
  const alphaText = choices.alpha ?? (report.alpha === null ? "" : String(report.alpha));
  const alpha = alphaOf(alphaText) ?? 2 * at.rank;
  return {
    rank: at.rank,
    alphaText,
    alpha,
    scaling: alpha * at.scalingPerAlpha,
    dtype: DTYPES.find(({ id }) => id === choices.dtype) ?? DTYPES[0]!,
    size: Math.max(
      report.sizes.findIndex((size) => keyOf(size) === choices.size),
      0,
    ),
  };
}

/** The number that was typed; undefined for anything else. */
export function alphaOf(text: string): number | undefined {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : undefined;
}

/** Names a size over changes of the report. */
export function keyOf({ name, inFeatures, outFeatures, bias }: ComparedSize): string {
  return JSON.stringify([name, inFeatures, outFeatures, bias]);
}

/** Rows of the sizes, in their order, at one rank. */
export function rowsAt({ rows }: SizesReport, rank: number): SizeRow[] {
  return rows.filter((row) => row.rank === rank);
}

/** Rows of the size at an index, ranks rising. */
export function rowsOf({ rows, ranks }: SizesReport, index: number): readonly SizeRow[] {
  return rows.slice(index * ranks.length, (index + 1) * ranks.length);
}
