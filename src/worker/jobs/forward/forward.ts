import type { RunOutput, RunReport, RunRequest, RunTensor, RunValue } from "../../../protocol/reports/forward";
import { chooseEngine } from "../../engines/choose";
import { toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { writeNpz } from "../../formats/numpy/npz";
import type { Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import { removeDropout } from "../../passes/dropout";
import { injectLora } from "../../passes/lora";
import { simplify } from "../../passes/simplify";
import { openAdapter } from "../adapter";
import { Estimate, type JobContext } from "../context";
import { drawNoise } from "../noise";
import { openModel, runOnce, valuesFor, withStored } from "../opened";
import { sampleFor } from "./sample";

/** How many values of a tensor are shown. */
const FIRST = 10;

/** Runs forward in evaluation mode on one sample: the base model, and what a saved adapter makes of it. */
export async function forward(request: RunRequest, { onProgress, signal }: JobContext): Promise<RunReport> {
  const started = performance.now();
  const progress = new Estimate(onProgress);
  progress.at(0, "Reading the model");
  const opened = await openModel(request.model);
  const { model, seed } = opened;
  const { traced, values: feeds, from, label } = await sampleFor(model, request.sample, seed, signal);
  const adapter =
    request.adapterFolder === undefined
      ? undefined
      : await openAdapter(opened, request.adapterFolder, {
          graph: traced.graph,
          signal,
          onProgress: (fraction, message) => progress.at(0.5 * fraction, message),
        });
  const { engine, device } = await chooseEngine(request.engine);
  const given = inputsOf(feeds);
  const { graph: plain } = withStored(traced, opened.values);
  for (const [name, value] of drawNoise(plain, new Random(seed + 3))) if (!feeds.has(name)) feeds.set(name, value);
  requireAll(
    plain.inputs.map(({ attrs }) => attrs.name),
    feeds,
    request,
  );

  const run = async (values: typeof opened.values, adapted?: typeof adapter): Promise<Map<string, Tensor>> => {
    signal.throwIfAborted();
    const { graph: stored } = withStored(traced, values);
    const injected = adapted ? injectLora(stored, adapted.layers, { skipFused: true }) : stored;
    const graph = simplify(removeDropout(injected));
    return runOnce(engine, graph, valuesFor(graph, values, adapted?.tensors), feeds);
  };
  progress.at(0.5, `Running the base model on ${engine.label}`);
  const base = await run(opened.values);
  if (adapter) progress.at(0.75, "Running the adapted model");
  const adapted = adapter && (await run(adapter.values, adapter));
  if (request.output !== undefined) await writeNpz(request.output, adapted ?? base);
  return {
    kind: "run",
    model: model.className,
    file: model.file,
    engine: engine.label,
    device,
    weights: opened.weights,
    seed,
    seconds: (performance.now() - started) / 1000,
    inputs: given,
    inputsFrom: from,
    ...(label && { label }),
    adapter: adapter ? { folder: request.adapterFolder!, injection: adapter.injection } : null,
    outputs: [...base].map(([name, tensor]) => outputOf(name, tensor, adapted?.get(name))),
    ...(request.output !== undefined && { output: request.output }),
    ...(adapter?.injection.warnings && { warnings: adapter.injection.warnings }),
  };
}

function requireAll(names: readonly string[], feeds: ReadonlyMap<string, Tensor>, { sample, model }: RunRequest): void {
  const missing = names.filter((name) => !feeds.has(name));
  const extra = [...feeds.keys()].filter((name) => !names.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  // What was drawn fits; forward may make nothing of it.
  if (!sample && missing.length === 0) return;
  const file = sample?.file ?? model.file;
  throw new UserError(
    `${file} must hold an array for each input of forward (${names.join(", ")})${missing.length > 0 ? `; missing: ${missing.join(", ")}` : ""}${extra.length > 0 ? `; not an input: ${extra.join(", ")}` : ""}`,
    { file },
  );
}

function inputsOf(feeds: ReadonlyMap<string, Tensor>): RunTensor[] {
  return [...feeds].map(([name, tensor]) => described(name, tensor));
}

function described(name: string, tensor: Tensor): RunTensor {
  return { name, shape: tensor.shape, dtype: tensor.dtype, first: firstOf(tensor) };
}

function firstOf(tensor: Tensor): RunValue[] {
  return [...numbersOf({ ...tensor, data: tensor.data.slice(0, FIRST) })].map(asValue);
}

function outputOf(name: string, base: Tensor, adapted: Tensor | undefined): RunOutput {
  const values = numbersOf(base);
  const largest = largestOf(values);
  const plain = { ...described(name, base), largest: asValue(largest), highest: highestOf(values, base.shape) };
  if (!adapted) return plain;
  const other = numbersOf(adapted);
  const [difference, index] = largestDifference(values, other);
  const share = difference / largest;
  return {
    ...plain,
    adaptedFirst: firstOf(adapted),
    adaptedHighest: highestOf(other, base.shape),
    difference: {
      largest: asValue(difference),
      at: placeOf(index, base.shape),
      share: Number.isFinite(share) ? share : null,
    },
  };
}

/** Of any dtype as float64, which holds all but the largest int64 exactly. */
function numbersOf(tensor: Tensor): Float64Array {
  const { dtype, data } = tensor;
  if (dtype === "float16" || dtype === "bfloat16") return Float64Array.from(toFloat32(tensor));
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : Float64Array.from(data as ArrayLike<number>);
}

function largestOf(values: Float64Array): number {
  let largest = 0;
  for (const value of values) {
    if (Number.isNaN(value)) return value;
    largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

/** The largest, with its index; NaN counts for more than any number, but where both are NaN or the same infinity. */
function largestDifference(a: Float64Array, b: Float64Array): [number, number] {
  let [worst, at] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(difference)) return [difference, i];
    if (difference > worst) [worst, at] = [difference, i];
  }
  return [worst, at];
}

/** Of the first row of the last dimension; null where there is no choice. */
function highestOf(values: Float64Array, shape: readonly number[]): number | null {
  const length = shape.at(-1) ?? 1;
  if (length < 2 || values.length < length) return null;
  let best = 0;
  for (let i = 1; i < length; i++) if (values[i]! > values[best]!) best = i;
  return Number.isNaN(values[best]!) ? null : best;
}

function placeOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return [...shape]
    .reverse()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .reverse();
}

function asValue(value: number): RunValue {
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}
