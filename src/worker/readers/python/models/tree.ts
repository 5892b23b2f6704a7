import { sizeOf } from "../../../formats/tensor";
import type { SourcePlace } from "../../../graph/node";
import type { ModuleInfo, ParameterInfo } from "../../model";
import { type Template, templateOf } from "../evaluate/repeated/template";
import { layerClasses } from "../libraries/torch/layers/layer";
import { hasFastPath } from "../libraries/torch/layers/transformer";
import { hasDerivedWeights } from "../libraries/torch/module/derived";
import { submodules } from "../libraries/torch/module/module";
import type { Evaluator } from "../values/evaluator";
import { Unimported, Unknown } from "../values/unknown";
import type { ModuleState, PyObject, PyTensor, Value } from "../values/values";
import { join, Repeated } from "./repeated";

/** Converts an instance to the reader's results: the module tree and the state dict. */

/** The instance's modules with their paths, parents first, each module once, as named_modules() lists them. */
export function* modulesOf(root: PyObject, prefix = "", seen = new Set<PyObject>()): Generator<[string, PyObject]> {
  if (seen.has(root)) return;
  seen.add(root);
  yield [prefix, root];
  for (const [name, child] of root.module?.modules ?? []) if (child) yield* modulesOf(child, join(prefix, name), seen);
}

/**
 * The same without repetitions: of modules that are copies of one, and that nobody has looked into, the modules within
 * are listed for the first. What is unlike in any of them is among the listed.
 */
export function* differentModulesOf(
  root: PyObject,
  prefix = "",
  seen = new Set<PyObject | Template>(),
): Generator<[string, PyObject]> {
  if (seen.has(root)) return;
  seen.add(root);
  yield [prefix, root];
  const template = templateOf(root);
  if (template && seen.has(template)) return;
  if (template) seen.add(template);
  for (const [name, child] of (template?.original ?? root).module?.modules ?? [])
    if (child) yield* differentModulesOf(child, join(prefix, name), seen);
}

/** Parameters and persistent buffers by state-dict key, tied ones under each of their keys, in PyTorch's order. */
export function* storedTensors(
  root: PyObject,
  prefix = "",
  above: readonly PyObject[] = [],
): Generator<[string, PyTensor]> {
  const { module } = root;
  if (!module || above.includes(root)) return;
  for (const [name, tensor] of module.parameters) if (tensor) yield [join(prefix, name), tensor];
  for (const [name, { tensor, persistent }] of module.buffers)
    if (tensor && persistent) yield [join(prefix, name), tensor];
  for (const [name, child] of module.modules)
    if (child) yield* storedTensors(child, join(prefix, name), [...above, root]);
}

/** Three times the modules of the largest models that somebody wrote, whose experts are tens of thousands. */
const MAX_PATHS = 400_000;
/** Real models nest a dozen levels; walks over the tree are recursive. */
const MAX_LEVELS = 300;

/**
 * Why the instance's modules are not listed; undefined when they can be. A module that holds another twice, which holds
 * a third twice, has a path for each way: a few lines of source make more of them than there is memory.
 */
export function tooManyModules(root: PyObject): string | undefined {
  return whyNotListed(
    root,
    MAX_PATHS,
    `it has more than ${MAX_PATHS.toLocaleString("en-US")} modules, counted by their paths`,
  );
}

/** A trace goes through all modules several times and makes some ten nodes of a graph for each layer. */
const MAX_TRACED = 30_000;

/** Why forward of the instance is not traced; undefined when it can be tried. */
export function tooManyToTrace(root: PyObject): string | undefined {
  return whyNotListed(
    root,
    MAX_TRACED,
    `it has more than ${MAX_TRACED.toLocaleString("en-US")} modules, too many for one graph; use fewer layers or experts`,
  );
}

function whyNotListed(root: PyObject, most: number, tooMany: string): string | undefined {
  const pending: (readonly [object: PyObject, level: number])[] = [[root, 0]];
  for (let paths = 0; ; ) {
    const next = pending.pop();
    if (!next) return undefined;
    const [object, level] = next;
    const template = templateOf(object);
    paths += template?.paths ?? 1;
    if (level + (template?.levels ?? 0) > MAX_LEVELS)
      return `its modules are nested more than ${MAX_LEVELS} levels deep`;
    if (paths > most) return tooMany;
    if (template) continue;
    for (const child of object.module?.modules.values() ?? [])
      if (child && child !== root) pending.push([child, level + 1]);
  }
}

/** Gives every parameter and persistent buffer the path of its first key, so that using it gives a parameter node. */
export function assignPaths(root: PyObject): void {
  const seen = new Set<PyTensor>();
  for (const [path, tensor] of storedTensors(root)) {
    if (!seen.has(tensor) && tensor.stored) tensor.stored.path = path;
    seen.add(tensor);
  }
}

