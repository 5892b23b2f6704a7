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
  Unknown,
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
    super({
      *[Symbol.iterator]() {
        for (let i = 0; i < length; i++) yield first + i * step;
      },
    });
    this.length = length;
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
  constructor(readonly factory: Value) {
    super();
  }
}

export const OBJECT = builtinClass("object", []);

export function builtinClass(name: string, bases: readonly PyClass[], construct?: BuiltinConstruct): PyClass {
  const type = new PyClass(name, bases, new Map(), undefined, construct ? { construct } : {});
  type.mro = [type, ...(bases[0]?.mro ?? [])];
  return type;
}
type BuiltinConstruct = NonNullable<NonNullable<PyClass["builtin"]>["construct"]>;

const SUPER = builtinClass("super", []);
const PROPERTY = builtinClass("property", []);
const WRAPPED = builtinClass("classmethod", []);
const PARTIAL = builtinClass("partial", []);

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
