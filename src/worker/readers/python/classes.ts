import type { ClassStmt } from "./ast";
import { findMember } from "./attributes";
import { dataclassFields } from "./dataclasses";
import type { Evaluator } from "./evaluator";
import { evaluateSafely } from "./expressions";
import { type Definition, Scope } from "./scope";
import { isModule, moduleClass } from "./torch";
import { builtinClass, OBJECT, typeName } from "./types";
import {
  PyBound,
  PyClass,
  PyError,
  PyFunction,
  PyList,
  PyNative,
  PyObject,
  PyTuple,
  Unknown,
  type Value,
} from "./values";

export const ENUM = builtinClass("Enum", [OBJECT]);
export const NAMED_TUPLE = builtinClass("NamedTuple", [OBJECT]);

/** The class statement: runs the body in a scope of its own and links the bases. */
export function makeClass(ev: Evaluator, scope: Scope, node: ClassStmt, run: (body: Scope) => void): Value {
  const bases: PyClass[] = [];
  let unknownBase: Unknown | undefined;
  for (const base of node.bases) {
    if (base.type === "keyword") continue;
    const value = evaluateSafely(ev, scope, base.value);
    if (value instanceof PyClass) {
      if (!bases.includes(value)) bases.push(value);
    } else if (value instanceof Unknown) unknownBase ??= value;
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
  const type = new PyClass(
    node.name,
    bases.length > 0 ? bases : [OBJECT],
    body.names,
    ev.source.place({ start: node.start, end: node.nameSpan.end }),
    undefined,
  );
  type.mro = linearize(type);
  owner.type = type;
  ev.classes.push({ type, node });
  if (type.mro.includes(ENUM)) makeEnum(ev, type);
  const hook = bases.map((b) => findMember(b, "__init_subclass__")).find((m) => m !== undefined);
  if (hook instanceof PyFunction) ev.call(new PyBound(type, hook), []);
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

function makeEnum(ev: Evaluator, type: PyClass): void {
  const members = new PyList([]);
  let last = 0;
  for (const [name, value] of type.members) {
    if (name.startsWith("_") || value instanceof PyFunction || value instanceof PyObject) continue;
    const shown = value instanceof PyNative && value.name === "auto" ? last + 1 : value;
    if (typeof shown === "number") last = shown;
    const member = new PyObject(type, type.place);
    member.attributes.set("name", name);
    member.attributes.set("value", shown);
    members.items.push(member);
    type.members.set(name, member);
  }
  type.members.set("__members__", members);
  ev.step(members.items.length);
}

/** `type(...)`: makes an instance. */
export function construct(
  ev: Evaluator,
  type: PyClass,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Value {
  const builtin = type.mro.find((c) => c.builtin?.construct);
  if (builtin?.builtin?.construct) {
    ev.step();
    return builtin.builtin.construct(args, kwargs, ev);
  }
  if (type.mro.includes(ENUM)) return enumMember(type, args[0] ?? null);
  if (type.mro.includes(NAMED_TUPLE)) return namedTuple(ev, type, args, kwargs);
  const object = new PyObject(type, ev.place);
  initializeInstance(ev, object, args, kwargs);
  return object;
}

const given = new WeakMap<PyObject, { args: readonly Value[]; kwargs: ReadonlyMap<string, Value> }>();

/** The constructor's parameters of a module of the file's own classes, defaults included. */
export function constructedWith(object: PyObject): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  const init = findMember(object.type, "__init__");
  const call = given.get(object);
  if (!call || !(init instanceof PyFunction)) return values;
  const { params } = init.definition as Definition;
  params.slice(1).forEach(({ name, kind }, i) => {
    if (kind === "star" || kind === "doubleStar") return;
    const value =
      (kind === "keywordOnly" ? undefined : call.args[i]) ?? call.kwargs.get(name) ?? init.defaults.get(name);
    if (value !== undefined) values.set(name, value);
  });
  return values;
}

/** Calls `__init__`. What it has registered before an error stays on the object. */
export function initializeInstance(
  ev: Evaluator,
  object: PyObject,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): void {
  const { type } = object;
  const module = isModule(object);
  if (
    module &&
    !type.builtin &&
    !ev.constructed.has(type) &&
    ![...args, ...kwargs.values()].some((v) => v instanceof Unknown)
  ) {
    ev.constructed.set(type, { args, kwargs });
  }
  const init = findMember(type, "__init__");
  if (init instanceof PyFunction) {
    if (module) given.set(object, { args, kwargs });
    if (module) ev.constructing++;
    const result = ev.callFunction(init, [object, ...args], kwargs);
    if (module) ev.constructing--;
    if (result !== null && !(result instanceof Unknown)) {
      throw new PyError("TypeError", `__init__() should return None, not '${typeName(result)}'`);
    }
  } else if (init instanceof PyNative) {
    const owner = type.mro.find((c) => c.members.get("__init__") === init) ?? type;
    ev.callNative(init, [object, ...args], kwargs, `${owner.name}.__init__`);
  } else if (args.length > 0 || kwargs.size > 0) {
    throw new PyError("TypeError", `${type.name}() takes no arguments`);
  }
}

function enumMember(type: PyClass, value: Value): Value {
  const members = type.members.get("__members__");
  if (value instanceof Unknown) return value;
  if (members instanceof PyList) {
    for (const member of members.items) {
      if (member === value) return member;
      if (member instanceof PyObject && member.attributes.get("value") === value) return member;
    }
  }
  throw new PyError("ValueError", `${String(value)} is not a valid ${type.name}`);
}

function namedTuple(ev: Evaluator, type: PyClass, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): PyTuple {
  const fields = dataclassFields(ev, type);
  const items = fields.map((field, i) => {
    const value = args[i] ?? kwargs.get(field.name) ?? field.default;
    if (value === undefined) {
      throw new PyError("TypeError", `${type.name}.__new__() missing 1 required positional argument: '${field.name}'`);
    }
    return value;
  });
  return new PyTuple(
    items,
    fields.map((f) => f.name),
  );
}
