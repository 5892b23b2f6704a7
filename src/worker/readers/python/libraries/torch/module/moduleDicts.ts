import { setOf } from "../../../values/equality";
import { liveDict } from "../../../values/liveDict";
import { type ModuleState, PyDict, type PyObject, PyTensor, type Value } from "../../../values/values";

/** What torch.nn.Module keeps under names of its own: `_parameters`, `_buffers`, `_modules`, and these in `__dict__`. */

type Names = Map<string, Value | null>;

/** Hooks are not run: a module has none. */
const HOOKS = new Set([
  ...["_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs"],
  ...["_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks"],
  ...["_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"],
]);
/** In PyTorch's order; `training` goes before these, the instance's own attributes after. */
const KEPT = [
  "_parameters",
  "_buffers",
  "_non_persistent_buffers_set",
  ...[...HOOKS].slice(0, 2),
  "_is_full_backward_hook",
  ...[...HOOKS].slice(2),
  "_modules",
];

const isTensorOrNone = (value: Value): boolean => value === null || value instanceof PyTensor;

/** What the module keeps under the name. `isChild` says what may be put among its modules. */
export function keptByModule(state: ModuleState, name: string, isChild: (value: Value) => boolean): Value | undefined {
  switch (name) {
    case "_parameters":
      return liveDict(state.parameters, isTensorOrNone);
    case "_buffers":
      return liveDict(new BufferTensors(state.buffers), isTensorOrNone);
    case "_modules":
      return liveDict(state.modules, (value) => value === null || isChild(value));
    case "_non_persistent_buffers_set":
      return setOf([...state.buffers].filter(([, { persistent }]) => !persistent).map(([key]) => key));
    case "_is_full_backward_hook":
      return null;
  }
  return HOOKS.has(name) ? new PyDict() : undefined;
}

/** The names of `module.__dict__`. */
export function namesOf(object: PyObject, state: ModuleState, isChild: (value: Value) => boolean): Names {
  return new ModuleNames(object.attributes, state, isChild);
}

/** The tensors of a module's buffers by name. One that is put in is part of the state dict. */
class BufferTensors extends Map<string, PyTensor | null> {
  constructor(private readonly buffers: ModuleState["buffers"]) {
    super();
  }
  override get size(): number {
    return this.buffers.size;
  }
  override get(name: string): PyTensor | null | undefined {
    return this.buffers.get(name)?.tensor;
  }
  override has(name: string): boolean {
    return this.buffers.has(name);
  }
  override set(name: string, tensor: PyTensor | null): this {
    this.buffers.set(name, { tensor, persistent: this.buffers.get(name)?.persistent ?? true });
    return this;
  }
  override delete(name: string): boolean {
    return this.buffers.delete(name);
  }
  override clear(): void {
    this.buffers.clear();
  }
  override keys(): MapIterator<string> {
    return this.buffers.keys();
  }
}

/** The names of a module's `__dict__`: what Module keeps, then the attributes. */
class ModuleNames extends Map<string, Value | null> {
  constructor(
    private readonly attributes: Names,
    private readonly state: ModuleState,
    private readonly isChild: (value: Value) => boolean,
  ) {
    super();
  }
  override get size(): number {
    return 1 + KEPT.length + this.attributes.size;
  }
  override get(name: string): Value | undefined {
    if (name === "training") return this.state.training;
    return (
      this.attributes.get(name) ?? (this.attributes.has(name) ? null : keptByModule(this.state, name, this.isChild))
    );
  }
  override has(name: string): boolean {
    return name === "training" || this.attributes.has(name) || KEPT.includes(name);
  }
  override set(name: string, value: Value): this {
    if (name === "training") this.state.training = value === true;
    else this.attributes.set(name, value);
    return this;
  }
  override delete(name: string): boolean {
    return this.attributes.delete(name);
  }
  override clear(): void {
    this.attributes.clear();
  }
  override *keys(): MapIterator<string> {
    yield "training";
    yield* KEPT;
    yield* this.attributes.keys();
  }
}
