import { type DType, isFloating } from "../../../../../formats/dtype";
import * as build from "../../../../../graph/build";
import { keyOf } from "../../../values/equality";
import { typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyDict,
  PyDType,
  PyError,
  PyGenerator,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  type Runtime,
  type Value,
} from "../../../values/values";
import { given, sequenceOf, stringArg, tuple } from "../registry/arguments";
import { storeBuffer } from "../tensor/parameter";
import { isModule, moduleClass, newModuleState, requireFree, stateOf } from "./module";
import { type Memo, type Walk, walkChildren, walkModules, walkTensors } from "./moduleWalks";

/** The methods of torch.nn.Module. */

function selfOf(args: BoundArgs): PyObject {
  const self = args.self;
  if (self instanceof PyObject) return self;
  throw new PyError("TypeError", `a method of Module was called with ${typeName(self ?? null)} as self`);
}

export function method(
  name: string,
  parameters: string,
  body: (self: PyObject, args: BoundArgs, runtime: Runtime) => Value,
): void {
  moduleClass.members.set(name, moduleMethod(name, parameters, body));
}

/** A method whose first parameter is the module itself. */
export function moduleMethod(
  name: string,
  parameters: string,
  body: (self: PyObject, args: BoundArgs, runtime: Runtime) => Value,
): PyNative {
  return new PyNative(name, parameters ? `self, ${parameters}` : "self", (args, runtime) =>
    body(selfOf(args), args, runtime),
  );
}

function* paired(items: Iterable<readonly [string, Value]>): Generator<Value> {
  for (const [name, value] of items) yield tuple([name, value]);
}
function* valuesOf(items: Iterable<readonly [string, Value]>): Generator<Value> {
  for (const [, value] of items) yield value;
}
const pairs = (items: Iterable<readonly [string, Value]>): PyGenerator => new PyGenerator(paired(items));
const values = (items: Iterable<readonly [string, Value]>): PyGenerator => new PyGenerator(valuesOf(items));

/** What `memo` is of named_modules: a set of the code's own learns what was given. */
function memoOf({ memo }: BoundArgs): Memo<PyObject> | undefined {
  if (!(memo instanceof PySet)) return undefined;
  const { entries } = memo;
  return { has: (module) => entries.has(keyOf(module)), add: (module) => entries.set(keyOf(module), module) };
}

const recurseOf = (args: BoundArgs, runtime: Runtime): boolean => runtime.truthy(args.recurse ?? true);
const prefixOf = (args: BoundArgs): string => (given(args, "prefix") ? stringArg(args, "prefix") : "");
const onceOf = (args: BoundArgs, runtime: Runtime): boolean => runtime.truthy(args.remove_duplicate ?? true);
const walkOf = (args: BoundArgs, runtime: Runtime): Walk => ({ prefix: prefixOf(args), once: onceOf(args, runtime) });

for (const [name, value] of [
  ["dump_patches", false],
  ["call_super_init", false],
  ["_version", 1],
] as const) {
  moduleClass.members.set(name, value);
}
method("__init__", "*args, **kwargs", (self) => {
  self.module ??= newModuleState();
  return null;
});
method("forward", "*args, **kwargs", (self, _args, runtime) => {
  throw new PyError(
    "NotImplementedError",
    `Module [${self.type.name}] is missing the required "forward" function`,
    runtime.place,
  );
});
method("parameters", "recurse=True", (self, args, runtime) =>
  values(walkTensors(self, "parameters", recurseOf(args, runtime), runtime)),
);
method("named_parameters", "prefix='', recurse=True, remove_duplicate=True", (self, args, runtime) =>
  pairs(walkTensors(self, "parameters", recurseOf(args, runtime), runtime, walkOf(args, runtime))),
);
method("buffers", "recurse=True", (self, args, runtime) =>
  values(walkTensors(self, "buffers", recurseOf(args, runtime), runtime)),
);
method("named_buffers", "prefix='', recurse=True, remove_duplicate=True", (self, args, runtime) =>
  pairs(walkTensors(self, "buffers", recurseOf(args, runtime), runtime, walkOf(args, runtime))),
);
method("modules", "remove_duplicate=True", (self, args, runtime) =>
  values(walkModules(self, runtime, { once: onceOf(args, runtime) })),
);
method("named_modules", "memo=None, prefix='', remove_duplicate=True", (self, args, runtime) => {
  const memo = memoOf(args);
  return pairs(walkModules(self, runtime, { ...walkOf(args, runtime), ...(memo && { memo }) }));
});
method("children", "", (self, _args, runtime) => values(walkChildren(self, runtime)));
method("named_children", "", (self, _args, runtime) => pairs(walkChildren(self, runtime)));

