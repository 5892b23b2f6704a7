import type { InputChoice } from "../../protocol/jobs";
import { convert, toFloat32 } from "../formats/convert";
import { isFloating } from "../formats/dtype";
import { UserError } from "../formats/errors";
import { readNpz } from "../formats/numpy/npz";
import type { Tensor } from "../formats/tensor";
import type { InputSpec } from "../readers/inputSpec";

/**
 * Values of the inputs that a file holds, in the dtypes that the model is traced with. Throws a UserError for a number
 * that indexes no row of its table, which engines would take for one.
 */
export async function valuesOfInputs(
  choice: InputChoice | undefined,
  traced: readonly InputSpec[],
): Promise<Map<string, Tensor>> {
  if (choice?.file === undefined) return new Map();
  const { file } = choice;
  const values = new Map<string, Tensor>();
  for (const [name, array] of await readNpz(file)) {
    const spec = traced.find((input) => input.name === name);
    if (!spec) continue; // forward was given it, and makes nothing of it
    const value = array.dtype === spec.dtype ? array : convert(array, spec.dtype);
    requireInTable(value, spec, file);
    requireFinite(value, spec, file);
    values.set(name, value);
  }
  return values;
}

/** Throws a UserError for a number that indexes no row of its table. */
export function requireInTable({ data }: Tensor, { name, below }: InputSpec, file: string): void {
  if (below === undefined) return;
  for (const value of data) {
    // Python code may count negative indices from the end; an embedding does not.
    if (value >= 0 && value < below) continue;
    throw new UserError(
      `${file}: ${name} holds ${value}, but the table that it indexes has the rows 0 to ${below - 1}`,
      { file },
    );
  }
}

function requireFinite(value: Tensor, { name }: InputSpec, file: string): void {
  if (!isFloating(value.dtype) || toFloat32(value).every(Number.isFinite)) return;
  throw new UserError(`${file}: ${name} holds values that are not finite in ${value.dtype}`, { file });
}