export function stateDictOf(root: PyObject): ParameterInfo[] {
  const first = new Map<PyTensor, string>();
  const entries: ParameterInfo[] = [];
  for (const [path, tensor] of storedTensors(root)) {
    if (!tensor.stored) continue;
    const tiedTo = first.get(tensor);
    if (tiedTo === undefined) first.set(tensor, path);
    entries.push({
      path,
      shape: tensor.shape,
      dtype: tensor.dtype,
      buffer: tensor.stored.buffer,
      initializer: tensor.stored.initializer,
      ...(!tensor.stored.buffer && !tensor.requiresGrad && { frozen: true }),
      ...(tiedTo !== undefined && { tiedTo }),
    });
  }
  return entries;
}

export function moduleTree(ev: Evaluator, root: PyObject, place: SourcePlace): ModuleInfo {
  return describe(ev, root, "", { place, seen: new Map(), templates: new Map() }).info;
}

/** Whether PEFT treats it as a linear layer: an instance of nn.Linear or of Hugging Face's Conv1D. */
export function isLinearLayer(object: PyObject): boolean {
  return isOfTorch(object, "Linear") || isConv1D(object);
}

function isOfTorch({ type }: PyObject, name: string): boolean {
  return type.mro.some((base) => base.name === name && base.builtin !== undefined);
}

interface Described {
  readonly info: ModuleInfo;
  readonly parameters: ReadonlySet<PyTensor>;
  /** Those that are not among `parameters`, since they are of copies that nobody has looked into. */
  readonly others: Counts | undefined;
  /** No part of it is unknown. */
  readonly whole: boolean;
}

/** Scalars. */
interface Counts {
  readonly total: number;
  readonly trainable: number;
}

interface Description {
  /** Of the root, and of what has none. */
  readonly place: SourcePlace;
  /** The aliases of what has been described. */
  readonly seen: Map<PyObject, string[]>;
  /** Each is described once, with paths from itself. */
  readonly templates: Map<Template, Described>;
}

/**
 * What the object's class calls as it would a layer, and what is unknown: an import that was not followed gives it.
 * Only the file's own classes are looked at.
 */
function* unknownParts(ev: Evaluator, { type, attributes }: PyObject): Generator<[string, Unknown]> {
  const { text, file } = ev.main;
  if (type.place?.file !== file) return;
  for (const [name, value] of attributes)
    if (value instanceof Unimported && text.includes(`self.${name}(`)) yield [name, value];
}

function describe(ev: Evaluator, object: PyObject, path: string, description: Description): Described {
  const template = templateOf(object);
  return template
    ? describeCopy(ev, object, template, path, description)
    : describeModule(ev, object, path, description);
}

function describeCopy(
  ev: Evaluator,
  object: PyObject,
  template: Template,
  path: string,
  description: Description,
): Described {
  const { place: root, seen, templates } = description;
  let described = templates.get(template);
  if (!described) {
    described = describeModule(ev, template.original, "", { ...description, seen: new Map() });
    templates.set(template, described);
  }
  const { info, parameters, whole } = described;
  const total = info.parameters;
  const trainable = described.others && countOf(learningOf(parameters), described.others.trainable);
  const others = total !== undefined && trainable !== undefined ? { total, trainable } : undefined;
  const aliases: string[] = [];
  seen.set(object, aliases);
  const own = { place: path === "" ? root : (object.place ?? root), ...(info.marked && { aliases }) };
  return { info: new Repeated(info, path, own), parameters: new Set(), others, whole };
}

function describeModule(ev: Evaluator, object: PyObject, path: string, description: Description): Described {
  const { place: root, seen } = description;
  const aliases: string[] = [];
  seen.set(object, aliases);
  let others: Counts | undefined = { total: 0, trainable: 0 };
  const parameters = new Set<PyTensor>();
  const children: ModuleInfo[] = [];
  let whole = [...unknownParts(ev, object)].length === 0;
  for (const tensor of object.module?.parameters.values() ?? []) if (tensor) parameters.add(tensor);
  for (const [name, child] of submodules(object)) {
    if (child instanceof Unknown) whole = false;
    if (!child || child instanceof Unknown) continue;
    const known = seen.get(child);
    if (known) {
      known.push(join(path, name));
      continue;
    }
    const below = describe(ev, child, join(path, name), description);
    const isFused = below.info.marked && (name === "linear1" || name === "linear2") && hasFastPath(object);
    const { info } = below;
    children.push(isFused ? { ...info, children: info.children, fusedInEvaluation: true } : info);
    whole &&= below.whole;
    others = others && below.others && sum(others, below.others);
    for (const tensor of below.parameters) parameters.add(tensor);
  }
  const info: ModuleInfo = {
    path,
    kind: hasDerivedWeights(object) ? `Parametrized${object.type.name}` : object.type.name,
    place: path === "" ? root : (object.place ?? root),
    builtin: object.type.builtin !== undefined,
    ...featuresOf(object),
    ...conv1dOf(object, path),
    ...linearSubclass(object, path),
    ...(isLinearLayer(object) && { marked: true, aliases }),
    ...(object.type.name === "NonDynamicallyQuantizableLinear" && object.type.builtin && { neverCalled: true }),
    ...baseOf(object),
    ...(ev.freezesNothing.has(object) && { freezesNothingAt: ev.freezesNothing.get(object)! }),
    parameters: whole && others !== undefined ? countOf(parameters, others.total) : undefined,
    ...(path === "" && whole && others !== undefined && trainableOf(parameters, others)),
    children,
  };
  return { info, parameters, others, whole };
}

