import { isModule, moduleClass } from "../../libraries/torch";
import { noteAsMade } from "../../models/asMade";
import type { ClassStmt } from "../../syntax/ast";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { findMember } from "../../values/members";
import { builtinClass, OBJECT, PyWrapped, typeName } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import {
  type BoundParam,
  type Given,
  PyBound,
  PyClass,
  PyDict,
  PyError,
  PyFunction,
  PyNative,
  PyObject,
  PyTuple,
  type Value,
} from "../../values/values";
import { bind } from "../binding";
import { noteConstruction } from "../noted";
import { TYPE } from "../objects/builtinTypes";
import { ENUM, enumMember, makeEnum } from "../objects/enums";
import { fill, isInstanceOf, newInstance, takesNothing } from "../objects/instances";
import { mayBeAlike } from "../repeated/alike";
import { type Definition, Scope } from "../scope";
import { evaluateSafely } from "./expressions";

export const NAMED_TUPLE = builtinClass("NamedTuple", [OBJECT]);

/** The class statement: runs the body in a scope of its own and links the bases. */
export function makeClass(ev: Evaluator, scope: Scope, node: ClassStmt, run: (body: Scope) => void): Value {
  const bases: PyClass[] = [];
  const keywords = new Map<string, Value>();
  let unknownBase: Unknown | undefined;
  for (const base of node.bases) {
    const value = evaluateSafely(ev, scope, base.value);
    if (base.type === "keyword") keywords.set(base.name!, value);
    else if (base.type === "doubleStar") {
      if (value instanceof PyDict) for (const e of value.entries.values()) keywords.set(String(e.key), e.value);
    } else {
      for (const one of base.type === "star" ? ev.iterate(value) : [value]) {
        if (one instanceof PyClass) {
          if (!bases.includes(one)) bases.push(one);
        } else if (one instanceof Unknown) unknownBase ??= one;
      }
    }
  }
  const qualifiedName = scope.qualifiedName ? `${scope.qualifiedName}.${node.name}` : node.name;
  const body = new Scope("class", scope.kind === "class" ? scope.parent : scope, qualifiedName);
  const owner: { type: PyClass | undefined } = { type: undefined };
  body.owner = owner;
  run(body);
  if (unknownBase && body.names.has("forward") && !bases.some((b) => b.mro.includes(moduleClass))) {
    // Libraries build on nn.Module (LightningModule, PreTrainedModel): what defines forward is read as one.
    bases.push(moduleClass);
    ev.problem(
      `${node.name} is read as an nn.Module: its base class is not known because ${unknownBase.reason}`,
      "information",
      ev.source.place(node.nameSpan),
    );
  }
  ev.span = { start: node.start, end: node.nameSpan.end };
  const given = keywords.get("metaclass");
  keywords.delete("metaclass");
  const own = given instanceof PyClass && given !== TYPE && given.mro.includes(TYPE) ? given : undefined;
  const metaclass = own ?? inheritedMetaclass(bases);
  // A metaclass's __new__ is Python's own business unless the source wrote it.
  const type = metaclass
    ? ev.call(metaclass, [node.name, new PyTuple(bases), dictOf(body.names)], keywords)
    : defineClass(ev, node.name, bases, body.names, keywords);
  if (!(type instanceof PyClass)) return type;
  owner.type = type;
  type.definedIn = moduleNameOf(scope.module);
  if (unknownBase) {
    const { reason } = unknownBase;
    type.missing = (name) => `${name} may come from a base class of ${node.name}, which is not known because ${reason}`;
  }
  if (ev.inMain) ev.classes.push({ type, node });
  return type;
}

/** The module name as an import would see it, also for the file that is read. */
export function moduleNameOf({ names, package: home, text }: Scope): string {
  const imported = names.get("__name__");
  if (typeof imported === "string" && imported !== "__model__") return imported;
  const stem = /([^/\\]+)\.\w+$/.exec(text?.file ?? "")?.[1];
  return home && home.name !== "" && stem !== undefined ? `${home.name}.${stem}` : "__main__";
}

function inheritedMetaclass(bases: readonly PyClass[]): PyClass | undefined {
  return bases.map((b) => b.metaclass).find((m) => m !== undefined);
}

/** Real ones have some twenty; ordering them takes the square of their number, and each look-up goes through all. */
const MAX_ABOVE = 500;

