import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyError, PyNative, PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { layerClasses } from "../layers/layer";
import { stringArg } from "../registry/arguments";
import { nodeOf, UnknownResult } from "../tensor/tensor";
import { derive, hasDerivedWeights } from "./derived";
import { moduleClass, newModuleState, stateOf } from "./module";

/**
 * torch.nn.utils.parametrize: a weight becomes what modules of the user's own make of the stored one, which is
 * `parametrizations.<name>.original`.
 */

export interface Subject {
  readonly module: PyObject;
  readonly name: string;
  readonly weight: PyTensor;
}

export function bareModule(runtime: Runtime): PyObject {
  const module = new PyObject(moduleClass, runtime.place);
  module.module = newModuleState();
  return module;
}

export function moduleOf(value: Value | undefined, runtime: Runtime): PyObject {
  if (value instanceof PyObject && value.type.mro.includes(moduleClass)) return value;
  throw new PyError("TypeError", "the first argument must be a module", runtime.place);
}

export function subjectOf(value: Value | undefined, name: string, runtime: Runtime): Subject {
  const module = moduleOf(value, runtime);
  const weight = stateOf(module, runtime).parameters.get(name);
  if (!weight)
    throw new PyError("AttributeError", `'${module.type.name}' object has no parameter '${name}'`, runtime.place);
  return { module, name, weight };
}

/** The module `parametrizations`, which holds for each such weight what it is computed from. */
export function parametrizationsOf(module: PyObject, runtime: Runtime): PyObject {
  const { modules } = stateOf(module, runtime);
  const known = modules.get("parametrizations");
  if (known) return known;
  const made = container("ModuleDict", runtime);
  modules.set("parametrizations", made);
  return made;
}

function container(kind: "ModuleDict" | "ModuleList", runtime: Runtime): PyObject {
  const made = runtime.call(layerClasses.get(kind)!, []);
  if (!(made instanceof PyObject)) throw new EvaluationError(`a ${kind} could not be made`, runtime.place);
  return made;
}

const SIGNATURE = "module, tensor_name, parametrization, *, unsafe=False";
export const registerParametrization = new PyNative("register_parametrization", SIGNATURE, (args, runtime) => {
  if (args.module instanceof Unknown) return args.module;
  const module = moduleOf(args.module, runtime);
  const name = stringArg(args, "tensor_name");
  const all = stateOf(parametrizationsOf(module, runtime), runtime).modules;
  const parametrization = moduleOf(args.parametrization, runtime);
  const known = all.get(name);
  // A further one is applied to what those before it give.
  const list = known ?? container("ModuleList", runtime);
  const { modules } = stateOf(list, runtime);
  if (known) {
    if (modules.size === 0)
      throw new EvaluationError(`${name} is already normalized; another parametrization is not supported`);
    modules.set(String(modules.size), parametrization);
    return module;
  }
  const { weight } = subjectOf(module, name, runtime);
  all.set(name, list);
  stateOf(module, runtime).parameters.delete(name);
  stateOf(list, runtime).parameters.set("original", invertible(parametrization, weight, runtime));
  modules.set("0", parametrization);
  derive(module, name, (r = runtime) => {
    const original = stateOf(list, r).parameters.get("original")!;
    const value = [...modules.values()].reduce<Value>((x, each) => r.call(each, [x]), original);
    if (value instanceof PyTensor) return nodeOf(value, r);
    throw new UnknownResult(
      value instanceof Unknown ? value : new Unknown(`the parametrization of ${name} does not return a tensor`),
    );
  });
  return module;
});

/** `right_inverse` gives the stored tensor from the weight at first: its shape is known here, its values are not. */
function invertible(parametrization: PyObject, weight: PyTensor, runtime: Runtime): PyTensor {
  if (!parametrization.type.mro.some(({ members }) => members.has("right_inverse"))) return weight;
  const inverse = runtime.call(runtime.getAttribute(parametrization, "right_inverse"), [weight]);
  const same = inverse instanceof PyTensor && inverse.shape.join() === weight.shape.join();
  if (!same) throw new EvaluationError("a right_inverse that returns another shape is not supported", runtime.place);
  if (inverse !== weight) {
    runtime.problem(
      "register_parametrization: the stored weight starts with the layer's own values here, without right_inverse; loaded weights replace them",
      "information",
    );
  }
  return weight;
}

export const isParametrized = new PyNative("is_parametrized", "module, tensor_name=None", (args, runtime) => {
  if (args.module instanceof Unknown) return args.module;
  const module = moduleOf(args.module, runtime);
  if (!hasDerivedWeights(module)) return false;
  const all = stateOf(module, runtime).modules.get("parametrizations");
  return typeof args.tensor_name === "string" && all
    ? stateOf(all, runtime).modules.has(args.tensor_name)
    : all !== undefined;
});
