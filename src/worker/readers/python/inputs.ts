import { lineText, type SourcePlace } from "../../graph/node";
import type { InputSpec } from "../model";
import { findMember } from "./attributes";
import { type BoundParam, paramsOf } from "./binding";
import type { EvaluatedCall } from "./callSites";
import type { Definition } from "./scope";
import { modulesOf } from "./tree";
import { PyFunction, PyList, PyNative, type PyObject, PyTensor, PyTuple, Unknown, type Value } from "./values";

/** Example inputs of `forward`: from a call in the file, or inferred from the first layers. */

/** A tensor is described by its InputSpec; any other argument is passed as it is. */
export interface Example {
  readonly arguments: ReadonlyMap<string, InputSpec | { readonly constant: Value }>;
  /** In words: "the call at line 40". */
  readonly from: string;
}

export interface ForwardParam {
  readonly name: string;
  readonly required: boolean;
  readonly positional: boolean;
}

/** `forward`'s parameters without self and without collectors. */
export function forwardParams(root: PyObject): ForwardParam[] {
  const forward = findMember(root.type, "forward");
  let params: readonly { name: string; kind: BoundParam["kind"]; default?: unknown }[] = [];
  if (forward instanceof PyFunction) params = (forward.definition as Definition).params;
  else if (forward instanceof PyNative) params = paramsOf(forward);
  return params
    .slice(1)
    .flatMap((p) =>
      p.kind === "star" || p.kind === "doubleStar"
        ? []
        : [{ name: p.name, required: p.default === undefined, positional: p.kind !== "keywordOnly" }],
    );
}

export function specOf(name: string, tensor: PyTensor): InputSpec | undefined {
  if (tensor.shape.some((d) => d === undefined)) return undefined;
  return { name, shape: tensor.shape as readonly number[], dtype: tensor.dtype };
}

/** The example a call of the model gives; undefined when an argument's shape is not known. */
export function exampleFromCall(
  call: EvaluatedCall,
  params: readonly ForwardParam[],
  place: SourcePlace,
): Example | undefined {
  const args = new Map<string, InputSpec | { constant: Value }>();
  const put = (name: string, value: Value): boolean => {
    if (value instanceof PyTensor) {
      const spec = specOf(name, value);
      if (spec) args.set(name, spec);
      return spec !== undefined;
    }
    if (value instanceof Unknown || holdsTensor(value)) return false;
    args.set(name, { constant: value });
    return true;
  };
  const positional = params.filter((p) => p.positional);
  if (call.args.length > positional.length) return undefined;
  for (const [i, value] of call.args.entries()) if (!put(positional[i]!.name, value)) return undefined;
  for (const [name, value] of call.kwargs) {
    if (!params.some((p) => p.name === name) || !put(name, value)) return undefined;
  }
  if (params.some((p) => p.required && !args.has(p.name))) return undefined;
  return { arguments: args, from: `the call at ${lineText(place)}` };
}

function holdsTensor(value: Value): boolean {
  return (
    (value instanceof PyTuple || value instanceof PyList) &&
    value.items.some((v) => v instanceof PyTensor || holdsTensor(v))
  );
}

/** Sizes tried where any would do: small, and different from each other so that a mix-up shows. */
const BATCH = 2;
const SEQUENCE = 16;
/** Attempts at tracing before giving up. */
const MAX_ATTEMPTS = 48;

interface Candidate {
  readonly spec: Omit<InputSpec, "name">;
  readonly from: string;
}

/** Examples to try, likeliest first: each layer in the order of definition says what it could be fed. */
export function* inferredExamples(root: PyObject, params: readonly ForwardParam[]): Generator<Example> {
  const required = params.filter((p) => p.required);
  const candidates = candidatesOf(root);
  let attempts = 0;
  // Several inputs are most often alike: source and target, query, key and value.
  for (const candidate of candidates) {
    if (attempts++ >= MAX_ATTEMPTS) return;
    yield exampleOf(
      required,
      required.map(() => candidate),
    );
  }
  if (required.length === 0) yield { arguments: new Map(), from: "forward takes no inputs" };
  if (required.length < 2) return;
  const options = required.map((p) => (/mask/i.test(p.name) ? [undefined, ...candidates] : candidates));
  for (const choice of combinations(options, [])) {
    if (attempts++ >= MAX_ATTEMPTS * 2) return;
    if (choice.every((c) => c === choice[0])) continue;
    yield exampleOf(required, choice);
  }
}

function exampleOf(required: readonly ForwardParam[], choice: readonly (Candidate | undefined)[]): Example {
  const args = new Map<string, InputSpec | { constant: Value }>();
  required.forEach((param, i) => {
    const candidate = choice[i];
    args.set(param.name, candidate ? { name: param.name, ...candidate.spec } : { constant: null });
  });
  const sources = [...new Set(choice.flatMap((c) => (c ? [c.from] : [])))];
  return { arguments: args, from: sources.length > 0 ? `inferred from ${sources.join(" and ")}` : "inferred" };
}

/** Sides of images and lengths of signals that models are usually made for. */
const SIDES = [32, 28, 64, 224];

