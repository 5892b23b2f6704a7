import type { Node } from "../../../../../graph/node";
import type { PyObject, Runtime } from "../../../values/values";

/** Weights that a module computes from others whenever they are looked at, as parametrizations do. */

export type Derivation = (runtime: Runtime | undefined, training: boolean) => Node;
const derivations = new WeakMap<PyObject, Map<string, Derivation>>();

export function derive(object: PyObject, name: string, derivation: Derivation): void {
  const own = derivations.get(object) ?? new Map<string, Derivation>();
  derivations.set(object, own.set(name, derivation));
}

export function derivedWeight(object: PyObject, name: string, runtime?: Runtime): Node | undefined {
  return derivations.get(object)?.get(name)?.(runtime, object.module?.training ?? false);
}

export function derivationsOf(object: PyObject): Map<string, Derivation> | undefined {
  return derivations.get(object);
}

/** Gives another object the same weights. */
export function keepDerivations(object: PyObject, known: Map<string, Derivation> | undefined): void {
  if (known) derivations.set(object, known);
}

/** Whether a weight of the module is no parameter of its own: PyTorch's type of such a layer is ParametrizedLinear. */
export function hasDerivedWeights(object: PyObject): boolean {
  return derivations.has(object);
}
