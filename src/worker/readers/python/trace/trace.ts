import { UserError } from "../../../formats/errors";
import * as build from "../../../graph/build";
import { Graph } from "../../../graph/graph";
import { smallestTable } from "../../../graph/indexed";
import { is, lineText, type Node, type SourcePlace } from "../../../graph/node";
import { dtypesToTry, type GivenInputs, specsWith } from "../../givenInputs";
import type { InputSpec } from "../../inputSpec";
import type { Problem, Traced, TraceOptions } from "../../model";
import { pythonMessage } from "../evaluate/errors";
import type { Recorder } from "../evaluate/recorder";
import { standInFor } from "../libraries/torch/layerCalls";
import { selectedRows } from "../libraries/torch/tensor/selectedRows";
import { nodeOf } from "../libraries/torch/tensor/tensor";
import { assignPaths, isLinearLayer, modulesOf } from "../models/tree";
import type { CallSites } from "../usage/callSites";
import type { Evaluator } from "../values/evaluator";
import { typeName } from "../values/types";
import { type EvaluationError, Unknown } from "../values/unknown";
import {
  type ModuleState,
  PyDict,
  PyError,
  PyList,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../values/values";
import { type Argument, specsOf } from "./argument";
import { precisionOf } from "./candidates";
import {
  type Example,
  exampleFromCall,
  type ForwardParam,
  forwardArguments,
  forwardParams,
  inferredExamples,
  inputToState,
} from "./inputs";

/** Evaluates `forward` on symbolic tensors: what it computes is the graph. */

/** A trace with the arguments of forward, since those that are not tensors are not in the graph. */
export interface PythonTraced extends Traced {
  readonly example: Example;
}

export interface Attempt {
  readonly traced?: PythonTraced;
  readonly failure?: Failure;
}
export interface Failure {
  readonly error: PyError | EvaluationError;
  /** Problems on the way, which may have caused the error. */
  readonly problems: readonly Problem[];
  readonly message: string;
  readonly line: number | undefined;
  /** The number of steps until the error: the attempt that came farthest is reported. */
  readonly steps: number;
  readonly example: Example;
}

/** `within` are examples that other models of the file give, tried before those that layers suggest. */
export function trace(
  ev: Evaluator,
  root: PyObject,
  sites: CallSites,
  options: TraceOptions,
  within: Iterable<Example> = [],
): PythonTraced {
  const params = forwardParams(root);
  let best: Failure | undefined;
  for (const example of examples(ev, root, sites, params, options, within)) {
    const { traced, failure } = attempt(ev, root, example, {
      training: options.training ?? false,
    });
    if (traced) return traced;
    if (failure && (!best || failure.steps > best.steps)) best = failure;
  }
  const file = ev.main.file;
  const name = root.type.name;
  const place = { file, line: best?.line ?? root.place?.line, cell: best?.error.place?.cell };
  if (!best) {
    throw new UserError(
      `${name}.forward cannot be traced: no example inputs could be inferred from its layers. ${howToState(params, undefined)}`,
      place,
    );
  }
  const { example } = best;
  const message = `${name}.forward cannot be traced${describeInputs(example)}: ${best.message}`;
  const hint = example.given ? fittingInstead(ev, root, sites, params) : `. ${howToState(params, example)}`;
  throw new UserError(`${message}${hint}`, place);
}

/** Explains how to state the inputs, with an input of the example that did not fit. */
function howToState(params: readonly ForwardParam[], example: Example | undefined): string {
  const [name, shape] = inputToState(params, example);
  return `If the inputs have other shapes, state them: --input-shape ${name}=${shape} on the command line, the setting loraLens.inputShapes, or a comment in the class, # lora-lens: input ${name} = ${shape}`;
}

/** Shapes that would fit instead of the given ones. */
function fittingInstead(ev: Evaluator, root: PyObject, sites: CallSites, params: readonly ForwardParam[]): string {
  for (const example of unstated(ev, root, sites, params, {})) {
    if (attempt(ev, root, example, {}).traced) return `. It can be traced${describeInputs(example)}`;
  }
  return "";
}

function describeInputs(example: Example): string {
  const specs = [...example.arguments.values()].flatMap(specsOf);
  if (specs.length === 0) return "";
  const shapes = specs.map((s) => `${s.name} ${s.dtype} [${s.shape.join(", ")}]`).join(", ");
  return ` with ${shapes} (${example.from})`;
}

export function* examples(
  ev: Evaluator,
  root: PyObject,
  sites: CallSites,
  params: readonly ForwardParam[],
  options: TraceOptions,
  within: Iterable<Example> = [],
): Generator<Example> {
  const stated = options.inputs ? { inputs: options.inputs, from: "given" } : sites.stated.of(root);
  if (stated) {
    for (const example of given(ev, root, params, stated)) yield withBatch(example, options.batch);
    return;
  }
  yield* unstated(ev, root, sites, params, options, within);
}

/** Examples from the code: given by calls, then suggested by layers. */
function* unstated(
  ev: Evaluator,
  root: PyObject,
  sites: CallSites,
  params: readonly ForwardParam[],
  options: TraceOptions,
  within: Iterable<Example> = [],
): Generator<Example> {
  for (const call of sites.invocations(root)) {
    const example = exampleFromCall(call, params, ev.source.place(call.call));
    if (example) yield withBatch(example, options.batch);
  }
  yield* within;
  yield* inferredExamples(root, params, options.batch);
}

/** Examples with the given shapes, one for each dtype that inputs without a stated dtype may have. */
function* given(
  ev: Evaluator,
  root: PyObject,
  params: readonly ForwardParam[],
  { inputs, from, place }: GivenInputs,
): Generator<Example> {
  const at = place ?? { file: ev.main.file, line: root.place?.line, cell: root.place?.cell };
  const where = { file: at.file, line: at.line, cell: at.cell };
  const inTuple = ({ name }: ForwardParam) =>
    inputs.filter((input) => input.name.startsWith(`${name}_`) && /^\d+$/.test(input.name.slice(name.length + 1)));
  const note = from === "given" ? "" : ` (${from})`;
  const twice = inputs.find(({ name }, i) => inputs.findIndex((input) => input.name === name) < i);
  if (twice) throw new UserError(`the input "${twice.name}" of ${root.type.name} is given twice${note}`, where);
  const wrong = inputs.find((input) => !params.some((p) => p.name === input.name || inTuple(p).includes(input)));
  if (wrong)
    throw new UserError(
      `${root.type.name}.forward has no input "${wrong.name}"${note}; it takes ${taken(params)}`,
      where,
    );
  const byName = new Map(inputs.map((input) => [input.name, input]));
  const missing = params.find((p) => p.required && !byName.has(p.name) && inTuple(p).length === 0);
  if (missing) {
    throw new UserError(
      `${root.type.name}.forward needs the input "${missing.name}", which was not given${note}; it takes ${taken(params)}`,
      where,
    );
  }
  for (const dtypes of dtypesToTry(inputs, precisionOf(root))) {
    const specs = new Map(specsWith(inputs, dtypes).map((spec) => [spec.name, spec]));
    const ordered = params.flatMap((p): [string, Argument][] => {
      const spec = specs.get(p.name);
      if (spec) return [[p.name, spec]];
      if (byName.has(p.name)) return [[p.name, { constant: null }]];
      // `hidden_0` and `hidden_1` are the items of the tuple `hidden`.
      const items = inTuple(p).flatMap(({ name }) =>
        params.some((other) => other.name === name) ? [] : (specs.get(name) ?? []),
      );
      return items.length > 0 ? [[p.name, { items, type: "tuple" }]] : [];
    });
    yield { arguments: new Map(ordered), from, given: true };
  }
}

/** "x, mask (may be left out)" */
function taken(params: readonly ForwardParam[]): string {
  const names = params.map(({ name, required }) => (required ? name : `${name} (may be left out)`));
  return names.join(", ") || "none";
}

function withBatch(example: Example, batch: number | undefined): Example {
  if (batch === undefined) return example;
  const changed = [...example.arguments].map(([name, argument]) => {
    const resized = (spec: InputSpec): InputSpec =>
      spec.shape.length === 0 ? spec : { ...spec, shape: [batch, ...spec.shape.slice(1)] };
    return [name, "shape" in argument ? resized(argument) : argument] as const;
  });
  return { ...example, arguments: new Map(changed) };
}

/** How an attempt is made: `recorder` watches it; `steps` bounds it further than the reading's own limit. */
export interface AttemptOptions {
  /** Do not mark calls of linear layers: only shapes are needed. */
  readonly unmarked?: boolean;
  readonly training?: boolean;
  readonly recorder?: Recorder;
  readonly steps?: number;
}

export function attempt(ev: Evaluator, root: PyObject, example: Example, options: AttemptOptions): Attempt {
  const { training = false, unmarked = false, recorder, steps = ev.limits.steps } = options;
  const inputs = new Map<string, Node<"input">>();
  const kwargs = new Map<string, Value>();
  const valueFor = (argument: Argument): Value => {
    if ("constant" in argument) return argument.constant;
    if ("items" in argument) {
      const items = argument.items.map(valueFor);
      return argument.type === "tuple" ? new PyTuple(items) : new PyList(items);
    }
    const { name, shape, dtype } = argument;
    const node = build.input(name, shape, dtype);
    inputs.set(name, node);
    return new PyTensor(node, shape, dtype);
  };
  for (const [name, argument] of example.arguments) kwargs.set(name, valueFor(argument));
  const restore = [ev.mark(), snapshot(root)];
  const before = ev.stepsTaken;
  let graph: Graph | undefined;
  let failure: Failure | undefined;
  const problems = ev.collect(() => {
    ev.tracing = true;
    ev.random.resetNoise();
    ev.journal = new Map();
    ev.recorder = recorder;
    try {
      assignPaths(root);
      const modules = new Map(modulesOf(root));
      for (const { module } of modules.values()) if (module) module.training = training;
      if (!unmarked) standIn(modules);
      graph = ev.within(steps, () => {
        const { positional, named } = forwardArguments(forwardParams(root), kwargs);
        ev.span = undefined;
        const result = ev.inModule(root.place, () => ev.call(root, positional, named));
        return withNoise(new Graph(root.type.name, [...inputs.values()], outputsOf(result)));
      });
    } catch (error) {
      const known = ev.understood(error);
      const message = known instanceof PyError ? pythonMessage(known) : known.message;
      failure = {
        error: known,
        problems: [],
        message: atLine(message, known.place),
        line: known.place?.line,
        steps: ev.stepsTaken - before,
        example,
      };
    } finally {
      ev.tracing = false;
      ev.recorder = undefined;
      for (const [storage, before] of ev.journal ?? []) Object.assign(storage, before);
      ev.journal = undefined;
      for (const undo of restore.reverse()) undo();
    }
  });
  if (!graph) return { failure: failure && { ...failure, problems, message: withProblem(failure.message, problems) } };
  const specs = [...inputs].map(([name, node]) => specFor(name, node, example, graph!));
  return { traced: { graph, inputs: specs, inputsFrom: example.from, problems, example } };
}

/** Puts a stand-in where each linear layer is registered first; `snapshot` takes it away again. */
function standIn(modules: ReadonlyMap<string, PyObject>): void {
  for (const [path, object] of modules) {
    if (path === "" || !isLinearLayer(object)) continue;
    const at = path.lastIndexOf(".");
    modules.get(path.slice(0, Math.max(0, at)))!.module!.modules.set(path.slice(at + 1), standInFor(object, path));
  }
}

/** Random numbers that forward draws are inputs too, the last ones. */
function withNoise(graph: Graph): Graph {
  const drawn = graph.nodes.filter((node) => is(node, "input")).filter((node) => node.attrs.noise !== undefined);
  return drawn.length === 0 ? graph : new Graph(graph.name, [...graph.inputs, ...drawn], graph.outputs);
}

function atLine(message: string, place: SourcePlace | undefined): string {
  return place === undefined ? message : `${lineText(place)}: ${message}`;
}

/** An unknown result is explained by the first problem on the way to it. */
function withProblem(message: string, problems: readonly Problem[]): string {
  const first = problems.find((p) => p.severity === "error");
  return first && !message.includes(first.message)
    ? `${message} (${lineText(first.place)}: ${first.message})`
    : message;
}

/** `output`, `output_0`, ... for a sequence, `output_<key>` for named results. Entries without a tensor are left out. */
function outputsOf(result: Value): Map<string, Node> {
  const outputs = new Map<string, Node>();
  const put = (name: string, value: Value): void => {
    if (value instanceof PyTensor) outputs.set(name, nodeOf(value));
    else if (value instanceof Unknown) throw unknownResult(name, value);
    else if (value instanceof PyTuple && value.fields)
      value.items.forEach((v, i) => {
        put(`${name}_${value.fields![i]}`, v);
      });
    else if (value instanceof PyTuple || value instanceof PyList)
      value.items.forEach((v, i) => {
        put(`${name}_${i}`, v);
      });
    else if (value instanceof PyDict) for (const e of value.entries.values()) put(`${name}_${String(e.key)}`, e.value);
    else if (value instanceof PyObject && !value.module)
      for (const [key, v] of value.attributes) put(`${name}_${key}`, v);
  };
  put("output", result);
  if (outputs.size === 0) throw new PyError("TypeError", `forward returns ${typeName(result)}, not a tensor`);
  for (const [name, node] of outputs) {
    if (!node) throw new PyError("RuntimeError", `${name} has an unknown shape`);
    if (selectedRows(node))
      throw new PyError("RuntimeError", `${name} is a selection by a mask: its length depends on data`);
  }
  return outputs;
}

function unknownResult(name: string, value: Unknown): PyError {
  const where = value.place ? ` (${lineText(value.place)})` : "";
  return new PyError("RuntimeError", `${name} is unknown: ${value.reason}${where}`, value.place);
}

/** What an integer input indexes bounds its values. */
function specFor(name: string, node: Node<"input">, example: Example, graph: Graph): InputSpec {
  const stated = [...example.arguments.values()].flatMap(specsOf).find((spec) => spec.name === name)?.below;
  const below = isInteger(node)
    ? Math.min(smallestTable(node, graph.nodes), stated ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
  return { name, shape: node.shape, dtype: node.dtype, ...(Number.isFinite(below) && { below }) };
}

function isInteger(node: Node): boolean {
  return /^u?int/.test(node.dtype);
}

/** State of the modules that forward may change; it is restored after the trace, so that traces can be repeated. */
function snapshot(root: PyObject): () => void {
  const kept = [...modulesOf(root)].map(([, object]) => ({
    object,
    attributes: new Map(object.attributes),
    state: object.module && copyState(object.module),
  }));
  const containers = keepContainers(kept.flatMap(({ attributes }) => [...attributes.values()]));
  return () => {
    containers();
    for (const { object, attributes, state } of kept) {
      refill(object.attributes, attributes);
      if (!object.module || !state) continue;
      refill(object.module.parameters, state.parameters);
      refill(object.module.buffers, state.buffers);
      refill(object.module.modules, state.modules);
      object.module.training = state.training;
    }
  };
}

/** Lists, dicts and sets that modules hold, and those in them. */
function keepContainers(values: readonly Value[]): () => void {
  const undo = new Map<Value, () => void>();
  const pending = [...values];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (undo.has(value)) continue;
    const container = value;
    if (container instanceof PyList) {
      const items = [...container.items];
      undo.set(container, () => void container.items.splice(0, container.items.length, ...items));
      pending.push(...items);
    } else if (container instanceof PyDict || container instanceof PySet) {
      const entries = new Map<string, unknown>(container.entries);
      undo.set(container, () => refill<string, unknown>(container.entries, entries));
      if (container instanceof PyDict) pending.push(...[...container.entries.values()].map((e) => e.value));
    } else if (container instanceof PyTuple) {
      undo.set(container, () => undefined);
      pending.push(...container.items);
    }
  }
  return () => {
    for (const restore of undo.values()) restore();
  };
}

function copyState(state: ModuleState): Pick<ModuleState, "parameters" | "buffers" | "modules" | "training"> {
  return {
    parameters: new Map(state.parameters),
    buffers: new Map(state.buffers),
    modules: new Map(state.modules),
    training: state.training,
  };
}

function refill<K, V>(map: Map<K, V>, from: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of from) map.set(key, value);
}