export function addModule(self: PyObject, name: string, module: Value, runtime: Runtime): void {
  const state = stateOf(self, runtime);
  if (module instanceof Unknown) {
    runtime.problem(`submodule ${name} is unknown: ${module.reason}`, "warning");
    self.attributes.set(name, module);
    // It keeps its place among the others, which are named by theirs.
    state.modules.set(name, null);
    return;
  }
  if (module !== null && !isModule(module)) {
    throw new PyError("TypeError", `${typeName(module)} is not a Module subclass`, runtime.place);
  }
  if (name === "") throw new PyError("KeyError", 'module name can\'t be empty string ""', runtime.place);
  if (name.includes(".")) {
    throw new PyError("KeyError", `module name can't contain ".", got: ${name}`, runtime.place);
  }
  requireFree(self, name, "modules", runtime);
  state.modules.set(name, module);
  if (self.attributes.get(name) instanceof Unknown) self.attributes.delete(name);
}

for (const name of ["add_module", "register_module"]) {
  method(name, "name, module", (self, args, runtime) => {
    addModule(self, stringArg(args, "name"), args.module ?? null, runtime);
    return null;
  });
}
method("register_buffer", "name, tensor, persistent=True", (self, args, runtime) => {
  const name = stringArg(args, "name");
  const state = stateOf(self, runtime);
  const tensor = args.tensor ?? null;
  const persistent = runtime.truthy(args.persistent ?? true);
  if (tensor instanceof Unknown) {
    self.attributes.set(name, tensor);
    return null;
  }
  if (tensor instanceof PyObject && tensor.type.name === "ComplexTensor") {
    if (persistent) {
      runtime.problem(
        `the complex buffer ${name} is computed as in the source, but left out of the state dict, which has real tensors only`,
        "information",
      );
    }
    self.attributes.set(name, tensor);
    return null;
  }
  if (tensor !== null && !(tensor instanceof PyTensor)) {
    throw new PyError(
      "TypeError",
      `cannot assign '${typeName(tensor)}' object to buffer '${name}' (torch Tensor or None required)`,
      runtime.place,
    );
  }
  requireFree(self, name, "buffers", runtime);
  if (tensor && persistent) storeBuffer(tensor, runtime);
  state.buffers.set(name, { tensor, persistent });
  return null;
});
method("register_parameter", "name, param", (self, args, runtime) => {
  const name = stringArg(args, "name");
  const state = stateOf(self, runtime);
  const parameter = args.param ?? null;
  if (name.includes(".")) throw new PyError("KeyError", 'parameter name can\'t contain "."', runtime.place);
  requireFree(self, name, "parameters", runtime);
  if (parameter instanceof Unknown) {
    self.attributes.set(name, parameter);
  } else if (parameter === null) {
    state.parameters.set(name, null);
  } else if (parameter instanceof PyTensor && parameter.stored && !parameter.stored.buffer) {
    state.parameters.set(name, parameter);
  } else {
    throw new PyError(
      "TypeError",
      `cannot assign '${typeName(parameter)}' object to parameter '${name}' (torch.nn.Parameter or None required)`,
      runtime.place,
    );
  }
  return null;
});
method("apply", "fn", (self, args, runtime) => {
  const visit = (module: PyObject): void => {
    for (const [, child] of walkChildren(module, runtime)) visit(child);
    runtime.call(args.fn ?? null, [module]);
  };
  visit(self);
  return self;
});

