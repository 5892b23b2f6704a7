import { dictOf } from "./equality";
import type { Evaluator } from "./evaluator";
import { methodOf } from "./methods";
import {
  moduleAttribute,
  moduleDeleteAttribute,
  moduleSetAttribute,
  tensorAttribute,
  tensorSetAttribute,
} from "./torch";
import { PyPartial, PyProperty, PySuper, PyWrapped } from "./types";
import {
  PyBound,
  PyClass,
  PyError,
  PyFloat,
  PyFunction,
  PyNamespace,
  PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  Unknown,
  type Value,
} from "./values";

/** `object.name`, or undefined when there is no such attribute. */
export function attributeOf(ev: Evaluator, object: Value, name: string): Value | undefined {
  if (object instanceof Unknown) return object;
  if (object instanceof PySuper) return superAttribute(ev, object, name);
  if (object instanceof PyObject) return objectAttribute(ev, object, name);
  if (object instanceof PyTensor) return tensorAttribute(object, name, ev);
  if (object instanceof PyNamespace) {
    const member = object.members.get(name) ?? ev.resolveImport(`${object.name}.${name}`);
    if (member !== undefined) return member;
    return name.startsWith("__")
      ? undefined
      : new Unknown(`${object.name}.${name} is not known to the reader`, ev.place);
  }
  if (object instanceof PyClass) return classAttribute(ev, object, name);
  if (object instanceof PyTuple && object.fields) {
    const at = object.fields.indexOf(name);
    if (at >= 0) return object.items[at];
  }
  if (object instanceof PyFunction || object instanceof PyNative || object instanceof PyBound) {
    if (name === "__name__") return object instanceof PyBound ? object.callee.name : object.name;
    if (name === "__doc__") return null;
    if (object instanceof PyBound && name === "__self__") return object.self;
  }
  if (name === "__class__") return ev.typeOf(object);
  if (object instanceof PyFloat && (name === "real" || name === "imag"))
    return name === "real" ? object : new PyFloat(0);
  const method = methodOf(object, name);
  return method && new PyBound(object, method);
}

export function findMember(type: PyClass, name: string): Value | undefined {
  for (const base of type.mro) {
    const member = base.members.get(name);
    if (member !== undefined) return member;
  }
  return undefined;
}

/** What a class's member becomes when it is taken from an instance. */
function fromInstance(ev: Evaluator, object: Value, type: PyClass, member: Value, name: string): Value {
  if (member instanceof PyFunction || member instanceof PyNative) return new PyBound(object, member);
  if (member instanceof PyProperty) {
    const value = ev.call(member.getter, [object]);
    if (member.cached && object instanceof PyObject) object.attributes.set(name, value);
    return value;
  }
  if (member instanceof PyWrapped) return unwrap(member, type);
  return member;
}

function unwrap(member: PyWrapped, type: PyClass): Value {
  const { callee } = member;
  if (member.wrapping === "static") return callee;
  return callee instanceof PyFunction || callee instanceof PyNative ? new PyBound(type, callee) : callee;
}

function objectAttribute(ev: Evaluator, object: PyObject, name: string): Value | undefined {
  if (object instanceof PyProperty && (name === "setter" || name === "getter")) return propertyDecorator(object, name);
  if (object instanceof PyPartial) {
    if (name === "func") return object.callee;
    if (name === "args") return new PyTuple(object.args);
    if (name === "keywords") return dictOf(object.kwargs);
  }
  const member = findMember(object.type, name);
  // A property goes before what the instance holds.
  if (member instanceof PyProperty && !(member.cached && object.attributes.has(name))) {
    return fromInstance(ev, object, object.type, member, name);
  }
  const own = moduleAttribute(object, name) ?? object.attributes.get(name);
  if (own !== undefined) return own;
  if (object.module && hasModuleEntry(object, name)) return null;
  if (member !== undefined) return fromInstance(ev, object, object.type, member, name);
  switch (name) {
    case "__class__":
      return object.type;
    case "__dict__":
      return dictOf(object.attributes);
  }
  const fallback = findMember(object.type, "__getattr__");
  if (fallback instanceof PyFunction) return ev.call(fallback, [object, name]);
  return undefined;
}