function spatialSizes(convolution: PyObject): number[][] {
  const rank = (convolution.module?.parameters.get("weight")?.shape.length ?? 4) - 2;
  if (rank === 1) return [[SEQUENCE], [64]];
  return rank === 3 ? [[SEQUENCE, SEQUENCE, SEQUENCE]] : SIDES.map((side) => [side, side]);
}

function* combinations<T>(options: readonly (readonly T[])[], chosen: readonly T[]): Generator<readonly T[]> {
  if (chosen.length === options.length) {
    yield chosen;
    return;
  }
  for (const option of options[chosen.length]!) yield* combinations(options, [...chosen, option]);
}

function candidatesOf(root: PyObject): Candidate[] {
  const lengths = sequenceLengths(root);
  const found = new Map<string, Candidate>();
  const add = (from: string, spec: Candidate["spec"]): void => {
    const key = `${spec.dtype} ${spec.shape.join()}`;
    if (!found.has(key)) found.set(key, { spec, from });
  };
  for (const [path, module] of modulesOf(root)) {
    const options = module.module?.options ?? {};
    const name = path || module.type.name;
    const { num_embeddings: vocabulary, in_features: features, normalized_shape: normalized } = options;
    const { in_channels: channels } = options;
    if (typeof vocabulary === "number") {
      for (const length of lengths) add(name, { shape: [BATCH, length], dtype: "int64", below: vocabulary });
      add(name, { shape: [BATCH], dtype: "int64", below: vocabulary });
    } else if (typeof channels === "number") {
      for (const spatial of spatialSizes(module)) add(name, { shape: [BATCH, channels, ...spatial], dtype: "float32" });
    } else if (typeof features === "number") {
      add(name, { shape: [BATCH, features], dtype: "float32" });
      for (const length of lengths) add(name, { shape: [BATCH, length, features], dtype: "float32" });
    } else if (normalized !== undefined) {
      const dims = normalized instanceof PyTuple || normalized instanceof PyList ? normalized.items : [normalized];
      if (!dims.every((d) => typeof d === "number")) continue;
      add(name, { shape: [BATCH, ...(dims as number[])], dtype: "float32" });
      for (const length of lengths) add(name, { shape: [BATCH, length, ...(dims as number[])], dtype: "float32" });
    }
  }
  for (const [path, module] of modulesOf(root)) {
    if (module.type.builtin) continue;
    const { parameters, buffers } = module.module ?? { parameters: new Map(), buffers: new Map() };
    const own: [string, PyTensor | null][] = [
      ...parameters,
      ...[...buffers].map(([n, b]): [string, PyTensor | null] => [n, b.tensor]),
    ];
    for (const [name, tensor] of own) {
      const [length, width] = tensor?.shape.slice(-2) ?? [];
      if (tensor?.dtype !== "float32" || length === undefined) continue;
      const from = path ? `${path}.${name}` : name;
      // A scale or shift has the features alone; a table of positions has the positions before them.
      if (width === undefined) add(from, { shape: [BATCH, length], dtype: "float32" });
      else add(from, { shape: [BATCH, Math.min(SEQUENCE, length), width], dtype: "float32" });
    }
  }
  // Nothing but activations and the like: any shape will do.
  add("the layers, which take any shape", { shape: [BATCH, SEQUENCE], dtype: "float32" });
  return [...found.values()];
}

const LENGTH_NAMES =
  /^(block_size|context_length|max_len(gth)?|max_seq_len(gth)?|seq_len(gth)?|n_ctx|n_positions|context_size|window_size|num_patches|n_tokens)$/i;

/** How many positions a sequence may have: not more than a positional table or a stated block size holds. */
function sequenceLengths(root: PyObject): number[] {
  const limits: number[] = [];
  const tables: number[] = [];
  for (const [, object] of modulesOf(root)) {
    const table = object.module?.options.num_embeddings;
    if (typeof table === "number") tables.push(table);
    for (const [name, value] of object.attributes) {
      if (typeof value === "number" && LENGTH_NAMES.test(name)) limits.push(value);
    }
  }
  limits.push(...tables.slice(1), ...maskSizes(root));
  const least = Math.min(...limits.filter((n) => n > 0));
  const lengths = [Math.min(SEQUENCE, least)];
  // Some models take sequences of exactly their block size.
  if (Number.isFinite(least)) lengths.push(least);
  lengths.push(...addedLengths(root));
  return [...new Set(lengths)];
}

/** A square buffer, `[T, T]` or `[1, 1, T, T]`, is a causal mask over T positions. */
function maskSizes(root: PyObject): number[] {
  return [...modulesOf(root)].flatMap(([, object]) =>
    [...(object.module?.buffers.values() ?? [])].flatMap(({ tensor }) => {
      const [rows, columns] = tensor?.shape.slice(-2) ?? [];
      return rows !== undefined && rows === columns && rows > 1 ? [rows] : [];
    }),
  );
}

/** A parameter `[1, T, width]` of the file's own classes is added to a sequence of T positions. */
function addedLengths(root: PyObject): number[] {
  return [...modulesOf(root)].flatMap(([, object]) =>
    object.type.builtin
      ? []
      : [...(object.module?.parameters.values() ?? [])].flatMap((parameter) => {
          const [batch, length] = parameter?.shape.length === 3 ? parameter.shape : [];
          return batch === 1 && length !== undefined && length > 1 ? [length] : [];
        }),
  );
}
