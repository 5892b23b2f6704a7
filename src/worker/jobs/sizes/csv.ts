import type { SizeRow, SizesReport } from "../../../protocol/reports/sizes";

/** The columns, named as the fields of a row are in JSON. */
const COLUMNS: readonly (keyof SizeRow)[] = [
  "name",
  "layers",
  "inFeatures",
  "outFeatures",
  "bias",
  "rank",
  "alpha",
  "scaling",
  "parameters",
  "parametersWithoutBias",
  "parametersWithBias",
  "loraParameters",
  "reduction",
  "adapterBytes",
  "adapterBytesHalf",
  "optimizerBytes",
  "breakEvenRank",
];

/** The table as CSV (RFC 4180), a line for each size and rank. */
export function sizesCsv({ rows }: SizesReport): string {
  return [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => row[column]))]
    .map((cells) => `${cells.map(csvCell).join(",")}\r\n`)
    .join("");
}

/** A name that a spreadsheet would take for a formula gets an apostrophe before it: names come from files. */
function csvCell(value: string | number | boolean | null): string {
  if (typeof value !== "string") return value === null ? "" : String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
