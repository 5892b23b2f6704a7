import { readTable, type Table } from "../../../formats/csv";
import { float32, int64, type Tensor } from "../../../formats/tensor";
import type { InputSpec } from "../../../readers/inputSpec";
import type { DataSource } from "../source";
import { readColumns } from "./columns";
import { inputFor } from "./input";

/** A table with a header line: one column is the label, the others are one input's numbers, in order. */
export const csv: DataSource = {
  id: "csv",
  label: "CSV",
  what: "a CSV file with a header line",
  extensions: ["csv"],
  columns: readColumns,
  async open({ file, label }, model, example, signal) {
    const table = await readTable(file, label, { signal });
    const input = inputFor(model, example, table, file);
    return {
      samples: table.rows,
      inputs: [input],
      labels: table.labels,
      batch: (rows) => new Map([[input.name, features(table, input, rows)]]),
    };
  },
};

function features(table: Table, input: InputSpec, rows: Uint32Array): Tensor {
  const width = table.columns.length;
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    values.set(table.features.subarray(row * width, (row + 1) * width), i * width);
  });
  const shape = [rows.length, ...input.shape.slice(1)];
  return input.dtype === "int64" ? int64(shape, values) : float32(shape, values);
}
