import { lineText, type SourcePlace } from "../../../graph/node";
import type { InputSpec } from "../../inputSpec";
import { paramsOf } from "../evaluate/binding";
import type { Definition } from "../evaluate/scope";
import type { EvaluatedCall } from "../usage/callSites";
import { findMember } from "../values/members";
import { Unknown } from "../values/unknown";
import {
  type BoundParam,
  PyFunction,
  PyList,
  PyNative,
  type PyObject,
  PyTensor,
  PyTuple,
  type Value,
} from "../values/values";
import { type Argument, specsOf } from "./argument";
import { type Candidate, candidatesOf } from "./candidates";
import { type Companion, companionOf } from "./companions";

/** Example inputs of `forward`: from a call in the file, or inferred from the first layers. */

export interface Example {
  readonly arguments: ReadonlyMap<string, Argument>;
  /** In words: "the call at line 40". */
  readonly from: string;
  /** Written in the code or given by the user; otherwise it is inferred and may be wrong. */
  readonly given?: true;
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

/** Arguments are passed by position as far as forward takes them so: a module that wraps another may use *args. */
export function forwardArguments<T>(
  params: readonly ForwardParam[],
  given: ReadonlyMap<string, T>,
): { readonly positional: T[]; readonly named: Map<string, T> } {
  const positional: T[] = [];
  const named = new Map(given);
  for (const { name, positional: byPosition } of params) {
    const value = named.get(name);
    if (!byPosition || value === undefined) break;
    positional.push(value);
    named.delete(name);
  }
  return { positional, named };
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
  const args = new Map<string, Argument>();
  const put = (name: string, value: Value): boolean => {
    const argument = argumentOf(name, value);
    if (argument) args.set(name, argument);
    return argument !== undefined;
  };
  const positional = params.filter((p) => p.positional);
  if (call.args.length > positional.length) return undefined;
  for (const [i, value] of call.args.entries()) if (!put(positional[i]!.name, value)) return undefined;
  for (const [name, value] of call.kwargs) {
    if (!params.some((p) => p.name === name) || !put(name, value)) return undefined;
  }
  if (params.some((p) => p.required && !args.has(p.name))) return undefined;
  return { arguments: args, from: `the call at ${lineText(place)}`, given: true };
}

/** Tensors in a tuple or list are named as outputs are: `hidden_0`, `hidden_1`. */
function argumentOf(name: string, value: Value): Argument | undefined {
  if (value instanceof Unknown) return undefined;
  if (value instanceof PyTensor) return specOf(name, value);
  if (!(value instanceof PyTuple || value instanceof PyList) || !holdsTensor(value)) return { constant: value };
  const items = value.items.flatMap((item, i) => argumentOf(`${name}_${i}`, item) ?? []);
  if (items.length < value.items.length) return undefined;
  return { items, type: value instanceof PyTuple ? "tuple" : "list" };
}

/** The name and shape of the example's first input, for a message that shows how to state another. */
export function inputToState(params: readonly ForwardParam[], example: Example | undefined): [string, string] {
  const [spec] = example ? [...example.arguments.values()].flatMap(specsOf) : [];
  const name = spec?.name ?? params.find(({ required }) => required)?.name ?? params[0]?.name ?? "x";
  return [name, (spec?.shape ?? [1, 3, 224, 224]).join(",")];
}

function holdsTensor(value: Value): boolean {
  return (
    (value instanceof PyTuple || value instanceof PyList) &&
    value.items.some((v) => v instanceof PyTensor || holdsTensor(v))
  );
}

/** Attempts at tracing before giving up. */
const MAX_ATTEMPTS = 48;

/** Examples to try, likeliest first: each layer in the order of definition says what it could be fed. */
export function* inferredExamples(root: PyObject, params: readonly ForwardParam[], batch?: number): Generator<Example> {
  const required = params.filter((p) => p.required);
  if (required.length === 0) {
    yield { arguments: new Map(), from: "forward takes no inputs" };
    yield* inferredOptional(root, params, batch);
    return;
  }
  const names = required.map((p) => p.name);
  const candidates = candidatesOf(root, names).map((c) => (batch === undefined ? c : withBatch(c, batch)));
  let attempts = 0;
  // Several inputs are most often alike: source and target, query, key and value. Some go with the one before them.
  for (const candidate of candidates) {
    if (attempts++ >= MAX_ATTEMPTS) return;
    const companions = required.map(({ name }, i) => (i > 0 ? companionOf(name, candidate, root) : undefined));
    if (companions.some((c) => c !== undefined))
      yield exampleOf(
        required,
        required.map((_, i) => companions[i] ?? candidate),
      );
    yield exampleOf(
      required,
      required.map(() => candidate),
    );
  }
  if (required.length < 2) return;
  const options = required.map((p) => (/mask/i.test(p.name) ? [undefined, ...candidates] : candidates));
  for (const choice of combinations(options, [])) {
    if (attempts++ >= MAX_ATTEMPTS * 2) return;
    if (choice.every((c) => c === choice[0])) continue;
    yield exampleOf(required, choice);
  }
}

/** An encoder-decoder's second sequence, of the same kind as the first. */
const SECOND_INPUT = /^decoder_input/;

/**
 * Inputs of a `forward` whose parameters are all optional, as those of transformers' models are: the first parameter is
 * the main input, and a decoder may need its own.
 */
function* inferredOptional(
  root: PyObject,
  params: readonly ForwardParam[],
  batch: number | undefined,
): Generator<Example> {
  const [first] = params;
  if (!first) return;
  const second = params.find(({ name }) => SECOND_INPUT.test(name));
  const candidates = candidatesOf(root, [first.name]).map((c) => (batch === undefined ? c : withBatch(c, batch)));
  for (const candidate of candidates.slice(0, MAX_ATTEMPTS)) {
    yield exampleOf([first], [candidate]);
    if (second) yield exampleOf([first, second], [candidate, candidate]);
  }
}

/** The candidate with another batch size, before other inputs are derived from it. */
function withBatch(candidate: Candidate, batch: number): Candidate {
  const { shape } = candidate.spec;
  return { ...candidate, spec: { ...candidate.spec, shape: [batch, ...shape.slice(1)] } };
}

function exampleOf(required: readonly ForwardParam[], choice: readonly (Candidate | Companion | undefined)[]): Example {
  const args = new Map<string, Argument>();
  required.forEach((param, i) => {
    const chosen = choice[i];
    if (!chosen) args.set(param.name, { constant: null });
    else args.set(param.name, "argument" in chosen ? chosen.argument : { name: param.name, ...chosen.spec });
  });
  const sources = [...new Set(choice.flatMap((c) => (c && "from" in c ? [c.from] : [])))];
  return { arguments: args, from: sources.length > 0 ? `inferred from ${sources.join(" and ")}` : "inferred" };
}

function* combinations<T>(options: readonly (readonly T[])[], chosen: readonly T[]): Generator<readonly T[]> {
  if (chosen.length === options.length) {
    yield chosen;
    return;
  }
  for (const option of options[chosen.length]!) yield* combinations(options, [...chosen, option]);
}
