import { readTable, type Table } from "../../formats/csv";
import { UserError } from "../../formats/errors";
import { float32, int64, sizeOf, type Tensor } from "../../formats/tensor";
import { shapeText } from "../../graph/shapes";
import { Random } from "../../numbers/random";
import type { InputSpec } from "../../readers/inputSpec";
import type { Model, Traced } from "../../readers/model";
import { type Targets, targetsOf } from "./labels";

/** A table laid out for one model: how its rows become the model's input and what they are compared with. */
export interface Dataset {
  readonly table: Table;
  readonly input: InputSpec;
  readonly targets: Targets;
  /** Row numbers of each split. */
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/** Rows of one split make this many batches; the last may be smaller. */
export function batchCount(rows: number, batchSize: number): number {
  return Math.ceil(rows / batchSize);
}

/**
 * Reads the data and checks that the model can take it: its one input holds a row's numbers, and its output has a
 * class for each label, or one number for a number.
 * @param example the model as it is traced with its example inputs.
 */
export async function loadDataset(
  model: Model,
  file: string,
  label: string,
  validation: number,
  seed: number,
  signal: AbortSignal,
  example: Traced = model.trace(),
): Promise<Dataset> {
  if (!(validation >= 0 && validation <= 0.5)) {
    throw new UserError(`the validation share must be between 0 and 0.5, not ${validation}`);
  }
  const table = await readTable(file, label, { signal });
  const input = inputFor(model, example, table, file);
  const output = outputShape(model, example);
  const targets = targetsOf(table.labels, output, model, label);
  const order = new Uint32Array(table.rows).map((_, i) => i);
  new Random(seed).shuffle(order);
  const held = Math.round(table.rows * validation);
  if (table.rows - held < 1) throw new UserError(`${file} has ${table.rows} rows: too few to train on`, { file });
  return { table, input, targets, validation: order.subarray(0, held), train: order.subarray(held) };
}

function inputFor(model: Model, { inputs, inputsFrom }: Traced, table: Table, file: string): InputSpec {
  const input = inputs[0];
  if (!input || inputs.length > 1) {
    throw new UserError(
      `${model.className}.forward takes ${inputs.length} inputs (${inputs.map((i) => i.name).join(", ")}); a table can feed a model of one input`,
      { file: model.file, line: model.place.line },
    );
  }
  const perSample = input.shape.slice(1);
  // A sequence may be as long as the table's rows are; other sizes are the model's own.
  const shape = input.dtype === "int64" && perSample.length === 1 ? [table.columns.length] : perSample;
  if (sizeOf(shape) !== table.columns.length) {
    throw new UserError(
      `${model.className} takes ${shapeText(perSample)}, ${sizeOf(perSample)} numbers a sample (${inputsFrom}); ${file} has ${table.columns.length} columns beside the label`,
      { file },
    );
  }
  if (input.dtype === "int64") requireTokens(table, input, file);
  else if (input.dtype !== "float32") {
    throw new UserError(`${model.className} takes ${input.dtype} inputs; a table can feed float32 and int64`, {
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

function outputShape(model: Model, { graph }: Traced): readonly number[] {
  const output = graph.outputs.get("output");
  if (!output) {
    throw new UserError(
      `${model.className}.forward returns several values (${[...graph.outputs.keys()].join(", ")}); training needs one tensor, the prediction`,
      { file: model.file, line: model.place.line },
    );
  }
  return output.shape;
}

/** The input and target tensors of the given rows. */
export function batchOf(data: Dataset, rows: Uint32Array, targetShape: readonly number[]): Map<string, Tensor> {
  const {
    table,
    input,
    targets: { loss, values },
  } = data;
  const width = table.columns.length;
  const features = new Float32Array(rows.length * width);
  const targets = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    features.set(table.features.subarray(row * width, (row + 1) * width), i * width);
    targets[i] = values[row]!;
  });
  const shape = [rows.length, ...input.shape.slice(1)];
  return new Map([
    [input.name, input.dtype === "int64" ? int64(shape, features) : float32(shape, features)],
    [
      "target",
      loss === "cross-entropy" ? int64(targetShape, targets) : float32(targetShape, Float32Array.from(targets)),
    ],
  ]);
}