const sum = (a: Counts, b: Counts): Counts => ({ total: a.total + b.total, trainable: a.trainable + b.trainable });

function trainableOf(parameters: ReadonlySet<PyTensor>, others: Counts): Pick<ModuleInfo, "trainable"> {
  const learning = learningOf(parameters);
  if (learning.size === parameters.size && others.trainable === others.total) return {};
  const trainable = countOf(learning, others.trainable);
  return trainable === undefined ? {} : { trainable };
}

const learningOf = (parameters: ReadonlySet<PyTensor>): ReadonlySet<PyTensor> =>
  new Set([...parameters].filter(({ requiresGrad }) => requiresGrad));

function countOf(parameters: ReadonlySet<PyTensor>, others: number): number | undefined {
  let total = others;
  for (const { shape } of parameters) {
    if (shape.some((d) => d === undefined)) return undefined;
    total += sizeOf(shape as readonly number[]);
  }
  return total;
}

/** Names of the constructor arguments that are a layer's inputs and outputs, for the kinds that have both. */
const FEATURES: readonly (readonly [input: string, output: string])[] = [
  ["in_features", "out_features"],
  ["num_embeddings", "embedding_dim"],
];

function featuresOf(object: PyObject): Pick<ModuleInfo, "inFeatures" | "outFeatures" | "bias"> {
  const { module } = object;
  if (!module) return {};
  const names = FEATURES.find(([input]) => Object.hasOwn(module.options, input));
  if (!names) return {};
  const [inFeatures, outFeatures] = names.map((name) => known(module, name));
  const hasBias = module.parameters.has("bias") ? { bias: module.parameters.get("bias") !== null } : {};
  return {
    ...(inFeatures !== undefined && { inFeatures }),
    ...(outFeatures !== undefined && { outFeatures }),
    ...hasBias,
  };
}

/**
 * Hugging Face's Conv1D, which GPT-2's layers are: a linear layer with weight [in, out]. It is known by its name and by
 * holding what that class holds: nf, a weight [nx, nf] and a bias [nf].
 */
function isConv1D({ type, module, attributes }: PyObject): boolean {
  if (type.name !== "Conv1D" || type.builtin !== undefined) return false;
  const [weight, bias] = ["weight", "bias"].map((name) => module?.parameters.get(name));
  return weight?.shape.length === 2 && bias?.shape.length === 1 && attributes.get("nf") === weight.shape[1];
}

function conv1dOf(object: PyObject, path: string): Partial<ModuleInfo> {
  if (!isConv1D(object)) return {};
  const [inFeatures, outFeatures] = object.module!.parameters.get("weight")!.shape;
  return {
    ...(inFeatures !== undefined && { inFeatures }),
    ...(outFeatures !== undefined && { outFeatures }),
    bias: true,
    weight: { path: join(path, "weight"), fanInFanOut: true },
  };
}

/** What derives from nn.Linear is a linear layer under its own name. */
function linearSubclass(object: PyObject, path: string): Partial<ModuleInfo> {
  const { type, module } = object;
  if ((type.name === "Linear" && type.builtin !== undefined) || !module?.parameters.has("weight")) return {};
  return isOfTorch(object, "Linear") ? { weight: { path: join(path, "weight"), fanInFanOut: false } } : {};
}

function baseOf({ type }: PyObject): Pick<ModuleInfo, "base"> {
  if (type.builtin !== undefined) return {};
  const base = type.mro.find((above) => above.builtin !== undefined && layerClasses.get(above.name) === above);
  return base ? { base: base.name } : {};
}

function known(module: ModuleState, option: string): number | undefined {
  const value = module.options[option];
  return typeof value === "number" ? value : undefined;
}

/**
 * Reports once why a dimension is unknown, at its layer, and why a part is unknown, at its origin. `reported` holds the
 * values that were reported elsewhere.
 */
export function reportUnknowns(ev: Evaluator, root: PyObject, reported: Set<Value>): void {
  for (const [path, module] of differentModulesOf(root)) {
    const object = templateOf(module)?.original ?? module;
    for (const [option, value] of Object.entries(object.module?.options ?? {})) {
      if (!(value instanceof Unknown) || reported.has(value)) continue;
      reported.add(value);
      ev.problem(`${option} of ${path || object.type.name} is unknown: ${value.reason}`, "information", object.place);
    }
    for (const [name, value] of unknownParts(ev, object)) {
      if (reported.has(value)) continue;
      reported.add(value);
      const at = value.place?.file === ev.main.file ? value.place : object.type.place;
      const message = `self.${name} of ${object.type.name} is unknown, and layers in it are not counted: ${value.reason}`;
      ev.problem(message, "information", at);
    }
  }
}
