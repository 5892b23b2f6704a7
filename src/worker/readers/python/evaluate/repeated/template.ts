import type { SourcePlace } from "../../../../graph/node";
import { type Draw, isModule } from "../../libraries/torch";
import { hasDerivedWeights } from "../../libraries/torch/module/derived";
import { canDrawAgain, drawnAgain } from "../../libraries/torch/tensor/tensor";
import { PyDefaultDict, PyRange } from "../../values/types";
import {
  type Given,
  type PendingContent,
  PyBound,
  PyDict,
  PyFunction,
  PyGenerator,
  PyList,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../values/values";

/**
 * A module that was constructed once and serves as the template of all that the same call constructs after it. Each
 * copy is an object of its own, whose content is made when code looks into it: a model of tens of thousands of experts
 * is listed from one of each kind.
 */

/** The largest number of objects in a template; models do not repeat larger layers many times. */
const MAX_OBJECTS = 100_000;

/** What was numbered while the module was constructed. */
export interface Construction {
  /** Birth numbers of the module's own objects; all others existed before. */
  readonly from: number;
  readonly to: number;
  /** The order of creation of values. */
  readonly first: number;
  readonly end: number;
  readonly draws: readonly Draw[];
}

export class Template {
  /** Modules, counted by their paths, itself included. */
  readonly paths: number;
  /** Levels of modules below it. */
  readonly levels: number;
  /** What one copy costs: for modules and random numbers. */
  readonly work: number;

  private constructor(
    /** The module as it was made. Nothing else refers to it, so it stays unchanged. */
    readonly original: PyObject,
    private readonly made: Construction,
  ) {
    const { paths, levels } = sizeOf(original);
    this.paths = paths;
    this.levels = levels;
    this.work = paths + made.draws.length;
  }

  /** Undefined if it holds objects that others refer to or that cannot be copied. */
  static of(original: PyObject, made: Construction): Template | undefined {
    return isOnItsOwn(original, made) ? new Template(original, made) : undefined;
  }

  /** The copy that replaces the original. */
  first(): PyObject {
    return this.shell(0, this.original.place);
  }

  /** Another one: its random numbers are drawn after those before it. */
  next({ random, place }: Pick<Runtime, "random" | "place">): PyObject {
    const { draws, first, end } = this.made;
    return this.shell(random.drawAgain(draws, first, end), place);
  }

  /** Whether the value was made with the original. */
  holds({ born }: { readonly born: number }): boolean {
    return born >= this.made.from && born < this.made.to;
  }

  shell(shift: number, place: SourcePlace | undefined, born?: number): PyObject {
    const { type, payload } = this.original;
    const shell = new PyObject(type, place);
    if (born !== undefined) shell.born = born;
    if (payload !== undefined) shell.payload = payload;
    shell.pending = new Pending(this.original, new Copy(this, shift, shell));
    return shell;
  }
}

/** The template of a copy that code has not looked into yet. */
export function templateOf({ pending }: PyObject): Template | undefined {
  return pending instanceof Pending ? pending.whole : undefined;
}

/** The parts of one copy that have been made. */
class Copy {
  private made: Map<object, Value> | undefined;

  constructor(
    readonly template: Template,
    readonly shift: number,
    private readonly root: PyObject,
  ) {}

  of<V extends Value>(value: V): V;
  of(value: Value): Value {
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof PyTuple) return this.tuple(value);
    if (!isNumbered(value) || !this.template.holds(value)) return value;
    this.made ??= new Map([[this.template.original, this.root]]);
    const known = this.made.get(value);
    if (known !== undefined) return known;
    const { born } = this.root;
    if (value instanceof PyList) {
      const copy = new PyList([]);
      this.keep(value, copy, born);
      for (const item of value.items) copy.items.push(this.of(item));
      return this.subclassed(value, copy);
    }
    if (value instanceof PyDict) {
      const copy = value instanceof PyDefaultDict ? new PyDefaultDict(value.factory) : new PyDict();
      this.keep(value, copy, born);
      for (const [key, entry] of value.entries) copy.entries.set(key, { key: entry.key, value: this.of(entry.value) });
      return this.subclassed(value, copy);
    }
    if (value instanceof PySet) {
      const copy = new PySet();
      this.keep(value, copy, born);
      for (const [key, item] of value.entries) copy.entries.set(key, item);
      return this.subclassed(value, copy);
    }
    if (value instanceof PyTensor) {
      const copy = drawnAgain(value, this.shift);
      if (value.firstValues) copy.firstValues = value.firstValues;
      if (value.bufferRequest) copy.bufferRequest = value.bufferRequest;
      this.keep(value, copy, born);
      return copy;
    }
    if (!(value instanceof PyObject)) return value;
    const copy = this.object(value);
    this.keep(value, copy, born);
    return copy;
  }

  /** Of an object within the module: it is made when it is looked into, too. */
  private object(value: PyObject): PyObject {
    const { pending } = value;
    if (pending instanceof Pending && pending.whole) {
      const { template, shift } = pending.copy;
      return template.shell(shift + this.shift, value.place, this.root.born);
    }
    const copy = new PyObject(value.type, value.place);
    if (value.payload !== undefined) copy.payload = value.payload;
    copy.pending = new Pending(value, this);
    return copy;
  }

  private keep(value: object, copy: Value & { born: number }, born: number): void {
    copy.born = born;
    this.made!.set(value, copy);
  }

  private subclassed<T extends PyList | PyDict | PySet>({ subclass }: T, copy: T): T {
    if (subclass) {
      const attributes = [...subclass.attributes].map(([name, item]): [string, Value] => [name, this.of(item)]);
      copy.subclass = { type: subclass.type, attributes: new Map(attributes) };
    }
    return copy;
  }

  private tuple(value: PyTuple): PyTuple {
    const items = value.items.map((item) => this.of(item));
    if (!value.subclass && items.every((item, i) => item === value.items[i])) return value;
    const copy = new PyTuple(items, value.fields);
    if (value.subclass) copy.subclass = value.subclass;
    return copy;
  }

  given({ args, kwargs }: Given): Given {
    return {
      args: args.map((value) => this.of(value)),
      kwargs: new Map([...kwargs].map(([name, value]) => [name, this.of(value)])),
    };
  }
}