function setTraining(self: PyObject, training: boolean, runtime: Runtime): PyObject {
  for (const [, module] of walkModules(self, runtime)) stateOf(module, runtime).training = training;
  return self;
}
method("train", "mode=True", (self, args, runtime) => setTraining(self, runtime.truthy(args.mode ?? true), runtime));
method("eval", "", (self, _args, runtime) => setTraining(self, false, runtime));
method("requires_grad_", "requires_grad=True", (self, args, runtime) => {
  const requiresGrad = runtime.truthy(args.requires_grad ?? true);
  for (const [, tensor] of walkTensors(self, "parameters", true, runtime)) tensor.requiresGrad = requiresGrad;
  return self;
});
/** Floating-point parameters and buffers in another precision, as Module.to(dtype), half() and their like make them. */
function convertFloating(self: PyObject, dtype: DType, runtime: Runtime): PyObject {
  for (const kind of ["parameters", "buffers"] as const) {
    for (const [path, tensor] of walkTensors(self, kind, true, runtime)) {
      if (!isFloating(tensor.dtype) || tensor.dtype === dtype) continue;
      if (runtime.tracing && tensor.stored?.path !== undefined) {
        throw new EvaluationError(
          `${path} cannot become ${dtype} in forward: a graph's weights keep their dtype; convert the module in __init__`,
          runtime.place,
        );
      }
      toPrecision(tensor, dtype);
    }
  }
  return self;
}

function toPrecision(tensor: PyTensor, dtype: DType): void {
  const { stored, node } = tensor;
  if (!stored && node) tensor.become(build.cast(node, dtype));
  tensor.dtype = dtype;
  if (stored?.initializer.kind !== "graph") return;
  const { graph } = stored.initializer;
  const value = build.cast(graph.output("value"), dtype);
  stored.initializer = { kind: "graph", graph: graph.withOutputs([["value", value]]) };
}

for (const [name, dtype] of [
  ["double", "float64"],
  ["float", "float32"],
  ["half", "float16"],
  ["bfloat16", "bfloat16"],
] as const) {
  method(name, "", (self, _args, runtime) => convertFloating(self, dtype, runtime));
}
/** to(device), to(dtype), to(tensor) and type(dtype): of these the dtype counts. */
for (const name of ["to", "type"]) {
  method(name, "*args, **kwargs", (self, args, runtime) => {
    const named = args.kwargs instanceof PyDict ? [...args.kwargs.entries.values()].map((e) => e.value) : [];
    const target = [...(sequenceOf(args.args) ?? []), ...named].find(
      (v) => v instanceof PyDType || v instanceof PyTensor,
    );
    if (!(target instanceof PyDType || target instanceof PyTensor)) return self;
    if (isFloating(target.dtype)) return convertFloating(self, target.dtype, runtime);
    if (target instanceof PyTensor) return self;
    throw new PyError(
      "TypeError",
      `nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.${target.dtype}`,
      runtime.place,
    );
  });
}
// The device is the engine's choice here, not the source's.
for (const name of ["cuda", "cpu", "xpu", "share_memory", "compile"]) {
  method(name, "*args, **kwargs", (self) => self);
}
method("zero_grad", "set_to_none=True", () => null);
method("load_state_dict", "state_dict, strict=True, assign=False", () => null);
method("_get_name", "", (self) => self.type.name);
method("extra_repr", "", () => "");
// They change how weights files are read, of which we know the names by the modules alone.
for (const name of ["_register_load_state_dict_pre_hook", "register_load_state_dict_pre_hook"]) {
  method(name, "hook, with_module=False", () => null);
}
for (const name of ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"]) {
  method(name, "hook, **kwargs", (_self, _args, runtime) => {
    runtime.problem(`${name}: hooks are not run when the model is traced`, "warning");
    return null;
  });
}
