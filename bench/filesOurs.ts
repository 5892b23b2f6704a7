import type { ParameterValue } from "../src/worker/engines/engine";
import { onnxruntimeEngine } from "../src/worker/engines/onnxruntime/engine";
import { toNumbers } from "../src/worker/formats/convert";
import { readHeader, readTensors } from "../src/worker/formats/safetensors";
import type { Tensor } from "../src/worker/formats/tensor";
import { Graph } from "../src/worker/graph/graph";
import { runOnce } from "../src/worker/jobs/opened";
import { removeDropout } from "../src/worker/passes/dropout";
import { simplify } from "../src/worker/passes/simplify";
import { constructedWith } from "../src/worker/readers/python/evaluate/run/classes";
import type { PythonModel } from "../src/worker/readers/python/models/pythonModel";
import type { Argument } from "../src/worker/readers/python/trace/argument";
import { type Example, forwardArguments } from "../src/worker/readers/python/trace/inputs";
import type { PythonTraced } from "../src/worker/readers/python/trace/trace";
import { Unknown } from "../src/worker/readers/python/values/unknown";
import {
  PyClass,
  PyDict,
  PyDType,
  PyFloat,
  PyFunction,
  PyList,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../src/worker/readers/python/values/values";

/** Our side of bench/files.ts: what the reader made of a class, told to Python, and the graph run on Python's numbers. */

type Json = unknown;

/** A value as files_reference.py's Decoder takes it. Throws with what cannot be handed over. */
export function encode(value: Value): Json {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof PyFloat) return { float: String(value.value).replace("Infinity", "inf") };
  if (value instanceof PyList) return { list: value.items.map(encode) };
  if (value instanceof PyTuple) return { tuple: value.items.map(encode) };
  if (value instanceof PySet) return { set: [...value.entries.values()].map(encode) };
  if (value instanceof PyDict)
    return { dict: [...value.entries.values()].map((e) => [encode(e.key), encode(e.value)]) };
  if (value instanceof PyDType) return { dtype: value.dtype };
  if (value instanceof PyClass || value instanceof PyNative) return { name: value.name };
  if (value instanceof PyFunction && value.name !== "<lambda>") return { name: value.name };
  if (value instanceof PyObject) return encodeObject(value);
  if (value instanceof Unknown) throw new Error(`an argument is unknown: ${value.reason}`);
  throw new Error(`an argument of kind ${value.constructor.name} cannot be handed to PyTorch`);
}

function encodeObject(object: PyObject): Json {
  const { type, module, attributes } = object;
  const entries = (of: Iterable<readonly [string, Value]>) => [...of].map(([key, value]) => [key, encode(value)]);
  if (type.name === "device") return { device: "cpu" };
  if (!module) return { object: { class: type.name, attributes: entries(attributes) } };
  const given = type.builtin ? Object.entries(module.options) : constructedWith(object);
  return { module: { class: type.name, arguments: entries(given) } };
}

/** What forward is called with, its tensors by name. */
export async function encodeCall(model: PythonModel, example: Example): Promise<Json> {
  const argument = async (a: Argument): Promise<Json> => {
    if ("constant" in a) return a.constant instanceof PyTensor ? constantTensor(a.constant) : encode(a.constant);
    return "items" in a ? { [a.type]: await Promise.all(a.items.map(argument)) } : { input: a.name };
  };
  const { positional, named } = forwardArguments(model.forwardParameters, example.arguments);
  return [
    await Promise.all(positional.map(argument)),
    await Promise.all([...named].map(async ([name, a]) => [name, await argument(a)])),
  ];
}

/** A tensor that depends on nothing, by its values. */
async function constantTensor({ node }: PyTensor): Promise<Json> {
  if (!node) throw new Error("an argument is a tensor of unknown shape");
  const graph = new Graph("value", [], new Map([["value", node]]));
  const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, new Map(), new Map());
  const { dtype, shape } = node;
  return { tensor: [dtype, shape, toNumbers(outputs.get("value")!).map(String)] };
}

/** Runs the graph on the weights and inputs in the file that Python wrote; how far its outputs are from Python's. */
export async function difference({ graph: traced }: PythonTraced, file: string): Promise<number> {
  const { tensors } = await readHeader(file);
  const under = (prefix: string) =>
    new Map(
      [...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, t]) => [name.slice(prefix.length), t]),
    );
  const graph = simplify(removeDropout(traced));
  const state = under("state.");
  const parameters = new Map<string, ParameterValue>();
  for (const { attrs } of graph.parameters) {
    const value = state.get(attrs.path);
    if (!value) throw new Error(`${attrs.path} is not in PyTorch's state dict`);
    parameters.set(attrs.path, value);
  }
  const given = await readTensors(under("input."));
  const noise = [...(await readTensors(under("noise."))).values()];
  const feeds = new Map<string, Tensor>();
  for (const { attrs } of graph.inputs) {
    const value = attrs.noise === undefined ? given.get(attrs.name) : noise.shift();
    if (!value) throw new Error(`PyTorch drew no random numbers for ${attrs.name}`);
    feeds.set(attrs.name, value);
  }
  const outputs = await runOnce(onnxruntimeEngine("cpu"), graph, parameters, feeds);
  const expected = await readTensors(under("output."));
  const lacking = [...expected.keys()].filter((name) => !outputs.has(name));
  if (lacking.length > 0 || outputs.size !== expected.size)
    throw new Error(`outputs are ${[...outputs.keys()].join(", ")} and not ${[...expected.keys()].join(", ")}`);
  return Math.max(...[...expected].map(([name, tensor]) => relative(name, outputs.get(name)!, tensor)));
}

/** The largest difference relative to the largest finite value. */
function relative(name: string, ours: Tensor, theirs: Tensor): number {
  const [is, wanted] = [ours, theirs].map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`);
  if (is !== wanted) throw new Error(`${name} is ${is} and not ${wanted}`);
  const a = toNumbers(ours);
  const b = toNumbers(theirs);
  let [apart, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    if (!Number.isFinite(a[i]! - b[i]!)) return Number.POSITIVE_INFINITY;
    apart = Math.max(apart, Math.abs(a[i]! - b[i]!));
  }
  for (const value of b) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  if (b.length > 0 && !b.some(Number.isFinite)) throw new Error(`${name} holds no finite number to compare`);
  return apart === 0 ? 0 : apart / largest;
}
