import type { InputSpec } from "../../inputSpec";
import { modulesOf } from "../models/tree";
import type { PyObject } from "../values/values";
import type { Argument } from "./argument";
import type { Candidate } from "./candidates";

/** Inputs of `forward` whose shape follows from another's, known by the names the field has for them. */

export interface Companion {
  readonly argument: Argument;
}

const ADJACENCY = /^(adj|adjacency|a_hat|graph)(_?(mat|matrix|tensor))?$/i;
const STATE = /^(hidden|hx|state|states|h0|h_0|prev_(state|hidden)|(rnn|hidden)_states?)$/i;
const MASK = /mask/i;

/** The value of the parameter `name` that goes with `candidate`; undefined when the name is unknown. */
export function companionOf(name: string, { spec }: Candidate, root: PyObject): Companion | undefined {
  if (ADJACENCY.test(name)) return { argument: { name, ...adjacency(spec.shape) } };
  if (STATE.test(name)) return stateOf(name, spec.shape, root);
  // Optional masks are left out, since their form differs from model to model.
  if (MASK.test(name)) return { argument: { constant: null } };
  return undefined;
}

/** Nodes with their features, [N, F], go with [N, N]; batches of graphs, [B, N, F], with [B, N, N]. */
function adjacency(features: readonly number[]): Omit<InputSpec, "name"> {
  const nodes = features.at(-2) ?? 1;
  return { shape: [...features.slice(0, -1), nodes], dtype: "float32" };
}

/** The state of the model's first recurrent layer: h, [layers, batch, hidden]; of an LSTM the tuple (h, c). */
function stateOf(name: string, input: readonly number[], root: PyObject): Companion | undefined {
  for (const [, { type, module }] of modulesOf(root)) {
    const { hidden_size: hidden, num_layers: layers = 1, bidirectional, batch_first: first } = module?.options ?? {};
    if (typeof hidden !== "number" || typeof layers !== "number") continue;
    const isCell = /Cell$/.test(type.name);
    const batch = (isCell || first === true ? input[0] : input[1]) ?? 1;
    const shape = isCell ? [batch, hidden] : [layers * (bidirectional === true ? 2 : 1), batch, hidden];
    const state = (as: string): InputSpec => ({ name: as, shape, dtype: "float32" });
    if (!type.name.startsWith("LSTM")) return { argument: state(name) };
    return { argument: { items: [state(`${name}_0`), state(`${name}_1`)], type: "tuple" } };
  }
  return undefined;
}