/** `type(name, bases, members)`: links the bases, names the descriptors and tells the bases of their subclass. */
export function defineClass(
  ev: Evaluator,
  name: string,
  bases: readonly PyClass[],
  members: Map<string, Value>,
  keywords: ReadonlyMap<string, Value>,
  metaclass = inheritedMetaclass(bases),
): PyClass {
  const above = bases.reduce((sum, base) => sum + base.mro.length, 0);
  if (above > MAX_ABOVE) {
    throw new EvaluationError(`a class with more than ${MAX_ABOVE} base classes is not supported`, ev.place);
  }
  ev.step(above);
  const type = new PyClass(name, bases.length > 0 ? bases : [OBJECT], members, ev.place, undefined);
  type.mro = linearize(type);
  type.metaclass = metaclass;
  if (type.mro.includes(ENUM)) makeEnum(ev, type);
  for (const [key, member] of [...members]) {
    const hook = member instanceof PyObject ? ev.special(member, "__set_name__") : undefined;
    if (hook) ev.call(hook, [type, key]);
  }
  const inherited = type.mro.slice(1).map((b) => b.members.get("__init_subclass__"));
  const hook = inherited.find((m) => m !== undefined);
  if (hook instanceof PyFunction) ev.call(new PyBound(type, hook), [], keywords);
  else if (hook instanceof PyWrapped) ev.call(hook.callee, [type], keywords);
  return type;
}

/** C3, as Python orders methods. */
export function linearize(type: PyClass): readonly PyClass[] {
  const lists = [...type.bases.map((b) => [...b.mro]), [...type.bases]];
  const order: PyClass[] = [type];
  for (;;) {
    const open = lists.filter((list) => list.length > 0);
    if (open.length === 0) return order;
    const next = open.map((list) => list[0]!).find((c) => !open.some((list) => list.indexOf(c) > 0));
    if (!next) {
      throw new PyError(
        "TypeError",
        `Cannot create a consistent method resolution order (MRO) for bases ${type.bases.map((b) => b.name).join(", ")}`,
      );
    }
    order.push(next);
    for (const list of open) if (list[0] === next) list.shift();
  }
}

/** `type(...)`: makes an instance, as the class's metaclass says. */
export function construct(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const call = type.metaclass && findMember(type.metaclass, "__call__");
  return call instanceof PyFunction
    ? ev.call(new PyBound(type, call), args, kwargs)
    : instantiate(ev, type, args, kwargs);
}

/** `__new__`, then `__init__` when that gave an instance. */
export function instantiate(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  if (type.builtin?.construct) {
    ev.step();
    ev.alike.builtin(type.name, args, kwargs);
    return type.builtin.construct(args, kwargs, ev);
  }
  if (type.enumMembers) return enumMember(ev, type, args[0] ?? null);
  const make = findMember(type, "__new__");
  const making = make instanceof PyWrapped ? make.callee : make;
  if (mayBeAlike(type) && make === undefined) {
    return ev.alike.module(type, args, kwargs, () => {
      const module = new PyObject(type, ev.place);
      initializeInstance(ev, module, args, kwargs);
      return module;
    });
  }
  const object =
    making instanceof PyFunction ? ev.call(making, [type, ...args], kwargs) : allocate(ev, type, args, kwargs);
  if (!isInstanceOf(object, type) && !(object instanceof PyClass)) return object;
  if (object instanceof PyClass) {
    const init = findMember(type, "__init__");
    if (init instanceof PyFunction) ev.callFunction(init, [object, ...args], kwargs);
    return object;
  }
  if (object instanceof PyObject) initializeInstance(ev, object, args, kwargs, making instanceof PyFunction);
  else initializeContainer(ev, object, type, args, kwargs);
  return object;
}

export type { Given } from "../../values/values";

/** Of a module of a class with a constructor of its own. */
export function givenTo(object: PyObject): Given | undefined {
  object.pending?.make(object);
  return object.given;
}

/** The constructor's arguments of a module of the file's own classes by name, defaults and what `**kwargs` collects included. */
export function constructedWith(object: PyObject): ReadonlyMap<string, Value> {
  const call = givenTo(object);
  return call ? argumentsByName(object.type, call) : new Map();
}

