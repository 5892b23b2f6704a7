import type { Node } from "../../../../../graph/node";
import type { Derivation, PyObject, Runtime } from "../../../values/values";

/** Weights that a module computes from others whenever they are looked at, as parametrizations do. */

export function derive(object: PyObject, name: string, derivation: Derivation): void {
  object.derivations ??= new Map();
  object.derivations.set(name, derivation);
}

export function derivedWeight(object: PyObject, name: string, runtime?: Runtime): Node | undefined {
  return object.derivations?.get(name)?.(runtime, object.module?.training ?? false);
}

/** Whether a weight of the module is no parameter of its own: PyTorch's type of such a layer is ParametrizedLinear. */
export function hasDerivedWeights(object: PyObject): boolean {
  return object.derivations !== undefined;
}
