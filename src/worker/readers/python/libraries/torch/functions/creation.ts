import { type DType, isFloating } from "../../../../../formats/dtype";
import { allocate, type TensorData } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import type { Dim } from "../../../../model";
import { typeName } from "../../../values/types";
import { Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyError,
  PyFloat,
  PyTensor,
  type PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { PyArray } from "../../numpy/array";
import type { RandomValue } from "../random/draws";
import { noise } from "../random/noise";
import {
  given,
  intArg,
  isNumber,
  numberArg,
  numberDType,
  numberOf,
  optionalDType,
  sequenceOf,
  tensorArg,
  tuple,
  varValues,
} from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { tensorScalar } from "../tensor/fold";
import { listable } from "../tensor/listable";
import { countOf } from "../tensor/selectedRows";
import { nodeOf, promote, randomTensor, unknownTensor, wrap } from "../tensor/tensor";
import { scale, shift } from "./arithmetic";
import { stackNodes } from "./joining";
import { normalOf } from "./random";

/** Tensors made from numbers. */

const OPTIONS = "*, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False";
const LIKE = "input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None";

/** Sizes as given; a dimension may be unknown. */
function sizes(values: readonly Value[], what: string, runtime: Runtime): (number | Unknown)[] {
  return values.map((given) => {
    // A tensor of one whole number stands for it.
    const v = given instanceof PyTensor && !isFloating(given.dtype) ? tensorScalar(given, runtime) : given;
    if (v instanceof Unknown) return v;
    if (typeof v === "number") {
      if (v < 0) throw new PyError("RuntimeError", `Trying to create tensor with negative dimension ${v}`);
      return v;
    }
    throw new PyError(
      "TypeError",
      `${what}(): argument 'size' must be tuple of ints, but found element of type ${typeName(v)}`,
    );
  });
}

function sized(
  dims: readonly (number | Unknown)[],
  dtype: DType,
  make: (shape: number[]) => Node | PyTensor,
): PyTensor {
  const unknown = dims.find((d) => d instanceof Unknown);
  if (unknown instanceof Unknown) {
    return unknownTensor(
      dims.map((d): Dim => (d instanceof Unknown ? undefined : d)),
      dtype,
      unknown,
    );
  }
  const made = make(dims as number[]);
  return made instanceof PyTensor ? made : wrap(made);
}

function withGradient(tensor: PyTensor, args: BoundArgs): PyTensor {
  tensor.requiresGrad = args.requires_grad === true;
  return tensor;
}

for (const [name, value] of [
  ["zeros", 0],
  ["ones", 1],
  ["empty", 0],
] as const) {
  define(
    ["torch"],
    name,
    `*size, ${OPTIONS}, memory_format=None`,
    (args, runtime) => {
      const listed = given(args, "size") ? varValues(args, "size") : [];
      const dtype = optionalDType(args) ?? "float32";
      return withGradient(
        sized(sizes(listed, name, runtime), dtype, (shape) => build.full(value, shape, dtype)),
        args,
      );
    },
    { takesUnknown: true },
  );
  define(["torch"], `${name}_like`, LIKE, (args) => {
    const x = tensorArg(args, "input");
    const dtype = optionalDType(args) ?? x.dtype;
    if (x.unknown) return unknownTensor(x.shape, dtype, x.unknown);
    return build.full(value, x.shape as readonly number[], dtype);
  });
  define(["tensor"], `new_${name}`, `input, *size, ${OPTIONS.slice(3)}`, (args, runtime) => {
    const dtype = optionalDType(args) ?? tensorArg(args, "input").dtype;
    return sized(sizes(varValues(args, "size"), name, runtime), dtype, (shape) => build.full(value, shape, dtype));
  });
}

function full(args: BoundArgs, dtype: DType | undefined, runtime: Runtime): PyTensor {
  const value = args.fill_value instanceof PyTensor ? undefined : args.fill_value;
  if (!isNumber(value)) throw new PyError("TypeError", "full(): argument 'fill_value' must be Number");
  const type = dtype ?? numberDType(value);
  const listed = sequenceOf(args.size) ?? [args.size ?? null];
  return sized(sizes(listed, "full", runtime), type, (shape) => build.full(numberOf(value), shape, type));
}
define(
  ["torch"],
  "full",
  `size, fill_value, ${OPTIONS}`,
  (args, runtime) => {
    if (args.fill_value instanceof Unknown) return args.fill_value;
    return withGradient(full(args, optionalDType(args), runtime), args);
  },
  { takesUnknown: true },
);
define(
  ["tensor"],
  "new_full",
  "input, size, fill_value, *, dtype=None, device=None, requires_grad=False",
  (args, runtime) => full(args, optionalDType(args) ?? tensorArg(args, "input").dtype, runtime),
);
define(["torch"], "full_like", `input, fill_value, ${LIKE.slice(7)}`, (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  const dtype = optionalDType(args) ?? x.dtype;
  if (!(args.fill_value instanceof PyTensor)) return build.full(numberArg(args, "fill_value"), x.shape, dtype);
  const value = nodeArg(args, "fill_value", runtime);
  if (value.shape.length > 0)
    throw new PyError("RuntimeError", "full_like(): fill_value must be a number or a tensor without dimensions");
  return build.expand(build.cast(value, dtype), x.shape);
});

/** A bound is a number, or a tensor with one element whose value is known. */
function bound(value: Value, runtime: Runtime): Value {
  return value instanceof PyTensor ? tensorScalar(value, runtime) : value;
}

define(["torch"], "arange", `*bounds, start=None, end=None, step=None, ${OPTIONS.slice(3)}`, (args, runtime) => {
  const bounds = sequenceOf(args.bounds) ?? [];
  const named = [args.start, args.end].filter((v) => v !== null && v !== undefined);
  const values: Value[] = [...bounds, ...named].map((value) => bound(value, runtime));
  const [first, last, third] = values.length === 1 ? [0, values[0]!, undefined] : values;
  const step = third ?? args.step ?? 1;
  if (!isNumber(first) || !isNumber(last) || !isNumber(step)) {
    throw new PyError("TypeError", "arange(): arguments 'start', 'end' and 'step' must be Numbers");
  }
  const [a, b, s] = [numberOf(first), numberOf(last), numberOf(step)];
  if (s === 0) throw new PyError("RuntimeError", "step must be nonzero");
  if ((b - a) * s < 0) {
    throw new PyError("RuntimeError", "upper bound and lower bound inconsistent with step sign");
  }
  const whole = [first, last, step].every((v) => !(v instanceof PyFloat));
  return build.arange(Math.ceil((b - a) / s), optionalDType(args) ?? (whole ? "int64" : "float32"), a, s);
});
define(["torch"], "linspace", `start, end, steps, ${OPTIONS}`, (args, runtime) => {
  const ends = { start: bound(args.start!, runtime), end: bound(args.end!, runtime) };
  const [a, b, n] = [numberArg(ends, "start"), numberArg(ends, "end"), intArg(args, "steps")];
  if (n < 0) throw new PyError("RuntimeError", "number of steps must be non-negative");
  const step = n > 1 ? (b - a) / (n - 1) : 0;
  // From both ends to the middle, as PyTorch does it.
  const values = Array.from({ length: listable(n) }, (_, i) => (i < n / 2 ? a + step * i : b - step * (n - 1 - i)));
  return constant(values, [n], optionalDType(args) ?? "float32");
});
define(["torch"], "eye", `n, m=None, ${OPTIONS}`, (args) => {
  const rows = intArg(args, "n");
  const columns = given(args, "m") ? intArg(args, "m") : rows;
  const row = build.reshape(build.arange(rows, "int64"), [rows, 1]);
  const column = build.reshape(build.arange(columns, "int64"), [1, columns]);
  return build.cast(build.binary("equal", row, column), optionalDType(args) ?? "float32");
});

/** A constant of the given values, rounded to the dtype. */
export function constant(values: readonly number[] | Float64Array, shape: readonly number[], dtype: DType): Node {
  // Half-precision literals are kept in full precision; the engine's lowering rounds them.
  const half = dtype === "float16" || dtype === "bfloat16";
  const data: TensorData = half ? new Float64Array(values.length) : allocate(dtype, [values.length]).data;
  if (data instanceof BigInt64Array) for (let i = 0; i < data.length; i++) data[i] = BigInt(Math.trunc(values[i]!));
  else if (dtype === "bool") for (let i = 0; i < data.length; i++) data[i] = Number(values[i] !== 0);
  else for (let i = 0; i < data.length; i++) data[i] = values[i]!;
  return build.constant(data, shape, dtype);
}

/** torch.tensor: nested lists of numbers, or of tensors without dimensions. */
export function fromData(data: Value, dtype: DType | undefined, runtime: Runtime): Node {
  if (data instanceof PyTensor) {
    const node = nodeOf(data, runtime);
    return dtype ? build.cast(node, dtype) : node;
  }
  if (data instanceof PyArray) return constant(data.seen(), data.shape, dtype ?? data.dtype);
  const shape: number[] = [];
  for (let level: Value | undefined = data; sequenceOf(level) !== undefined; level = sequenceOf(level)![0]) {
    shape.push(sequenceOf(level)!.length);
    if (sequenceOf(level)!.length === 0) break;
  }
  const leaves: Value[] = [];
  collect(data, shape, 0, leaves);
  if (leaves.some((v) => v instanceof PyTensor)) {
    const nodes = leaves.map((v) => fromData(v, undefined, runtime));
    const common = dtype ?? nodes.map((n) => n.dtype).reduce(promote);
    return build.reshape(
      stackNodes(
        nodes.map((n) => build.reshape(build.cast(n, common), [])),
        0,
      ),
      shape,
    );
  }
  const inferred =
    leaves.length === 0 ? "float32" : [...new Set(leaves.map((v) => numberDType(v as number)))].reduce(promote);
  return constant(
    leaves.map((v) => numberOf(v as number)),
    shape,
    dtype ?? inferred,
  );
}

function collect(value: Value, shape: readonly number[], depth: number, leaves: Value[]): void {
  const items = sequenceOf(value);
  if (!items) {
    if (depth < shape.length) throw new PyError("TypeError", "not a sequence");
    if (!isNumber(value) && !(value instanceof PyTensor)) {
      throw new PyError("RuntimeError", `Could not infer dtype of ${typeName(value)}`);
    }
    leaves.push(value);
    return;
  }
  if (items.length !== shape[depth]) {
    throw new PyError(
      "ValueError",
      `expected sequence of length ${shape[depth]} at dim ${depth} (got ${items.length})`,
    );
  }
  for (const item of items) collect(item, shape, depth + 1, leaves);
}
define(
  ["torch"],
  ["as_tensor", "asarray"],
  "data, dtype=None, device=None, requires_grad=False, copy=None",
  (args, runtime) => {
    const { data } = args;
    const dtype = optionalDType(args);
    if (data instanceof PyTensor && (!dtype || dtype === data.dtype) && args.copy !== true) return data;
    return wrap(fromData(data ?? null, dtype, runtime));
  },
);
define(["torch"], "tensor", "data, dtype=None, device=None, requires_grad=False, pin_memory=False", (args, runtime) =>
  withGradient(wrap(fromData(args.data ?? null, optionalDType(args), runtime)), args),
);
define(["torch"], "from_numpy", "ndarray", ({ ndarray }, runtime) => {
  if (ndarray instanceof PyArray) return wrap(fromData(ndarray, undefined, runtime));
  throw new PyError("TypeError", `expected np.ndarray (got ${typeName(ndarray ?? null)})`);
});
for (const [name, dtype] of [
  ["FloatTensor", "float32"],
  ["LongTensor", "int64"],
] as const) {
  define(["torch"], name, "*data", (args, runtime) => {
    const { items } = args.data as PyTuple;
    // With sizes alone its values are whatever memory holds; code that asks for it fills them in.
    if (items.every((d) => typeof d === "number")) return wrap(build.full(0, items as number[], dtype));
    return fromData(items[0] ?? null, dtype, runtime);
  });
}
define(["tensor"], "new_tensor", "input, data, *, dtype=None, device=None, requires_grad=False", (args, runtime) =>
  fromData(args.data ?? null, optionalDType(args) ?? tensorArg(args, "input").dtype, runtime),
);

// Random numbers

/** Drawn when a model is constructed; in forward an input of the graph. */
export function random(
  initializer: RandomValue["initializer"],
  dims: readonly (number | Unknown)[],
  dtype: DType,
  runtime: Runtime,
): PyTensor {
  if (runtime.tracing) {
    return sized(dims, dtype, (shape) => distributed(initializer, shape, dtype, runtime));
  }
  return sized(dims, dtype, (shape) => randomTensor(initializer, shape, dtype, runtime));
}

/** Noise of a distribution. */
export function distributed(
  initializer: RandomValue["initializer"],
  shape: readonly number[],
  dtype: DType,
  runtime: Runtime,
): Node {
  const drawn = noise(initializer.kind, shape, dtype, runtime);
  const [factor, offset] =
    initializer.kind === "normal"
      ? [initializer.std, initializer.mean]
      : [initializer.high - initializer.low, initializer.low];
  return shift(scale(drawn, factor), offset);
}

const NORMAL = { kind: "normal", mean: 0, std: 1 } as const;
const UNIFORM = { kind: "uniform", low: 0, high: 1 } as const;
for (const [name, initializer] of [
  ["randn", NORMAL],
  ["rand", UNIFORM],
] as const) {
  define(
    ["torch"],
    name,
    `*size, generator=None, ${OPTIONS.slice(3)}`,
    (args, runtime) => {
      const tensor = random(
        initializer,
        sizes(varValues(args, "size"), name, runtime),
        optionalDType(args) ?? "float32",
        runtime,
      );
      return withGradient(tensor, args);
    },
    { takesUnknown: true },
  );
  define(["torch"], `${name}_like`, LIKE, (args, runtime) => {
    const x = nodeArg(args, "input", runtime);
    return random(initializer, x.shape, optionalDType(args) ?? x.dtype, runtime);
  });
}
define(["torch"], "normal", "mean=0.0, std=1.0, size=None, *, generator=None, out=None", (args, runtime) => {
  const computed = normalOf(args, runtime);
  if (computed) return computed;
  const initializer = { kind: "normal", mean: numberArg(args, "mean"), std: numberArg(args, "std") } as const;
  return random(initializer, sizes(sequenceOf(args.size) ?? [], "normal", runtime), "float32", runtime);
});
define(["torch"], "is_tensor", "obj", (args) => args.obj instanceof PyTensor, { takesUnknown: true });
define(["torch"], "numel", "input", (args, runtime) => countOf(nodeArg(args, "input", runtime)));
define(["torch"], "meshgrid", "*tensors, indexing='ij'", (args, runtime) => {
  const nodes = varValues(args, "tensors").map((v) => nodeOf(v as PyTensor, runtime));
  // By position, not by node: a tensor may be given twice.
  const axes = nodes.map((_, i) => (args.indexing === "xy" && nodes.length > 1 && i < 2 ? 1 - i : i));
  const shape = nodes.map((_, axis) => nodes[axes.indexOf(axis)]!.shape[0]!);
  return tuple(
    nodes.map((n, i) => {
      const along = nodes.map((_, axis) => (axis === axes[i] ? n.shape[0]! : 1));
      return wrap(build.expand(build.reshape(n, along), shape));
    }),
  );
});
define(
  ["torch"],
  ["manual_seed", "set_default_dtype", "set_printoptions", "set_num_threads"],
  "*args, **kwargs",
  () => null,
);