class Pending implements PendingContent {
  constructor(
    private readonly original: PyObject,
    readonly copy: Copy,
  ) {}

  /** Set where the object is the whole copy and not a part of it. */
  get whole(): Template | undefined {
    const { template } = this.copy;
    return template.original === this.original ? template : undefined;
  }

  make(object: PyObject): void {
    const { original, copy } = this;
    object.pending = undefined;
    for (const [name, value] of original.attributes) object.attributes.set(name, copy.of(value));
    if (original.given) object.given = copy.given(original.given);
    const { module } = original;
    if (!module) return;
    object.module = {
      parameters: new Map([...module.parameters].map(([name, tensor]) => [name, copy.of(tensor)])),
      buffers: new Map(
        [...module.buffers].map(([name, { tensor, persistent }]) => [name, { tensor: copy.of(tensor), persistent }]),
      ),
      modules: new Map([...module.modules].map(([name, child]) => [name, copy.of(child)])),
      training: module.training,
      ...(module.asMade !== undefined && { asMade: module.asMade }),
      options: Object.fromEntries(Object.entries(module.options).map(([name, value]) => [name, copy.of(value)])),
    };
  }
}

function sizeOf(root: PyObject): { paths: number; levels: number } {
  let [paths, levels] = [1, 0];
  for (const child of root.module?.modules.values() ?? []) {
    if (!child) continue;
    const below = templateOf(child) ?? sizeOf(child);
    paths += below.paths;
    levels = Math.max(levels, below.levels + 1);
  }
  return { paths, levels };
}

/** Whether all that the module registers is its own, and all that is its own can be copied. */
function isOnItsOwn(root: PyObject, { from, to }: Construction): boolean {
  const isOwn = ({ born }: { readonly born: number }): boolean => born >= from && born < to;
  const storages = new Set<object>();
  const seen = new Set<Value>();
  const pending: Value[] = [root];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (seen.size > MAX_OBJECTS) return false;
    if (value instanceof PyTuple) {
      if (value.subclass && value.subclass.attributes.size > 0) return false;
      for (const item of value.items) pending.push(item);
    } else if (value instanceof PyBound) {
      if (isNumbered(value.self) && isOwn(value.self)) return false;
    } else if (value instanceof PyRange || !isNumbered(value) || !isOwn(value)) {
      // It stays what it is.
    } else if (value instanceof PyList) {
      // Floats that nobody has asked for one by one are no objects yet.
      if (!value.floats) for (const item of value.items) pending.push(item);
      pending.push(...(value.subclass?.attributes.values() ?? []));
    } else if (value instanceof PyDict) {
      if (value.entries.constructor !== Map) return false;
      for (const entry of value.entries.values()) {
        // What is a key is known by its identity.
        if (entry.key instanceof PyTuple || isNumbered(entry.key)) return false;
        pending.push(entry.value);
      }
      pending.push(...(value.subclass?.attributes.values() ?? []));
    } else if (value instanceof PySet) {
      for (const item of value.entries.values()) if (item instanceof PyTuple || isNumbered(item)) return false;
    } else if (value instanceof PyTensor) {
      if (value.attributes || !isPlain(value) || storages.has(value.storage)) return false;
      storages.add(value.storage);
    } else if (value instanceof PyFunction || value instanceof PyNative || value instanceof PyGenerator) {
      return false;
    } else if (value instanceof PyObject) {
      if (templateOf(value)) continue;
      if (value.constructor !== PyObject || value.type.enumMembers || value.standsFor || hasDerivedWeights(value))
        return false;
      if (value.forgotten || value.unlisted) return false;
      pending.push(...value.attributes.values(), ...(value.given?.args ?? []), ...(value.given?.kwargs.values() ?? []));
      if (!isModule(value)) continue;
      if (!value.module || value.module.checkpoint) return false;
      const { parameters, buffers, modules, options } = value.module;
      const registered = [...parameters.values(), ...modules.values(), ...[...buffers.values()].map((b) => b.tensor)];
      if (registered.some((each) => each && !isOwn(each))) return false;
      pending.push(...registered, ...Object.values(options));
    }
  }
  return true;
}

function isNumbered<V extends Value>(value: V): value is V & { readonly born: number } {
  return typeof value === "object" && value !== null && "born" in value;
}

/** No view, and of no random numbers that only it has. */
function isPlain(tensor: PyTensor): boolean {
  const { storage, window, stored } = tensor;
  if (storage.rivals.size > 0 || storage.rowMajor !== true || storage.fixed !== undefined) return false;
  if (window && window.path !== window.origin && !isKnownReshaped(tensor)) return false;
  return stored?.path === undefined && stored?.loaded === undefined && canDrawAgain(tensor);
}

/** Known values in another shape. Where nothing else has them, as of `LongTensor(items).view(4, 4)`, it is no view. */
function isKnownReshaped({ node }: PyTensor): boolean {
  let at = node;
  while (at?.op === "reshape") at = at.inputs[0];
  return at?.op === "constant";
}
