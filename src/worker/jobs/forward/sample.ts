import { basename, extname } from "node:path";
import type { SampleChoice } from "../../../protocol/reports/forward";
import { convert } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { readBytes } from "../../formats/files";
import type { Labels } from "../../formats/labels";
import { decodeNpy, MAX_ARRAY_BYTES } from "../../formats/numpy/npy";
import { readNpz } from "../../formats/numpy/npz";
import type { Tensor } from "../../formats/tensor";
import type { Model, Traced } from "../../readers/model";
import { DATA_SOURCES } from "../../training/data/registry";
import { requireInTable } from "../inputs";
import { randomInputs } from "../opened";

/** What forward is given. */
export interface Sample {
  readonly traced: Traced;
  readonly values: Map<string, Tensor>;
  /** In words. */
  readonly from: string;
  readonly label?: { readonly column: string; readonly value: string };
}

/** Names that label columns usually have. */
const LABEL_NAMES = /^(label|target|class|y)$/i;

/** Reads the sample, or draws it, and traces the model with its shapes. */
export async function sampleFor(
  model: Model,
  choice: SampleChoice | undefined,
  seed: number,
  signal: AbortSignal,
): Promise<Sample> {
  if (!choice) {
    const traced = model.trace();
    const values = randomInputs(traced.inputs, seed);
    return { traced, values, from: `random numbers of seed ${seed} (shapes: ${traced.inputsFrom})` };
  }
  const { file } = choice;
  const extension = extname(file).slice(1).toLowerCase();
  if (extension === "npz") return withArrays(model, await readNpz(file), file);
  if (extension === "npy") {
    const bytes = await readBytes(file, MAX_ARRAY_BYTES, "model inputs are smaller");
    return withArrays(model, new Map([[onlyInput(model), decodeNpy(bytes, file)]]), file);
  }
  const source = DATA_SOURCES.find(({ extensions }) => extensions.includes(extension));
  if (!source) {
    const known = ["npz", "npy", ...DATA_SOURCES.flatMap(({ extensions }) => extensions)].map((one) => `.${one}`);
    throw new UserError(`${file} is no sample by its name; a sample is a file that ends in ${known.join(", ")}`, {
      file,
    });
  }
  const columns = await source.columns(file);
  const column = choice.label ?? columns.find((name) => LABEL_NAMES.test(name));
  if (column === undefined) {
    throw new UserError(
      `${file}: which of its columns is the label, and no input, is not plain from their names (${columns.slice(0, 8).join(", ")}${columns.length > 8 ? ", …" : ""}); name it`,
      { file },
    );
  }
  const traced = model.trace();
  const data = await source.open({ file, label: column }, model, traced, signal);
  const row = choice.row ?? 1;
  if (!Number.isInteger(row) || row < 1 || row > data.samples) {
    throw new UserError(`${file} has the rows 1 to ${data.samples}, and no row ${row}`, { file });
  }
  const values = new Map(data.batch(Uint32Array.of(row - 1)));
  return {
    traced: model.trace({ inputs: specsOf(values) }),
    values,
    from: `row ${row} of ${basename(file)}`,
    label: { column, value: labelAt(data.labels, row - 1) },
  };
}

function withArrays(model: Model, given: ReadonlyMap<string, Tensor>, file: string): Sample {
  const double = model.stateDict.some((entry) => entry.dtype === "float64");
  const values = new Map([...given].map(([name, tensor]) => [name, asTorch(tensor, double)]));
  const traced = model.trace({ inputs: specsOf(values) });
  for (const spec of traced.inputs) {
    const value = values.get(spec.name);
    if (value) requireInTable(value, spec, file);
  }
  return { traced, values, from: basename(file) };
}

function specsOf(values: ReadonlyMap<string, Tensor>) {
  return [...values].map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
}

/** An array without a name is for a model of one input. */
function onlyInput(model: Model): string {
  const { inputs } = model.trace();
  if (inputs.length === 1) return inputs[0]!.name;
  throw new UserError(
    `${model.className}.forward takes ${inputs.length} inputs (${inputs.map(({ name }) => name).join(", ")}); give them in an .npz file, by name`,
    { file: model.file, line: model.place.line },
  );
}

/** NumPy's float64 default becomes PyTorch's float32, but for a model of float64. */
function asTorch(tensor: Tensor, double: boolean): Tensor {
  return tensor.dtype === "float64" && !double ? convert(tensor, "float32") : tensor;
}

function labelAt(labels: Labels, row: number): string {
  return labels.kind === "names" ? labels.names[labels.values[row]!]! : String(labels.values[row]!);
}
