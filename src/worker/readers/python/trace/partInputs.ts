import type { SourcePlace } from "../../../graph/node";
import { is, type Node } from "../../../graph/node";
import type { TraceOptions } from "../../model";
import { Recorder } from "../evaluate/recorder";
import type { Scope } from "../evaluate/scope";
import type { CallSites } from "../usage/callSites";
import type { Evaluator } from "../values/evaluator";
import { type PyClass, PyDType, PyFloat, PyList, PyObject, PyTensor, PyTuple, type Value } from "../values/values";
import type { Argument } from "./argument";
import { type Example, type ForwardParam, forwardParams, specOf } from "./inputs";
import { attempt, examples } from "./trace";

/** Example inputs of a class that is part of other models of the file: the arguments in their calls. */

/** Calls of one class within a model that are looked at: blocks of one kind are mostly called alike. */
const MAX_CALLS = 4;

/** `wholes` are models that hold instances of `part`'s class, the likeliest first. */
export function* givenByWholes(
  ev: Evaluator,
  part: PyObject,
  wholes: readonly PyObject[],
  sites: CallSites,
  options: TraceOptions,
): Generator<Example> {
  const params = forwardParams(part);
  for (const whole of wholes) {
    const recorder = new CallRecorder(part.type, params);
    for (const example of examples(ev, whole, sites, forwardParams(whole), { batch: options.batch })) {
      if (attempt(ev, whole, example, { recorder }).traced) break;
      recorder.calls.clear();
    }
    for (const args of recorder.calls.values()) yield { arguments: args, from: `the call in ${whole.type.name}` };
  }
}

/** Records the arguments of calls of one class's modules. */
class CallRecorder extends Recorder {
  /** Different ones, by what they look like. */
  readonly calls = new Map<string, ReadonlyMap<string, Argument>>();

  constructor(
    private readonly type: PyClass,
    private readonly params: readonly ForwardParam[],
  ) {
    super();
  }

  override enter(scope: Scope, calledAt: SourcePlace | undefined, own: boolean): void {
    super.enter(scope, calledAt, own);
    if (!/(^|\.)forward$/.test(scope.qualifiedName) || this.calls.size >= MAX_CALLS) return;
    const [self] = scope.names.values();
    if (!(self instanceof PyObject) || self.type !== this.type) return;
    const args = new Map<string, Argument>();
    for (const { name, required } of this.params) {
      const value = scope.names.get(name);
      const argument = value === undefined ? undefined : argumentOf(name, value);
      if (argument) args.set(name, argument);
      else if (required) return;
    }
    const key = [...args.values()].map((a) => ("shape" in a ? `${a.dtype} ${a.shape.join()}` : "")).join(";");
    if (!this.calls.has(key)) this.calls.set(key, args);
  }
}

/** Undefined for objects of the whole model and its trace, such as a cache. */
function argumentOf(name: string, value: Value): Argument | undefined {
  // A mask or position numbers are kept as the whole model makes them; random numbers would not replace them.
  if (value instanceof PyTensor)
    return !value.stored && isFixed(value.node) ? { constant: value } : specOf(name, value);
  return isPlain(value) ? { constant: value } : undefined;
}

function isPlain(value: Value): boolean {
  if (value instanceof PyTuple || value instanceof PyList) return value.items.every(isPlain);
  return typeof value !== "object" || value === null || value instanceof PyFloat || value instanceof PyDType;
}

/** It depends on no input and on no weight. */
function isFixed(node: Node | undefined): boolean {
  if (!node) return false;
  const seen = new Set<Node>([node]);
  for (const each of seen) {
    if (is(each, "input") || is(each, "parameter")) return false;
    for (const input of each.inputs) seen.add(input);
  }
  return true;
}
