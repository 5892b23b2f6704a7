import type { Table } from "../../../formats/csv";
import { UserError } from "../../../formats/errors";
import { sizeOf } from "../../../formats/tensor";
import { shapeText } from "../../../graph/shapes";
import type { InputSpec } from "../../../readers/inputSpec";
import type { Model, Traced } from "../../../readers/model";

/** The model's one input, which a row's numbers fill. Throws a UserError where they do not fit. */
export function inputFor(model: Model, { inputs, inputsFrom }: Traced, table: Table, file: string): InputSpec {
  const input = inputs[0];
  if (!input || inputs.length > 1) {
    throw new UserError(
      `${model.className}.forward takes ${inputs.length} inputs (${inputs.map((i) => i.name).join(", ")}); a table can feed a model with one input only`,
      { file: model.file, line: model.place.line },
    );
  }
  const perSample = input.shape.slice(1);
  // A sequence may be as long as the table's rows are; other sizes are the model's own.
  const shape = input.dtype === "int64" && perSample.length === 1 ? [table.columns.length] : perSample;
  if (sizeOf(shape) !== table.columns.length) {
    throw new UserError(
      `${model.className} takes ${shapeText(perSample)}, ${sizeOf(perSample)} numbers per sample (${inputsFrom}); ${file} has ${table.columns.length} columns besides the label`,
      { file },
    );
  }
  if (input.dtype === "int64") requireTokens(table, input, file);
  else if (input.dtype !== "float32") {
    throw new UserError(`${model.className} takes ${input.dtype} inputs; a table can feed float32 and int64 only`, {
      file: model.file,
    });
  }
  return { ...input, shape: [input.shape[0] ?? 1, ...shape] };
}

function requireTokens(table: Table, input: InputSpec, file: string): void {
  const bad = table.features.findIndex(
    (v) => !Number.isInteger(v) || v < 0 || (input.below !== undefined && v >= input.below),
  );
  if (bad < 0) return;
  const row = Math.floor(bad / table.columns.length);
  const range = input.below === undefined ? "from 0" : `from 0 to ${input.below - 1}`;
  throw new UserError(
    `${file}, line ${row + 2}, column "${table.columns[bad % table.columns.length]}": ${table.features[bad]} is not a whole number ${range}, as input ${input.name} needs`,
    { file, line: row + 2 },
  );
}