export function argumentsByName(type: PyClass, call: Given): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  const init = findMember(type, "__init__");
  if (!(init instanceof PyFunction)) return values;
  const { params } = init.definition as Definition;
  params.slice(1).forEach(({ name, kind }, i) => {
    if (kind === "star" || kind === "doubleStar") return;
    const byPosition = kind !== "keywordOnly" && i < call.args.length;
    const named = call.kwargs.has(name) ? call.kwargs : init.defaults;
    const value = byPosition ? call.args[i] : named.get(name);
    if (value !== undefined) values.set(name, value);
  });
  if (params.some(({ kind }) => kind === "doubleStar")) {
    for (const [name, value] of call.kwargs) if (!values.has(name)) values.set(name, value);
  }
  return values;
}

function initializeContainer(
  ev: Evaluator,
  object: Value,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): void {
  const init = findMember(type, "__init__");
  if (init instanceof PyFunction) ev.callFunction(init, [object, ...args], kwargs);
  else if (init instanceof PyNative) ev.callNative(init, [object, ...args], kwargs, `${type.name}.__init__`);
  else fill(ev, object, args, kwargs);
}

/** What `__new__` gives when no class of the source writes it. */
export function allocate(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  if (type.mro.includes(TYPE)) {
    const [name, bases, members] = args;
    if (!(bases instanceof PyTuple) || !(members instanceof PyDict)) {
      throw new PyError("TypeError", "type.__new__() takes exactly 3 arguments");
    }
    const entries = [...members.entries.values()].map((e): [string, Value] => [String(e.key), e.value]);
    const parents = bases.items.filter((b) => b instanceof PyClass);
    return defineClass(ev, String(name), parents, new Map(entries), kwargs, type === TYPE ? undefined : type);
  }
  if (type.mro.includes(NAMED_TUPLE)) return namedTuple(ev, type, args, kwargs);
  return newInstance(ev, type, args, kwargs);
}

/** Calls `__init__`. What it has registered before an error stays on the object. */
export function initializeInstance(
  ev: Evaluator,
  object: PyObject,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
  hasNew = false,
): void {
  const { type } = object;
  const module = isModule(object);
  if (module) ev.modulesMade++;
  if (ev.watched.has(type) || (module && !type.builtin && type.place?.file === ev.main.file))
    noteConstruction(ev, type, args, kwargs);
  const init = ev.patches.member(type, "__init__");
  if (init instanceof PyFunction) {
    if (module) object.given = { args, kwargs };
    if (module) ev.constructing++;
    const result = ev.callFunction(init, [object, ...args], kwargs);
    if (module) ev.constructing--;
    if (result !== null && !(result instanceof Unknown)) {
      throw new PyError("TypeError", `__init__() should return None, not '${typeName(result)}'`);
    }
  } else if (init instanceof PyNative) {
    const owner = type.mro.find((c) => c.members.get("__init__") === init) ?? type;
    ev.callNative(init, [object, ...args], kwargs, `${owner.name}.__init__`);
  } else if ((args.length > 0 || kwargs.size > 0) && !hasNew && object.payload === undefined) {
    throw takesNothing(type);
  }
  if (module && ev.constructing === 0 && !ev.tracing && type.place?.file === ev.main.file) noteAsMade(object);
}

function namedTuple(ev: Evaluator, type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): PyTuple {
  const fields = ownFields(type);
  const params = fields.map((f): BoundParam => ({ name: f.name, kind: "normal", default: f.default }));
  const values = new Map<string, Value>();
  bind(`${type.name}.__new__`, [{ name: "cls", kind: "normal" }, ...params], [type, ...args], kwargs, (name, value) =>
    values.set(name, value),
  );
  ev.step();
  const tuple = new PyTuple(
    fields.map((f) => values.get(f.name)!),
    fields.map((f) => f.name),
  );
  tuple.subclass = { type, attributes: new Map() };
  return tuple;
}

/** Fields of a namedtuple: the annotated names of the class that derives from NamedTuple itself. */
function ownFields(type: PyClass): { name: string; default?: Value }[] {
  const base = type.mro.find((t) => t.bases.includes(NAMED_TUPLE)) ?? type;
  const annotations = base.members.get("__annotations__");
  if (!(annotations instanceof PyDict)) return [];
  return [...annotations.entries.values()].map((e) => ({
    name: String(e.key),
    default: base.members.get(String(e.key)),
  }));
}
