import * as build from "../../../../../graph/build";
import { dictOf } from "../../../values/equality";
import { findMember } from "../../../values/members";
import { Unknown } from "../../../values/unknown";
import { type PyDict, PyError, PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { nodeOf, unknownTensor, wrap } from "../tensor/tensor";
import { isParameter, moduleAttribute, stateOf } from "./module";
import { method } from "./moduleMethods";

/** Module.state_dict, and what asks for one part of a module by its path. */

/** The parameters and persistent buffers by path, tied ones under each name: the same memory, without gradients. */
function stateDict(root: PyObject, prefix: string, keepsParameters: boolean, runtime: Runtime): PyDict {
  const entries: [string, PyTensor][] = [];
  const visit = (module: PyObject, path: string): void => {
    runtime.step(1);
    const { parameters, buffers, modules } = stateOf(module, runtime);
    for (const [name, tensor] of parameters) if (tensor) entries.push([`${path}${name}`, tensor]);
    for (const [name, { tensor, persistent }] of buffers)
      if (tensor && persistent) entries.push([`${path}${name}`, tensor]);
    for (const [name, child] of modules) if (child) visit(child, `${path}${name}.`);
  };
  visit(root, prefix);
  return dictOf(entries.map(([path, tensor]) => [path, keepsParameters ? tensor : detached(tensor, runtime)] as const));
}

function detached(tensor: PyTensor, runtime: Runtime): PyTensor {
  if (tensor.unknown) return unknownTensor(tensor.shape, tensor.dtype, tensor.unknown);
  if (runtime.tracing && tensor.stored?.path !== undefined) return wrap(build.detach(nodeOf(tensor, runtime)));
  const view = new PyTensor(tensor.node, tensor.shape, tensor.dtype);
  view.share(tensor);
  return view;
}

method(
  "state_dict",
  "*args, destination=None, prefix='', keep_vars=False",
  (self, { args, destination, prefix, keep_vars: keepVars }, runtime) => {
    if (destination != null || !(typeof prefix === "string") || [...runtime.iterate(args ?? null)].length > 0)
      return new Unknown("state_dict() into a dict that is given is not evaluated", runtime.place);
    return stateDict(self, prefix, runtime.truthy(keepVars ?? false), runtime);
  },
);

/** The module that holds the last name of a path, and that name. */
function holder(self: PyObject, target: Value | undefined, runtime: Runtime): [PyObject, string] {
  if (typeof target !== "string") throw new PyError("TypeError", "the target must be a string", runtime.place);
  const dot = target.lastIndexOf(".");
  return [dot < 0 ? self : submodule(self, target.slice(0, dot), runtime), target.slice(dot + 1)];
}

function missing(module: PyObject, name: string, runtime: Runtime): PyError {
  return new PyError("AttributeError", `${module.type.name} has no attribute \`${name}\``, runtime.place);
}

function submodule(self: PyObject, target: string, runtime: Runtime): PyObject {
  let module = self;
  if (target === "") return module;
  for (const name of target.split(".")) {
    const child = attributeIn(module, name);
    if (child === undefined) throw missing(module, name, runtime);
    if (!(child instanceof PyObject && child.module))
      throw new PyError("AttributeError", `\`${name}\` is not an nn.Module`, runtime.place);
    module = child;
  }
  return module;
}

function attributeIn(module: PyObject, name: string): Value | undefined {
  const held = moduleAttribute(module, name);
  const own = held === undefined ? module.attributes.get(name) : held;
  return own === undefined ? findMember(module.type, name) : own;
}

method("get_submodule", "target", (self, args, runtime) => {
  const { target } = args;
  if (typeof target !== "string") throw new PyError("TypeError", "the target must be a string", runtime.place);
  return submodule(self, target, runtime);
});
for (const [getter, kind] of [
  ["get_parameter", "an nn.Parameter"],
  ["get_buffer", "a buffer"],
] as const) {
  method(getter, "target", (self, args, runtime) => {
    const [module, name] = holder(self, args.target, runtime);
    const value = attributeIn(module, name);
    if (value === undefined) throw missing(module, name, runtime);
    const { buffers } = stateOf(module, runtime);
    const fits = getter === "get_parameter" ? isParameter(value) : buffers.has(name);
    if (fits) return value;
    if (value instanceof Unknown) return value;
    throw new PyError("AttributeError", `\`${name}\` is not ${kind}`, runtime.place);
  });
}
method("set_submodule", "target, module, strict=False", (self, args, runtime) => {
  const [parent, name] = holder(self, args.target, runtime);
  if (runtime.truthy(args.strict ?? false) && !stateOf(parent, runtime).modules.has(name))
    throw missing(parent, name, runtime);
  runtime.call(runtime.getAttribute(parent, "add_module"), [name, args.module ?? null]);
  return null;
});
