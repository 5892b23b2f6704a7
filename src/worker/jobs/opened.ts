import type { ModelChoice } from "../../protocol/jobs";
import type { WeightsSummary } from "../../protocol/reports";
import { chooseEngine } from "../engines/choose";
import type { Engine, ParameterValue } from "../engines/engine";
import { convert } from "../formats/convert";
import { UserError } from "../formats/errors";
import { float32, sizeOf, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { lineText } from "../graph/node";
import { Random } from "../numbers/random";
import { castStored } from "../passes/storedDtypes";
import type { InputSpec } from "../readers/inputSpec";
import type { Model, ParameterInfo, Traced } from "../readers/model";
import { openChosenModel } from "../readers/open";
import { inModules } from "./checkpoint/missing";
import { fileWeights, list, loadedWeights, type SourceCheckpoint } from "./weights/modelWeights";
import { isOpenedHere } from "./weights/registry";

/** A model with a value for each entry of its state dict. */
export interface OpenedModel {
  readonly model: Model;
  /** By state-dict path; tied entries share one value. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  readonly weights: WeightsSummary;
  /** The one checkpoint that all values come from. */
  readonly checkpoint?: SourceCheckpoint;
  readonly seed: number;
}

export const DEFAULT_SEED = 0;

/**
 * Reads the model and finds its weights: those of the file chosen, else those that the model's own files or the folders
 * that its code loads hold, else PyTorch's initial values for the seed.
 */
export async function openModel(choice: ModelChoice): Promise<OpenedModel> {
  const model = await openChosenModel(choice);
  const seed = choice.seed ?? DEFAULT_SEED;
  requireKnownSizes(model);
  const own =
    choice.weights !== undefined && isOpenedHere(choice.weights)
      ? undefined
      : await model.readWeights?.(choice.weights);
  if (own) {
    return { model, values: own.values, weights: summaryOf(model, own.from, [], [], seed), seed };
  }
  const { stateDict } = model;
  const allowed = choice.allowMissing ?? [];
  const given =
    choice.weights === undefined
      ? await loadedWeights(model, allowed)
      : await fileWeights(model, choice.weights, allowed);
  // Values that a model computes itself, such as a causal mask, need not be in a file.
  const missing = stateDict.filter(({ path }) => !given.values.has(path));
  const values = new Map(given.values);
  for (const [path, value] of await initialValues(model, seed, missing)) values.set(path, value);
  const drawn = missing.filter(({ buffer }) => !buffer).map(({ path }) => path);
  const none = given.from.length === 0;
  const initial = `${model.readWeights ? "Keras" : "PyTorch"}'s default initialization, seed ${seed}`;
  const from = [...(none ? [initial] : given.from), ...given.notes].join("; ");
  const initialized = none ? [] : [...new Set([...drawn, ...given.initialized])];
  return {
    model,
    values,
    weights: summaryOf(model, from, initialized, given.unused, seed),
    ...(given.checkpoint && { checkpoint: given.checkpoint }),
    seed,
  };
}

function summaryOf(
  { stateDict }: Model,
  from: string,
  initialized: readonly string[],
  unused: readonly string[],
  seed: number,
): WeightsSummary {
  const notes: string[] = [];
  const parameters = stateDict.filter(({ buffer, tiedTo }) => !buffer && tiedTo === undefined);
  const fresh = inModules(
    initialized,
    parameters.map(({ path }) => path),
  );
  if (fresh.length > 0) {
    notes.push(
      `Not in the weights, so initialized at random (seed ${seed}): ${list(fresh)}. Results that depend on ${fresh.length === 1 ? "it" : "them"} say nothing about a trained model.`,
    );
  }
  if (unused.length > 0) notes.push(`In the weights but not in the model: ${list(unused)}.`);
  return { from, initialized, fresh, unused, notes };
}

/** The trace with a graph whose parameters have the dtypes of their values, each cast to what the model computes in. */
export function withStored(traced: Traced, values: ReadonlyMap<string, ParameterValue>): Traced {
  return { ...traced, graph: castStored(traced.graph, (path) => values.get(path)?.dtype) };
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

export function randomInput({ name, shape, dtype, below = 2 }: InputSpec, random: Random): Tensor {
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
        `input ${name} is ${dtype}; only floating-point, int64, int32 and bool example inputs can be generated`,
      );
  }
}