function hasModuleEntry(object: PyObject, name: string): boolean {
  const { parameters, buffers, modules } = object.module!;
  return parameters.has(name) || buffers.has(name) || modules.has(name);
}

function propertyDecorator(property: PyProperty, name: string): Value {
  return new PyNative(name, "fn", ({ fn }) =>
    name === "setter"
      ? new PyProperty(property.getter, fn ?? null, property.cached)
      : new PyProperty(fn ?? null, property.setter, property.cached),
  );
}

function classAttribute(ev: Evaluator, type: PyClass, name: string): Value | undefined {
  const member = findMember(type, name);
  if (member instanceof PyWrapped) return unwrap(member, type);
  if (member !== undefined) return member;
  switch (name) {
    case "__name__":
    case "__qualname__":
      return type.name;
    case "__mro__":
      return new PyTuple(type.mro);
    case "__bases__":
      return new PyTuple(type.bases);
    case "__doc__":
      return null;
    case "__module__":
      return "__main__";
    case "__class__":
      return ev.typeOf(type);
    case "__init__":
      return new PyNative("__init__", "self, *args, **kwargs", () => null);
  }
  // `str.lower`, `dict.fromkeys`: a builtin type's methods live in the table of its values.
  return ev.builtinTypeMethod(type, name);
}

function superAttribute(ev: Evaluator, object: PySuper, name: string): Value | undefined {
  const { mro } = object.selfType;
  for (const base of mro.slice(mro.indexOf(object.start) + 1)) {
    const member = base.members.get(name);
    if (member !== undefined) return fromInstance(ev, object.self, object.selfType, member, name);
  }
  if (name === "__init__" || name === "__init_subclass__" || name === "__post_init__") {
    return new PyNative(name, "*args, **kwargs", () => null);
  }
  if (name === "__setattr__") {
    return new PyNative(name, "name, value", ({ name: key, value }) => {
      if (typeof key === "string") ev.setAttribute(object.self, key, value ?? null);
      return null;
    });
  }
  if (name === "__getattr__" || name === "__getattribute__") {
    return new PyNative(name, "name", ({ name: key }) => {
      const self = object.self as PyObject;
      const value = typeof key === "string" ? (moduleAttribute(self, key) ?? self.attributes.get(key)) : undefined;
      if (value === undefined) {
        throw new PyError("AttributeError", `'${self.type.name}' object has no attribute '${String(key)}'`);
      }
      return value;
    });
  }
  throw new PyError("AttributeError", `'super' object has no attribute '${name}'`);
}

/** `object.name = value`. */
export function setAttributeOf(ev: Evaluator, object: Value, name: string, value: Value): void {
  if (object instanceof Unknown) return;
  if (object instanceof PyObject) {
    const member = findMember(object.type, name);
    if (member instanceof PyProperty && !member.cached) {
      if (member.setter === null) {
        throw new PyError("AttributeError", `property '${name}' of '${object.type.name}' object has no setter`);
      }
      ev.call(member.setter, [object, value]);
      return;
    }
    if (ev.isModuleType(object.type) && moduleSetAttribute(object, name, value, ev)) return;
    object.attributes.set(name, value);
    return;
  }
  if (object instanceof PyClass && !object.builtin) {
    object.members.set(name, value);
    return;
  }
  if (object instanceof PyClass || object instanceof PyNamespace) {
    // They are shared by every file that is read.
    ev.problem(`setting ${object.name}.${name} is not supported: it is not a class of this file`);
    return;
  }
  if (object instanceof PyTensor) {
    tensorSetAttribute(object, name, value, ev);
    return;
  }
  // Attributes of functions carry notes for other tools; nothing here reads them.
  if (object instanceof PyFunction) return;
  throw new PyError("AttributeError", `object has no attribute '${name}'`);
}

/** `del object.name`. */
export function deleteAttributeOf(object: Value, name: string): void {
  if (object instanceof Unknown) return;
  if (object instanceof PyObject) {
    if (moduleDeleteAttribute(object, name) || object.attributes.delete(name)) return;
    throw new PyError("AttributeError", `'${object.type.name}' object has no attribute '${name}'`);
  }
  if (object instanceof PyClass && object.members.delete(name)) return;
  throw new PyError("AttributeError", `object has no attribute '${name}'`);
}
