import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleSet,
  PickleStorage,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from "./pickleValues";

/** The names that a restricted pickle may use, and what calling each gives. Nothing else exists: no import is made. */

/** Element types by the name of their storage class and of their torch.dtype. */
const STORAGES: Readonly<Record<string, string>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  ComplexFloatStorage: "complex64",
  ComplexDoubleStorage: "complex128",
};
const UNTYPED = "torch.storage.UntypedStorage";

const DTYPES = new Set(
  "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128 float8_e4m3fn float8_e5m2".split(
    " ",
  ),
);

/** PyTorch's own limit of dimensions. */
const MAX_DIMENSIONS = 64;

type Call = (args: readonly PickleValue[]) => PickleValue | undefined;

/** Each gives undefined for arguments it does not take. */
const CALLS: Readonly<Record<string, Call>> = {
  "collections.OrderedDict": (args) => dictOf(args),
  "builtins.set": ([items, ...rest]) => (rest.length > 0 ? undefined : setOf(items)),
  "builtins.frozenset": ([items, ...rest]) => (rest.length > 0 ? undefined : setOf(items)),
  "torch.Size": ([items]) => (items instanceof PickleTuple ? items : undefined),
  "torch.device": (args) =>
    args.every((a) => typeof a === "string" || typeof a === "number") ? textOf(args) : undefined,
  "torch._utils._rebuild_tensor": (args) => tensorOf(args),
  "torch._utils._rebuild_tensor_v2": (args) => tensorOf(args),
  "torch._utils._rebuild_tensor_v3": (args) => {
    const dtype = args[6];
    return dtype instanceof PickleGlobal ? tensorOf(args, dtype.name.replace(/^torch\./, "")) : undefined;
  },
  "torch._utils._rebuild_parameter": ([data]) => (data instanceof PickleTensor ? data : undefined),
  "torch._utils._rebuild_parameter_with_state": ([data]) => (data instanceof PickleTensor ? data : undefined),
  // A tensor with attributes of its own: (rebuild, class, arguments, attributes).
  "torch._tensor._rebuild_from_type_v2": ([rebuild, , args]) =>
    rebuild instanceof PickleGlobal && args instanceof PickleTuple && !rebuild.name.includes("_from_type")
      ? callGlobal(rebuild, args.items)
      : undefined,
};

/** Python 2's names, which protocol 2 pickles use. */
const RENAMED: Readonly<Record<string, string>> = {
  "__builtin__.set": "builtins.set",
  "__builtin__.frozenset": "builtins.frozenset",
};

/** Classes that are named and never called. */
const CLASSES = new Set([UNTYPED, "torch.UntypedStorage", "torch.Tensor", "torch.nn.parameter.Parameter"]);

/** The known name, or undefined: it must be refused. */
export function knownGlobal(module: string, name: string): PickleGlobal | undefined {
  const written = `${module}.${name}`;
  const full = Object.hasOwn(RENAMED, written) ? RENAMED[written]! : written;
  const known =
    Object.hasOwn(CALLS, full) ||
    CLASSES.has(full) ||
    (module === "torch" && (Object.hasOwn(STORAGES, name) || DTYPES.has(name)));
  return known ? new PickleGlobal(full) : undefined;
}

/** What calling the name gives; undefined when it cannot be called so. */
export function callGlobal({ name }: PickleGlobal, args: readonly PickleValue[]): PickleValue | undefined {
  return Object.hasOwn(CALLS, name) ? CALLS[name]!(args) : undefined;
}

/** A persistent id is ("storage", class, key, location, elements); undefined for any other. */
export function storageOf(id: PickleValue): PickleStorage | undefined {
  if (!(id instanceof PickleTuple)) return undefined;
  const [kind, type, key, , length] = id.items;
  if (kind !== "storage" || !(type instanceof PickleGlobal) || typeof key !== "string" || !isCount(length)) return;
  if (type.name === UNTYPED || type.name === "torch.UntypedStorage") return new PickleStorage(key, "untyped", length);
  const name = type.name.replace(/^torch\./, "");
  return Object.hasOwn(STORAGES, name) ? new PickleStorage(key, STORAGES[name]!, length) : undefined;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function countsOf(value: PickleValue | undefined): number[] | undefined {
  if (!(value instanceof PickleTuple) || value.items.length > MAX_DIMENSIONS) return undefined;
  const counts = value.items.filter(isCount);
  return counts.length === value.items.length ? counts : undefined;
}

function tensorOf(args: readonly PickleValue[], dtype?: string): PickleTensor | undefined {
  const [storage, offset, size, stride] = args;
  const [shape, strides] = [countsOf(size), countsOf(stride)];
  if (!(storage instanceof PickleStorage) || !isCount(offset) || !shape || shape.length !== strides?.length) return;
  return new PickleTensor(storage, dtype ?? storage.dtype, offset, shape, strides);
}

function dictOf([items, ...rest]: readonly PickleValue[]): PickleDict | undefined {
  if (rest.length > 0) return undefined;
  const dict = new PickleDict();
  if (items === undefined) return dict;
  if (!(items instanceof PickleList)) return undefined;
  for (const item of items.items) {
    if (!(item instanceof PickleList || item instanceof PickleTuple) || item.items.length !== 2) return undefined;
    dict.entries.set(item.items[0]!, item.items[1]!);
  }
  return dict;
}

function setOf(items: PickleValue | undefined): PickleSet | undefined {
  const set = new PickleSet();
  if (items === undefined) return set;
  if (!(items instanceof PickleList || items instanceof PickleTuple)) return undefined;
  for (const item of items.items) set.items.add(item);
  return set;
}

function textOf(args: readonly PickleValue[]): string {
  return args.join(":");
}
