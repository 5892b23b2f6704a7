import { markLayer } from "../../../../graph/layers";
import { PyObject, PyTensor, type Runtime, type Value } from "../../values/values";
import { nodeOf, wrap } from "./tensor/tensor";

/**
 * Calls of linear layers, as PEFT sees them. PEFT puts a wrapper in a layer's place, under the first name that
 * `named_modules` gives it: what is called through that name is adapted, and code that has the layer under another name,
 * in a list of its own, or reads its weight, goes past the wrapper. In a trace a stand-in takes the wrapper's place.
 */

/** The layer's stand-in: it has the layer's attributes and parameters, and its calls are marked with the path. */
export function standInFor(layer: PyObject, path: string): PyObject {
  const standIn = new PyObject(layer.type, layer.place, layer.attributes);
  standIn.module = layer.module;
  standIn.standsFor = { path, layer };
  if (layer.derivations) standIn.derivations = layer.derivations;
  return standIn;
}

/** The layer's own call, its result marked. `fused`: PyTorch computes it in a kernel that does not call the layer. */
export function callStandIn(
  { path, layer }: NonNullable<PyObject["standsFor"]>,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
  runtime: Runtime,
  fused = false,
): Value {
  const result = runtime.call(layer, args, kwargs);
  const [input = kwargs.values().next().value] = args;
  if (!(result instanceof PyTensor) || !(input instanceof PyTensor)) return result;
  // A result that is the layer's input, or part of it, stays unmarked.
  if (result.unknown || input.unknown || result.stored || result.storage === input.storage) return result;
  return wrap(markLayer(path, nodeOf(result, runtime), nodeOf(input, runtime), fused));
}
