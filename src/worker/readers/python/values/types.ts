import type { SourcePlace } from "../../../graph/node";
import { Unknown } from "./unknown";
import {
  PyBound,
  PyClass,
  PyDict,
  PyDType,
  PyEllipsis,
  PyFloat,
  PyFunction,
  PyGenerator,
  PyList,
  PyNamespace,
  PyNative,
  PyObject,
  PySet,
  PySlice,
  PyTensor,
  PyTuple,
  type Value,
} from "./values";

/** range(): lazy, and it knows its length. */
export class PyRange extends PyGenerator {
  readonly length: number;

  constructor(
    readonly first: number,
    readonly stop: number,
    readonly step: number,
  ) {
    const length = Math.max(0, Math.ceil((stop - first) / step));
    super([]);
    this.length = length;
  }

  /** Not an iterator: each loop over it starts from the beginning. */
  override get items(): Iterable<Value> {
    const { first, step, length } = this;
    return {
      *[Symbol.iterator]() {
        for (let i = 0; i < length; i++) yield first + i * step;
      },
    };
  }
}

/** What super() gives: attributes of `self` looked up after `start` in its method resolution order. */
export class PySuper extends PyObject {
  constructor(
    readonly start: PyClass,
    readonly self: Value,
    readonly selfType: PyClass,
  ) {
    super(SUPER, undefined);
  }
}

/** A property with its setter. */
export class PyProperty extends PyObject {
  constructor(
    readonly getter: Value,
    readonly setter: Value,
    readonly cached: boolean,
    readonly deleter: Value = null,
  ) {
    super(PROPERTY, undefined);
  }
}

/** staticmethod or classmethod around a function. */
export class PyWrapped extends PyObject {
  constructor(
    readonly wrapping: "static" | "class",
    readonly callee: Value,
  ) {
    super(WRAPPED, undefined);
  }
}

/** functools.partial. */
export class PyPartial extends PyObject {
  constructor(
    readonly callee: Value,
    readonly args: readonly Value[],
    readonly kwargs: ReadonlyMap<string, Value>,
  ) {
    super(PARTIAL, undefined);
  }
}

/** collections.defaultdict. */
export class PyDefaultDict extends PyDict {
  constructor(public factory: Value) {
    super();
  }
}

export const OBJECT = builtinClass("object", []);

export function builtinClass(name: string, bases: readonly PyClass[], construct?: BuiltinConstruct): PyClass {
  const type = new PyClass(name, bases, new Map(), undefined, construct ? { construct } : {});
  type.mro = [type, ...(bases[0]?.mro ?? [])];
  return type;
}

/** A class whose instances are of `Instance`, which says by its fields what they keep. */
export function builtinClassOf(
  name: string,
  bases: readonly PyClass[],
  Instance: new (type: PyClass, place: SourcePlace | undefined) => PyObject,
): PyClass {
  const instance = (type: PyClass, place: SourcePlace | undefined) => new Instance(type, place);
  const type = new PyClass(name, bases, new Map(), undefined, { instance });
  type.mro = [type, ...(bases[0]?.mro ?? [])];
  return type;
}
type BuiltinConstruct = NonNullable<NonNullable<PyClass["builtin"]>["construct"]>;

export const NOT_IMPLEMENTED = new PyObject(builtinClass("NotImplementedType", [OBJECT]), undefined);
const SUPER = builtinClass("super", []);
const PROPERTY = builtinClass("property", []);
const WRAPPED = builtinClass("classmethod", []);
/** functools.partial itself. */
export const PARTIAL = builtinClass("partial", [OBJECT], ([callee = null, ...args], kwargs) => {
  if (callee instanceof Unknown) return callee;
  // One of another is one of that's function.
  if (!(callee instanceof PyPartial)) return new PyPartial(callee, args, kwargs);
  return new PyPartial(callee.callee, [...callee.args, ...args], new Map([...callee.kwargs, ...kwargs]));
});

/** The class of the source, or object type, whose methods a value has; undefined for plain builtin values. */
export function classOf(value: Value): PyClass | undefined {
  if (value instanceof PyObject) return value.type;
  if (value instanceof PyDict || value instanceof PyList || value instanceof PyTuple || value instanceof PySet) {
    return value.subclass?.type;
  }
  return value instanceof PyClass ? value.metaclass : undefined;
}

/** What a class body defines rather than lists as data: functions, properties and other descriptors. */
export function isDescriptor(value: Value): boolean {
  if (value instanceof PyFunction || value instanceof PyNative || value instanceof PyBound) return true;
  if (value instanceof PyProperty || value instanceof PyWrapped || value instanceof PyPartial) return true;
  return value instanceof PyObject && value.type.mro.some((t) => t.members.has("__get__"));
}

/** An instance of a subclass of str, int or float as the plain value it is; any other value as it is. */
export function plain(value: Value): Value {
  return value instanceof PyObject && value.payload !== undefined ? value.payload : value;
}

/** Python's name of a value's type, as its messages show it. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "number":
      return "int";
    case "string":
      return "str";
  }
  if (value instanceof PyFloat) return "float";
  const own = classOf(value);
  if (own) return own.name;
  if (value instanceof PyList) return "list";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PyDefaultDict) return "defaultdict";
  if (value instanceof PyDict) return "dict";
  if (value instanceof PySet) return "set";
  if (value instanceof PyTensor) return value.stored && !value.stored.buffer ? "Parameter" : "Tensor";
  if (value instanceof PyDType) return "torch.dtype";
  if (value instanceof PyObject) return value.type.name;
  if (value instanceof PyClass) return "type";
  if (value instanceof PyFunction) return "function";
  if (value instanceof PyNative) return "builtin_function_or_method";
  if (value instanceof PyBound) return "method";
  if (value instanceof PyRange) return "range";
  if (value instanceof PyGenerator) return "generator";
  if (value instanceof PyNamespace) return "module";
  if (value instanceof PySlice) return "slice";
  if (value instanceof PyEllipsis) return "ellipsis";
  if (value instanceof Unknown) return "unknown";
  return "object";
}
