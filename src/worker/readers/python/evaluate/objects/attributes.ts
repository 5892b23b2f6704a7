import {
  callStandIn,
  isModule,
  moduleAttribute,
  moduleCall,
  moduleDeleteAttribute,
  moduleNames,
  moduleSetAttribute,
  tensorAttribute,
  tensorSetAttribute,
} from "../../libraries/torch";
import { dictOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { liveDict } from "../../values/liveDict";
import { findMember } from "../../values/members";
import { classOf, PyPartial, PyProperty, PySuper, PyWrapped, plain, typeName } from "../../values/types";
import { Unknown } from "../../values/unknown";
import {
  LazyNamespace,
  PyBound,
  PyClass,
  PyDict,
  PyError,
  PyFloat,
  PyFunction,
  PyList,
  PyNamespace,
  PyNative,
  PyObject,
  PySet,
  PyTensor,
  PyTuple,
  type Value,
} from "../../values/values";
import { assignMember, assignName } from "../assignName";
import { isCode } from "../patches";
import { fill, isDataDescriptor, newInstance } from "./instances";
import { methodOf } from "./methods";

const INT_ATTRIBUTES: Record<string, (n: number) => Value> = {
  real: (n) => n,
  numerator: (n) => n,
  imag: () => 0,
  denominator: () => 1,
};

/** `object.name`, or undefined when there is no such attribute. */
export function attributeOf(ev: Evaluator, object: Value, name: string): Value | undefined {
  if (object instanceof Unknown) return object;
  if (object instanceof PySuper) return superAttribute(ev, object, name);
  if (object instanceof PyObject) return objectAttribute(ev, object, name);
  if (object instanceof PyTensor) {
    ev.alike.reads(object);
    return tensorAttribute(object, name, ev);
  }
  if (object instanceof PyNamespace) {
    const member = ev.patches.get(object, name) ?? object.get(name);
    if (member !== undefined) return member;
    const below = object instanceof LazyNamespace ? undefined : ev.resolveImport(`${object.name}.${name}`);
    if (below instanceof PyNamespace) return below;
    if (name === "__dict__") return new Unknown(`the names in ${object.name} are not known`, ev.place);
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
    const fn = object instanceof PyBound ? object.callee : object;
    const set = fn instanceof PyFunction ? fn.attributes?.get(name) : undefined;
    if (set !== undefined) return set;
    if (name === "__qualname__" || name === "__wrapped__") return name === "__qualname__" ? fn.name : undefined;
    if (name === "__module__") return "__main__";
    if (name === "__annotations__" || name === "__dict__") return dictOf([]);
    if (object instanceof PyBound && name === "__func__") return object.callee;
    if (object instanceof PyFunction && name === "__get__") {
      return new PyNative("__get__", "obj, type=None", ({ obj }) =>
        obj === null ? object : new PyBound(obj!, object),
      );
    }
    if (name === "__name__") return object instanceof PyBound ? object.callee.name : object.name;
    if (name === "__doc__") return null;
    if (object instanceof PyBound && name === "__self__") return object.self;
  }
  if (name === "__class__") return ev.typeOf(object);
  if ((typeof object === "number" || typeof object === "boolean") && INT_ATTRIBUTES[name]) {
    return INT_ATTRIBUTES[name](Number(object));
  }
  if (object instanceof PyTuple && object.fields && name === "_fields") return new PyTuple(object.fields);
  if (object instanceof PyFloat && (name === "real" || name === "imag"))
    return name === "real" ? object : new PyFloat(0);
  const own = classOf(object);
  if (own) {
    const found = subclassAttribute(ev, object, own, name);
    if (found !== undefined) return found;
  }
  const method = methodOf(object, name);
  return method && new PyBound(object, method);
}

/** Of an instance of a class that derives from dict, list, tuple or set. */
function subclassAttribute(ev: Evaluator, object: Value, type: PyClass, name: string): Value | undefined {
  const attributes = attributesOf(object);
  ev.alike.reads(object);
  const member = findMember(type, name);
  if (member !== undefined && isDataDescriptor(member)) return fromInstance(ev, object, type, member, name);
  const own = attributes?.get(name);
  if (own !== undefined) return own;
  if (member !== undefined) return fromInstance(ev, object, type, member, name);
  if (name === "__dict__" && attributes) {
    ev.alike.writes(object);
    return liveDict(attributes);
  }
  const fallback = methodOf(object, name) ? undefined : findMember(type, "__getattr__");
  const isMethod = fallback instanceof PyFunction || fallback instanceof PyNative;
  return isMethod ? ev.call(fallback, [object, name]) : undefined;
}

/** What `object.name = value` has stored, where the object can hold any attribute. */
export function attributesOf(object: Value): Map<string, Value> | undefined {
  if (object instanceof PyObject) return object.attributes;
  if (object instanceof PyFunction) {
    object.attributes ??= new Map();
    return object.attributes;
  }
  if (object instanceof PyDict || object instanceof PyList || object instanceof PyTuple || object instanceof PySet) {
    return object.subclass?.attributes;
  }
  return undefined;
}

/** What a class's member becomes when it is taken from an instance. */
function fromInstance(ev: Evaluator, object: Value, type: PyClass, member: Value, name: string): Value {
  if (member instanceof PyFunction || member instanceof PyNative) return new PyBound(object, member);
  if (member instanceof PyProperty) {
    const value = ev.call(member.getter, [object]);
    if (member.cached && object instanceof PyObject) {
      ev.alike.writes(object);
      object.attributes.set(name, value);
    }
    return value;
  }
  if (member instanceof PyWrapped) return unwrap(member, type);
  const get = ev.special(member, "__get__");
  return get ? ev.call(get, [object, type]) : member;
}

function unwrap(member: PyWrapped, type: PyClass): Value {
  const { callee } = member;
  if (member.wrapping === "static") return callee;
  return callee instanceof PyFunction || callee instanceof PyNative ? new PyBound(type, callee) : callee;
}

function objectAttribute(ev: Evaluator, object: PyObject, name: string): Value | undefined {
  const { standsFor } = object;
  if (standsFor && name === "forward") {
    return new PyNative("forward", "*args, **kwargs", ({ args, kwargs }, runtime) => {
      const named = [...(kwargs as PyDict).entries.values()].map((e): [string, Value] => [String(e.key), e.value]);
      return callStandIn(standsFor, (args as PyTuple).items, new Map(named), runtime);
    });
  }
  const intercept = findMember(object.type, "__getattribute__");
  if (!(intercept instanceof PyFunction)) return ordinaryAttribute(ev, object, name);
  const restore = ev.mark();
  try {
    return ev.call(intercept, [object, name]);
  } catch (error) {
    const fallback = findMember(object.type, "__getattr__");
    if (!(error instanceof PyError) || error.type !== "AttributeError" || !(fallback instanceof PyFunction))
      throw error;
    restore();
    return ev.call(fallback, [object, name]);
  }
}

function ordinaryAttribute(ev: Evaluator, object: PyObject, name: string): Value | undefined {
  const value = ordinaryWithoutFallback(ev, object, name);
  if (value !== undefined) return value;
  const fallback = findMember(object.type, "__getattr__");
  const isMethod = fallback instanceof PyFunction || fallback instanceof PyNative;
  return isMethod ? ev.call(fallback, [object, name]) : undefined;
}

/** As `object.__getattribute__` finds it. */
function ordinaryWithoutFallback(ev: Evaluator, object: PyObject, name: string): Value | undefined {
  const ofProperty = object instanceof PyProperty ? propertyMember(ev, object, name) : undefined;
  if (ofProperty !== undefined) return ofProperty;
  if (object instanceof PyPartial) {
    if (name === "func") return object.callee;
    if (name === "args") return new PyTuple(object.args);
    if (name === "keywords") return dictOf(object.kwargs);
  }
  const forgotten = object.forgotten?.get(name);
  ev.alike.reads(object);
  if (forgotten) return forgotten;
  const member = ev.patches.member(object.type, name);
  // A property goes before what the instance holds.
  if (member !== undefined && isDataDescriptor(member) && !(isCached(member) && object.attributes.has(name))) {
    return fromInstance(ev, object, object.type, member, name);
  }
  const held = moduleAttribute(object, name);
  // None that is registered under the name is a value, too.
  const own = held === undefined ? object.attributes.get(name) : held;
  if (own !== undefined) return own;
  if (member !== undefined) return fromInstance(ev, object, object.type, member, name);
  switch (name) {
    case "__class__":
      return object.type;
    case "__dict__":
      // Whoever has it may change the object by it.
      ev.alike.writes(object);
      return liveDict(moduleNames(object) ?? object.attributes, undefined, {
        opened: (why) => {
          object.unlisted ??= why;
        },
        missing: () => object.unlisted,
      });
    case "__setattr__":
      return plainSetter(ev, object);
    case "__eq__":
    case "__hash__":
      return undefined;
  }
  if (object.payload !== undefined) {
    const method = methodOf(object.payload, name);
    if (method) return new PyBound(object.payload, method);
  }
  return undefined;
}

export function isCached(member: Value): boolean {
  return member instanceof PyProperty && member.cached;
}

/** What a property itself has: `prop.setter`, and the descriptor's methods, `type(x).prop.__set__(x, value)`. */
function propertyMember(ev: Evaluator, property: PyProperty, name: string): Value | undefined {
  switch (name) {
    case "setter":
    case "getter":
    case "deleter":
      return propertyDecorator(property, name);
    case "fget":
      return property.getter;
    case "fset":
      return property.setter;
    case "fdel":
      return property.deleter;
    case "__get__":
      return new PyNative(name, "obj, type=None", ({ obj }) =>
        obj === null ? property : ev.call(property.getter, [obj!]),
      );
    case "__set__":
      return new PyNative(name, "obj, value", ({ obj, value }) => {
        if (property.setter === null) throw new PyError("AttributeError", "property has no setter");
        ev.call(property.setter, [obj!, value!]);
        return null;
      });
  }
  return undefined;
}

function propertyDecorator(property: PyProperty, name: string): Value {
  return new PyNative(name, "fn", ({ fn }) =>
    name === "setter"
      ? new PyProperty(property.getter, fn ?? null, property.cached, property.deleter)
      : name === "deleter"
        ? new PyProperty(property.getter, property.setter, property.cached, fn ?? null)
        : new PyProperty(fn ?? null, property.setter, property.cached, property.deleter),
  );
}

function classAttribute(ev: Evaluator, type: PyClass, name: string): Value | undefined {
  const own = type.enumMembers?.get(name) ?? ev.patches.member(type, name);
  if (own instanceof PyWrapped) return unwrap(own, type);
  if (own instanceof PyObject && !(own instanceof PyProperty)) {
    const get = ev.special(own, "__get__");
    if (get) return ev.call(get, [null, type]);
  }
  if (own !== undefined) return own;
  const fromMeta = type.metaclass && findMember(type.metaclass, name);
  if (fromMeta !== undefined) return fromInstance(ev, type, type.metaclass!, fromMeta, name);
  switch (name) {
    case "__members__":
      if (type.enumMembers) return dictOf(type.enumMembers);
      break;
    case "_fields":
      if (type.mro.some((t) => t.name === "NamedTuple")) {
        const annotations = findMember(type, "__annotations__");
        return new PyTuple(annotations instanceof PyDict ? [...annotations.entries.values()].map((e) => e.key) : []);
      }
      break;
    case "__dict__":
      return dictOf(type.members);
    case "__annotations__":
      return dictOf([]);
    case "__subclasses__":
      return undefined;
    case "mro":
      return new PyNative("mro", "", () => new PyList([...type.mro]));
    case "__new__":
      return new PyNative("__new__", "cls, *args, **kwargs", ({ cls, args: rest }) =>
        cls instanceof PyClass ? newInstance(ev, cls, rest instanceof PyTuple ? rest.items : []) : null,
      );
    case "__setattr__":
      return new PyNative("__setattr__", "self, name, value", ({ self, name: key, value }) => {
        if (typeof key === "string") setOrdinary(ev, self!, key, value ?? null);
        return null;
      });
    case "__delattr__":
      return new PyNative("__delattr__", "self, name", ({ self, name: key }) => {
        ev.alike.writes(self!);
        deleteOrdinary(self!, String(key));
        return null;
      });
    case "__getattribute__":
      return new PyNative("__getattribute__", "self, name", ({ self, name: key }) =>
        ordinaryOf(ev, self!, String(key)),
      );
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
      return type.definedIn ?? "__main__";
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
    const member = ev.patches.get(base, name) ?? base.members.get(name);
    if (member !== undefined) return fromInstance(ev, object.self, object.selfType, member, name);
  }
  const { self } = object;
  switch (name) {
    case "__new__":
      return new PyNative(name, "cls, *args, **kwargs", ({ cls, args, kwargs }) => {
        if (!(cls instanceof PyClass)) throw new PyError("TypeError", "object.__new__(X): X is not a type object");
        const given = args instanceof PyTuple ? args.items : [];
        const named = kwargs instanceof PyDict ? keywordsOf(kwargs) : new Map<string, Value>();
        return ev.allocate(cls, given, named);
      });
    case "__call__":
      if (self instanceof PyClass) {
        return new PyNative(name, "*args, **kwargs", ({ args, kwargs }) =>
          ev.instantiate(self, args instanceof PyTuple ? args.items : [], keywordsOf(kwargs as PyDict)),
        );
      }
      if (isModule(self)) {
        return new PyNative(name, "*args, **kwargs", ({ args, kwargs }) =>
          moduleCall(self, args instanceof PyTuple ? args.items : [], keywordsOf(kwargs as PyDict), ev),
        );
      }
      break;
    case "__init__":
      return new PyNative(name, "*args, **kwargs", ({ args, kwargs }) => {
        fill(ev, self, args instanceof PyTuple ? args.items : [], keywordsOf(kwargs as PyDict));
        return null;
      });
    case "__init_subclass__":
    case "__set_name__":
    case "__post_init__":
      return new PyNative(name, "*args, **kwargs", () => null);
    case "__setattr__":
      return plainSetter(ev, self);
    case "__delattr__":
      return new PyNative(name, "name", ({ name: key }) => {
        ev.alike.writes(self);
        deleteOrdinary(self, String(key));
        return null;
      });
    case "__getattr__":
    case "__getattribute__":
      return new PyNative(name, "name", ({ name: key }) => ordinaryOf(ev, self, String(key)));
    case "__repr__":
      return new PyNative(name, "", () => `<${typeName(self)} object>`);
    case "__eq__":
      return new PyNative(name, "other", ({ other }) => self === other);
  }
  const method =
    self instanceof PyObject ? self.payload !== undefined && methodOf(self.payload, name) : methodOf(self, name);
  if (method) return new PyBound(plain(self), method);
  throw new PyError("AttributeError", `'super' object has no attribute '${name}'`);
}

function keywordsOf(kwargs: PyDict): Map<string, Value> {
  return new Map([...kwargs.entries.values()].map(({ key, value }) => [String(key), value]));
}

function ordinaryOf(ev: Evaluator, self: Value, name: string): Value {
  const value = self instanceof PyObject ? ordinaryWithoutFallback(ev, self, name) : attributeOf(ev, self, name);
  if (value !== undefined) return value;
  throw new PyError("AttributeError", `'${typeName(self)}' object has no attribute '${name}'`);
}

function plainSetter(ev: Evaluator, self: Value): PyNative {
  return new PyNative("__setattr__", "name, value", ({ name, value }) => {
    if (typeof name === "string") setOrdinary(ev, self, name, value ?? null);
    return null;
  });
}

/** `object.name = value`. */
export function setAttributeOf(ev: Evaluator, object: Value, name: string, value: Value): void {
  const own = classOf(object);
  const intercept = own && !(object instanceof PyClass) ? findMember(own, "__setattr__") : undefined;
  const isOurs = intercept instanceof PyNative && !(object instanceof PyObject && object.module);
  if (intercept instanceof PyFunction || isOurs) ev.call(intercept, [object, name, value]);
  else setOrdinary(ev, object, name, value);
}

/** As `object.__setattr__` does it. */
function setOrdinary(ev: Evaluator, object: Value, name: string, value: Value): void {
  if (object instanceof Unknown) return;
  ev.alike.writes(object);
  if (object instanceof PyObject) {
    object.forgotten?.delete(name);
    const member = findMember(object.type, name);
    if (member instanceof PyProperty && !member.cached) {
      if (member.setter === null) {
        throw new PyError("AttributeError", `property '${name}' of '${object.type.name}' object has no setter`);
      }
      ev.call(member.setter, [object, value]);
      return;
    }
    const set = member === undefined ? undefined : ev.special(member, "__set__");
    if (set) {
      ev.call(set, [object, value]);
      return;
    }
    if (ev.isModuleType(object.type) && moduleSetAttribute(object, name, value, ev)) return;
    if (name === "requires_grad" && value === false && object.module && ev.place) {
      // Of a copy nobody would know.
      ev.alike.spoil();
      ev.freezesNothing.set(object, ev.place);
    }
    object.attributes.set(name, value);
    return;
  }
  if (object instanceof PyClass) {
    if (object.builtin) assignMember(ev, object, name, value);
    else {
      if (isCode(value) && object.place?.file !== ev.main.file) ev.patches.replaced++;
      ev.patches.change(object.members, name, value);
    }
    return;
  }
  if (object instanceof PyNamespace) {
    assignName(ev, object, name, value);
    return;
  }
  if (object instanceof PyTensor) {
    tensorSetAttribute(object, name, value, ev);
    return;
  }
  const attributes = attributesOf(object);
  if (attributes) {
    attributes.set(name, value);
    return;
  }
  throw new PyError("AttributeError", `'${typeName(object)}' object has no attribute '${name}'`);
}

/** `del object.name`. */
export function deleteAttributeOf(ev: Evaluator, object: Value, name: string): void {
  if (object instanceof PyNamespace) {
    ev.certainly(`del ${object.name}.${name} is not evaluated; models are read as if the name were still there`);
    return;
  }
  const intercept = object instanceof PyObject ? findMember(object.type, "__delattr__") : undefined;
  const isOurs = intercept instanceof PyNative && object instanceof PyObject && !object.module;
  if (intercept instanceof PyFunction || isOurs) {
    ev.call(intercept, [object, name]);
    return;
  }
  const member = object instanceof PyObject ? findMember(object.type, name) : undefined;
  if (member instanceof PyProperty && !member.cached && member.deleter !== null) {
    ev.call(member.deleter, [object]);
    return;
  }
  ev.alike.writes(object);
  const erase = member === undefined ? undefined : ev.special(member, "__delete__");
  if (erase) ev.call(erase, [object]);
  else deleteOrdinary(object, name);
}

function deleteOrdinary(object: Value, name: string): void {
  if (object instanceof Unknown) return;
  if (object instanceof PyObject) {
    if (moduleDeleteAttribute(object, name) || object.attributes.delete(name)) return;
    throw new PyError("AttributeError", `'${object.type.name}' object has no attribute '${name}'`);
  }
  if (object instanceof PyClass && object.members.delete(name)) return;
  throw new PyError("AttributeError", `object has no attribute '${name}'`);
}
