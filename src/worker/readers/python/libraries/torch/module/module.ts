import { findMember } from "../../../values/members";
import { typeName } from "../../../values/types";
import { Unknown } from "../../../values/unknown";
import {
  type ModuleState,
  PyClass,
  PyError,
  PyObject,
  PyTensor,
  type Runtime,
  type Value,
} from "../../../values/values";
import { storeBuffer } from "../tensor/parameter";
import { wrap } from "../tensor/tensor";
import { derivedWeight } from "./derived";
import { keptByModule, namesOf } from "./moduleDicts";

/** torch.nn.Module's attribute rules: assigning a Parameter or Module registers it. */

export const moduleClass = new PyClass("Module", [], new Map(), undefined, {});

export function isParameter(value: Value | undefined): value is PyTensor {
  return value instanceof PyTensor && value.stored !== undefined && !value.stored.buffer;
}

/** What registering under a name that means something else is in PyTorch. `own` holds what the name may be already. */
export function requireFree(
  { type, module, attributes }: PyObject,
  name: string,
  own: "parameters" | "buffers" | "modules",
  runtime: Runtime,
): void {
  if (!module || module[own].has(name) || attributes.get(name) instanceof Unknown) return;
  const registered = module.parameters.has(name) || module.buffers.has(name) || module.modules.has(name);
  if (registered || attributes.has(name) || findMember(type, name) !== undefined)
    throw new PyError("KeyError", `attribute '${name}' already exists`, runtime.place);
}

export function newModuleState(): ModuleState {
  return { parameters: new Map(), buffers: new Map(), modules: new Map(), training: true, options: {} };
}

/** Whether the value is an instance of a class derived from torch.nn.Module. */
export function isModule(value: Value | undefined): value is PyObject {
  return value instanceof PyObject && value.type.mro.includes(moduleClass);
}

/**
 * Its direct submodules by name. None keeps its place among them, and so does one that is unknown: the others are named
 * by theirs.
 */
export function submodules({ module, attributes }: PyObject): [string, PyObject | Unknown | null][] {
  return [...(module?.modules ?? [])].map(([name, child]) => {
    const unknown = child === null ? attributes.get(name) : undefined;
    return [name, unknown instanceof Unknown ? unknown : child];
  });
}

export function moduleAttribute(object: PyObject, name: string): Value | undefined {
  const state = object.module;
  if (!state) return undefined;
  if (state.parameters.has(name)) return state.parameters.get(name) ?? null;
  const buffer = state.buffers.get(name);
  if (buffer) return buffer.tensor;
  const module = state.modules.get(name);
  if (module) return module;
  // An unknown one is among the attributes.
  if (module === null && !object.attributes.has(name)) return null;
  if (name === "training") return state.training;
  const kept = name.startsWith("_") ? keptByModule(state, name, isModule) : undefined;
  if (kept !== undefined) return kept;
  const derived = derivedWeight(object, name);
  return derived && wrap(derived);
}

/** The names of `object.__dict__` of a module. */
export function moduleNames(object: PyObject): Map<string, Value | null> | undefined {
  return object.module && namesOf(object, object.module, isModule);
}

/** True when the rules of Module took the value; otherwise it is an ordinary attribute. */
export function moduleSetAttribute(object: PyObject, name: string, value: Value, runtime: Runtime): boolean {
  const state = object.module;
  if (isParameter(value)) {
    if (!state) throw beforeInit("parameters", runtime);
    forget(object, state, name, state.parameters);
    state.parameters.set(name, value);
    return true;
  }
  if (isModule(value)) {
    if (!state) throw beforeInit("module", runtime);
    forget(object, state, name, state.modules);
    state.modules.set(name, value);
    return true;
  }
  if (value instanceof PyTensor) {
    const request = value.bufferRequest;
    if (request) {
      if (!state) throw beforeInit("buffer", runtime);
      forget(object, state, name, state.buffers);
      state.buffers.set(name, { tensor: value, persistent: request.persistent });
      return true;
    }
  }
  if (!state) return false;
  if (value instanceof Unknown) {
    // Weights from a file that is not read have the sizes that their layer was made with.
    const isMade = object.type.builtin !== undefined || runtime.constructing === 0;
    if (isMade && !runtime.tracing && state.parameters.get(name)) return true;
    // What is registered under the name is no longer known.
    forget(object, state, name, undefined);
    return false;
  }
  if (state.parameters.has(name)) {
    if (value !== null) throw cannotAssign(value, "parameter", name, "torch.nn.Parameter or None", runtime);
    state.parameters.set(name, null);
    return true;
  }
  if (state.modules.has(name)) {
    if (value !== null) throw cannotAssign(value, "child module", name, "torch.nn.Module or None", runtime);
    state.modules.set(name, null);
    return true;
  }
  const buffer = state.buffers.get(name);
  if (buffer) {
    if (value !== null && !(value instanceof PyTensor)) {
      throw cannotAssign(value, "buffer", name, "torch.Tensor or None", runtime);
    }
    if (value && buffer.persistent && !value.stored) {
      // A new value of the same buffer: in forward it replaces the old one for the rest of the trace.
      if (buffer.tensor?.stored?.path === undefined) storeBuffer(value, runtime);
    }
    state.buffers.set(name, { tensor: value, persistent: buffer.persistent });
    return true;
  }
  if (name === "training") {
    state.training = runtime.truthy(value);
    return true;
  }
  return false;
}

export function moduleDeleteAttribute(object: PyObject, name: string): boolean {
  const state = object.module;
  if (!state) return false;
  return state.parameters.delete(name) || state.buffers.delete(name) || state.modules.delete(name);
}

/** `module(...)`: its class's forward. Hooks are not run. */
export function moduleCall(
  object: PyObject,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
  runtime: Runtime,
): Value {
  if (!object.module) {
    throw new PyError(
      "AttributeError",
      `'${object.type.name}' object has no attribute '_forward_hooks': call super().__init__() first`,
      runtime.place,
    );
  }
  const call = (): Value => runtime.call(runtime.getAttribute(object, "forward"), args, kwargs);
  return object.type.builtin && runtime.inModule ? runtime.inModule(object.place, call) : call();
}

/** The module's state, which `Module.__init__` sets. */
export function stateOf(object: PyObject, runtime: Runtime): ModuleState {
  if (object.module) return object.module;
  throw new PyError(
    "AttributeError",
    `'${object.type.name}' object has no attribute '_modules': call super().__init__() first`,
    runtime.place,
  );
}

function forget(
  object: PyObject,
  state: ModuleState,
  name: string,
  keep: ReadonlyMap<string, unknown> | undefined,
): void {
  object.attributes.delete(name);
  for (const map of [state.parameters, state.buffers, state.modules]) if (map !== keep) map.delete(name);
}

function beforeInit(what: string, runtime: Runtime): PyError {
  return new PyError("AttributeError", `cannot assign ${what} before Module.__init__() call`, runtime.place);
}

function cannotAssign(value: Value, kind: string, name: string, expected: string, runtime: Runtime): PyError {
  const type = value instanceof PyTensor ? "torch.FloatTensor" : typeName(value);
  return new PyError("TypeError", `cannot assign '${type}' as ${kind} '${name}' (${expected} expected)`, runtime.place);
}
