import type { ModelChoice } from "../../protocol/jobs";
import { chooseEngine } from "../engines/choose";
import type { Engine, ParameterValue } from "../engines/engine";
import { convert } from "../formats/convert";
import { UserError } from "../formats/errors";
import { float32, sizeOf, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { lineText } from "../graph/node";
import { sameShape, shapeText } from "../graph/shapes";
import { Random } from "../lora/random";
import type { InputSpec, Model, ParameterInfo } from "../readers/model";
import { chooseModel, openChosen } from "../readers/open";
import { alignNames } from "./weightNames";
import { isTorchWeights, openWeights } from "./weights";

/** A model with a value for each entry of its state dict. */
export interface OpenedModel {
  readonly model: Model;
  /** By state-dict path; tied entries share one value. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  /** In words, for reports. */
  readonly weightsFrom: string;
  readonly seed: number;
}

export const DEFAULT_SEED = 0;

/** Reads the model and finds its weights: those of the file chosen, else PyTorch's initial values for the seed. */
export async function openModel(choice: ModelChoice): Promise<OpenedModel> {
  const model = chooseModel(await openChosen(choice), choice.class);
  const seed = choice.seed ?? DEFAULT_SEED;
  requireKnownSizes(model);
  const own =
    choice.weights !== undefined && isTorchWeights(choice.weights)
      ? undefined
      : await model.readWeights?.(choice.weights);
  if (own) return { model, values: own.values, weightsFrom: own.from, seed };
  if (choice.weights === undefined) {
    const values = await initialValues(model, seed, model.stateDict);
    return {
      model,
      values,
      weightsFrom: `${model.readWeights ? "Keras" : "PyTorch"}'s default initialization, seed ${seed}`,
      seed,
    };
  }
  const file = await openWeights(choice.weights);
  const { pairs, said } = matchWeights(model, file.tensors, file.file);
  const values = new Map<string, ParameterValue>(pairs);
  // What a model computes for itself need not be in the file: a causal mask, position numbers.
  const missing = model.stateDict.filter((entry) => !values.has(entry.path));
  for (const [path, value] of await initialValues(model, seed, missing)) values.set(path, value);
  return { model, values, weightsFrom: said === undefined ? file.from : `${file.from}, ${said}`, seed };
}

function requireKnownSizes(model: Model): void {
  const open = model.stateDict.find((entry) => entry.shape.some((dim) => dim === undefined));
  if (!open) return;
  const reason = model.problems[0] && `; ${lineText(model.problems[0].place)}: ${model.problems[0].message}`;
  throw new UserError(`the shape of ${open.path} is unknown, so the model cannot run${reason ?? ""}`, {
    file: model.file,
    line: model.place.line,
  });
}

/** Pairs the file's tensors with the state dict. Throws a UserError that lists what is missing or has another shape. */
function matchWeights(
  model: Model,
  tensors: ReadonlyMap<string, ParameterValue>,
  file: string,
): { pairs: [string, ParameterValue][]; said?: string } {
  const paths = model.stateDict.map((entry) => entry.path);
  const { keys, said } = alignNames(paths, [...tensors.keys()], file);
  // safetensors keeps one of two tied tensors, whichever name came first.
  const stored = new Map<string, string>();
  for (const { path, tiedTo = path } of model.stateDict) {
    const key = keys.get(path);
    if (key !== undefined && (tiedTo === path || !stored.has(tiedTo))) stored.set(tiedTo, key);
  }
  const pairs: [string, ParameterValue][] = [];
  const missing: string[] = [];
  for (const { path, tiedTo = path, shape, buffer } of model.stateDict) {
    const key = keys.get(path) ?? stored.get(tiedTo);
    const value = key === undefined ? undefined : tensors.get(key);
    if (!value) {
      if (!buffer) missing.push(path);
    } else if (!sameShape(value.shape, shape as number[])) {
      throw new UserError(
        `${file}: "${path}" has shape ${shapeText(value.shape)}, but ${model.className} has ${shapeText(shape as number[])} there; these weights belong to a model of another size`,
        { file },
      );
    } else {
      pairs.push([path, value]);
    }
  }
  if (missing.length > 0) {
    const used = new Set(keys.values());
    const extra = [...tensors.keys()].filter((key) => !used.has(key));
    throw new UserError(
      `${file} lacks ${list(missing)} of ${model.className}${extra.length > 0 ? ` and holds ${list(extra)} that the model does not have` : ""}; the keys must be the model's own module paths`,
      { file },
    );
  }
  return { pairs, ...(said === undefined ? {} : { said }) };
}

function list(names: readonly string[]): string {
  const shown = names
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/** Initial values of the given entries; those that the model computes are run on the CPU. */
async function initialValues(
  model: Model,
  seed: number,
  entries: readonly ParameterInfo[],
): Promise<Map<string, ParameterValue>> {
  const values = new Map<string, ParameterValue>();
  if (entries.length === 0) return values;
  const drawn = model.initialize(seed);
  const computed = new Map<string, Graph>();
  for (const entry of entries) {
    const source = entry.tiedTo ?? entry.path;
    if (entry.initializer.kind === "graph" && !drawn.has(source)) computed.set(entry.path, entry.initializer.graph);
    else values.set(entry.path, convert(drawn.get(source)!, entry.dtype));
  }
  if (computed.size > 0) {
    const { engine } = await chooseEngine("onnxruntime-cpu");
    for (const [path, graph] of computed) {
      const outputs = await runOnce(engine, graph, new Map(), new Map());
      values.set(path, outputs.get("value")!);
    }
  }
  return values;
}

/** Values of a graph's parameters, as an engine wants them. Throws when one is missing: a defect of the caller. */
export function valuesFor(
  graph: Graph,
  values: ReadonlyMap<string, ParameterValue>,
  adapter: ReadonlyMap<string, Tensor> = new Map(),
): Map<string, ParameterValue> {
  return new Map(
    graph.parameters.map(({ attrs: { path } }) => {
      const value = adapter.get(path) ?? values.get(path);
      if (!value) throw new Error(`no value for parameter ${path}`);
      return [path, value];
    }),
  );
}

/** Compiles, runs once, reads every output and disposes of the rest. */
export async function runOnce(
  engine: Engine,
  graph: Graph,
  parameters: ReadonlyMap<string, ParameterValue>,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  const executable = await engine.compile(graph, { parameters });
  try {
    return await readAll(await executable.run(feeds));
  } finally {
    await executable.dispose();
  }
}

/** Reads engine tensors to the host and disposes of them. */
export async function readAll(
  outputs: ReadonlyMap<string, { read(): Promise<Tensor>; dispose(): void }>,
): Promise<Map<string, Tensor>> {
  const read = new Map<string, Tensor>();
  for (const [name, tensor] of outputs) {
    read.set(name, await tensor.read());
    tensor.dispose();
  }
  return read;
}

/** Random inputs for a trace: standard normal, or whole numbers below the size of the table they index. */
export function randomInputs(inputs: readonly InputSpec[], seed: number): Map<string, Tensor> {
  const random = new Random(seed);
  return new Map(inputs.map((spec) => [spec.name, randomInput(spec, random)]));
}

function randomInput({ name, shape, dtype, below = 2 }: InputSpec, random: Random): Tensor {
  const length = sizeOf(shape);
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: Float32Array.from({ length }, () => random.normal()) };
    case "float16":
    case "bfloat16":
      return convert(
        float32(
          shape,
          Float32Array.from({ length }, () => random.normal()),
        ),
        dtype,
      );
    case "float64":
      return { dtype, shape, data: Float64Array.from({ length }, () => random.normal()) };
    case "int64":
      return { dtype, shape, data: BigInt64Array.from({ length }, () => BigInt(random.below(below))) };
    case "int32":
      return { dtype, shape, data: Int32Array.from({ length }, () => random.below(below)) };
    case "bool":
      return { dtype, shape, data: new Uint8Array(length).fill(1) };
    default:
      throw new UserError(
        `input ${name} is ${dtype}; only floating-point, int64, int32 and bool inputs can be made up`,
      );
  }
}
