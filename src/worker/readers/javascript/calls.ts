import type { Node as SyntaxNode } from "web-tree-sitter";
import { automaticName, layerClass } from "./library";
import {
  type Evaluator,
  JsFunction,
  JsObject,
  type JsValue,
  LayerValue,
  ModelValue,
  SymbolicTensor,
  Unknown,
} from "./values";

/** Calls of TensorFlow.js's functions and of the methods of what they give. */

export function callLibrary(ev: Evaluator, path: string, args: readonly JsValue[], node: SyntaxNode): JsValue {
  const options = args[0] instanceof JsObject ? args[0].fields : new Map<string, JsValue>();
  const className = layerClass(path);
  if (className !== undefined) {
    if (args[0] instanceof Unknown) return new Unknown(`the arguments of ${path} are not known: ${args[0].reason}`);
    const layer = new LayerValue(className, nameOf(ev, options, className), options, node, ev.order++);
    layer.madeWhen = ev.uncertain;
    return layer;
  }
  switch (path) {
    case "sequential":
    case "sequential.sequential":
      return sequential(ev, options, args[0], node);
    case "model":
      return functional(ev, options, node);
    case "input":
    case "layers.input":
    case "Input":
      return new SymbolicTensor(inputLayer(ev, options, node), 0);
  }
  if (path.startsWith("initializers.")) {
    const name = path.slice("initializers.".length);
    return new JsObject(
      new Map<string, JsValue>([
        ["className", name[0]?.toUpperCase() + name.slice(1)],
        ["config", new JsObject(new Map(options))],
      ]),
    );
  }
  return new Unknown(`what tf.${path} gives is not known`);
}

/** The name that the code gives, else the one that TensorFlow.js would. */
function nameOf(ev: Evaluator, options: ReadonlyMap<string, JsValue>, className: string): string {
  const given = options.get("name");
  const n = (ev.counts.get(className) ?? 0) + 1;
  if (typeof given === "string" && given !== "") return given;
  ev.counts.set(className, n);
  return className === "InputLayer" ? `input${n}` : automaticName(className, n);
}

function inputLayer(ev: Evaluator, options: ReadonlyMap<string, JsValue>, node: SyntaxNode): LayerValue {
  const config = new Map(options);
  const shape = config.get("shape");
  config.delete("shape");
  if (shape !== undefined) config.set("inputShape", shape);
  const layer = new LayerValue("InputLayer", nameOf(ev, options, "InputLayer"), config, node, ev.order++);
  layer.calls.push([]);
  return layer;
}

function register(ev: Evaluator, model: ModelValue): ModelValue {
  model.variable = ev.owner;
  model.madeWhen = ev.uncertain;
  ev.models.push(model);
  return model;
}

function modelName(ev: Evaluator, options: ReadonlyMap<string, JsValue>, stem: string): string {
  const given = options.get("name");
  if (typeof given === "string" && given !== "") return given;
  const n = (ev.counts.get(stem) ?? 0) + 1;
  ev.counts.set(stem, n);
  return `${stem}${n}`;
}

function sequential(
  ev: Evaluator,
  options: ReadonlyMap<string, JsValue>,
  argument: JsValue,
  node: SyntaxNode,
): ModelValue {
  const model = new ModelValue("Sequential", modelName(ev, options, "sequential_"), node, ev.order++);
  register(ev, model);
  const layers = argument instanceof Unknown ? argument : options.get("layers");
  if (Array.isArray(layers)) for (const layer of layers) add(ev, model, layer);
  else if (layers instanceof Unknown) model.layers.push(layers);
  return model;
}

function functional(ev: Evaluator, options: ReadonlyMap<string, JsValue>, node: SyntaxNode): JsValue {
  const inputs = tensors(options.get("inputs"));
  const outputs = tensors(options.get("outputs"));
  if (inputs instanceof Unknown) return new Unknown(`the inputs of the model are not known: ${inputs.reason}`);
  if (outputs instanceof Unknown) return new Unknown(`the outputs of the model are not known: ${outputs.reason}`);
  const name = modelName(ev, options, "model");
  return register(ev, new ModelValue("Model", name, node, ev.order++, inputs, outputs));
}

/** One tensor or a list of them. */
function tensors(value: JsValue): SymbolicTensor[] | Unknown {
  const list = Array.isArray(value) ? value : [value];
  const unknown = list.find((one) => one instanceof Unknown);
  if (unknown instanceof Unknown) return unknown;
  const found = list.filter((one) => one instanceof SymbolicTensor);
  return found.length === list.length && found.length > 0 ? found : new Unknown("it is no output of a layer");
}

function add(ev: Evaluator, model: ModelValue, layer: JsValue): void {
  if (ev.uncertain !== undefined && ev.uncertain !== model.madeWhen) model.layers.push(new Unknown(ev.uncertain));
  if (layer instanceof LayerValue || layer instanceof ModelValue) model.layers.push(layer);
  else model.layers.push(layer instanceof Unknown ? layer : new Unknown("what is added here is no layer"));
}

export function callMethod(
  ev: Evaluator,
  owner: ModelValue | LayerValue | SymbolicTensor | JsValue[],
  name: string,
  args: readonly JsValue[],
): JsValue {
  if (Array.isArray(owner)) return callList(ev, owner, name, args);
  if (name === "apply" && !(owner instanceof SymbolicTensor)) {
    const inputs = tensors(args[0]);
    if (inputs instanceof Unknown) return inputs;
    if (ev.uncertain !== undefined && ev.uncertain !== owner.madeWhen) return new Unknown(ev.uncertain);
    return new SymbolicTensor(owner, owner.calls.push(inputs) - 1);
  }
  if (name === "add" && owner instanceof ModelValue && owner.kind === "Sequential") {
    add(ev, owner, args[0]);
    return undefined;
  }
  return new Unknown(`what .${name} gives is not known`);
}

const MAX_LIST = 20_000;

function callList(ev: Evaluator, list: JsValue[], name: string, args: readonly JsValue[]): JsValue {
  const [fn] = args;
  switch (name) {
    case "push":
      if (list.length + args.length > MAX_LIST) return new Unknown("a list is too long");
      return list.push(...(ev.uncertain === undefined ? args : [new Unknown(ev.uncertain)]));
    case "slice":
      return list.slice(...args.filter((arg) => typeof arg === "number"));
    case "concat":
      return list.concat(...args.map((arg) => (Array.isArray(arg) ? arg : [arg])));
    case "map":
    case "forEach": {
      if (!(fn instanceof JsFunction)) return new Unknown(`what .${name} calls is not known`);
      const results = list.slice().map((value, i) => ev.call(fn, [value, i]));
      return name === "map" ? results : undefined;
    }
    default:
      return new Unknown(`what .${name} gives is not known`);
  }
}
