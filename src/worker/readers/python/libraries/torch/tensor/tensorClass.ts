import type { DType } from "../../../../../formats/dtype";
import { DTYPE_BYTES, isFloating } from "../../../../../formats/dtype";
import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import { nearest } from "../../../../../text/nearest";
import { builtinClass, typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyBound,
  type PyClass,
  PyDType,
  PyError,
  PyList,
  PyNative,
  PyObject,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { PyArray } from "../../numpy/array";
import { axisOf, given, intArg, sequenceOf, tensorArg } from "../registry/arguments";
import { dtypeFrom, dtypeObject } from "./dtypes";
import { fold, tensorScalar } from "./fold";
import "../functions";
import { swapAxes } from "../functions/shape";
import { guarded } from "../registry/native";
import { define, nodeArg, tensorMethods } from "../registry/table";
import { parameterBase } from "./parameter";
import { countOf, SelectedLength, selectedRows } from "./selectedRows";
import { nodeOf, reasonOf, replaceValue, scalarTypeName, unknownTensor, wrap } from "./tensor";
import { layoutOf, rivals, rowMajor, tied } from "./views";

/** torch.Tensor and torch.nn.Parameter: attributes and the methods that are not functions of torch. */

export const tensorClass: PyClass = builtinClass("Tensor", [], (args, _kwargs, runtime) => {
  const sizes = args.filter((a) => typeof a === "number");
  if (sizes.length === args.length) return wrap(build.full(0, sizes, "float32"));
  const unknown = args.find((a) => a instanceof Unknown);
  if (unknown instanceof Unknown && args.every((a) => a instanceof Unknown || typeof a === "number")) {
    // One alone may be the values.
    if (args.length === 1) return unknown;
    const shape = args.map((a) => (typeof a === "number" ? a : undefined));
    return unknownTensor(shape, "float32", unknown);
  }
  const [data] = args;
  if (sequenceOf(data) || data instanceof PyTensor || data instanceof PyArray)
    return runtime.call(torchTensor(), [data!, dtypeObject("float32")]);
  throw new PyError("TypeError", `new(): data must be a sequence (got ${typeName(data ?? null)})`, runtime.place);
});
function torchTensor(): PyNative {
  return new PyNative("tensor", "data, dtype", (args, runtime) =>
    tensorMethods.get("new_tensor")!.body({ input: wrap(build.scalar(0)), ...args }, runtime),
  );
}
export const parameterClass: PyClass = builtinClass("Parameter", [tensorClass], parameterBase.construct);

export function tensorIsInstance(tensor: PyTensor, type: PyClass): boolean {
  if (type === parameterClass) return tensor.stored !== undefined && !tensor.stored.buffer;
  return type === tensorClass || type.name === "object";
}

/** torch.device, of which there is one: the engine chooses what to run on. */
export const deviceClass: PyClass = builtinClass("device", [], () => cpuDevice);
deviceClass.members.set("__str__", new PyNative("__str__", "self", () => "cpu"));
deviceClass.members.set("__repr__", new PyNative("__repr__", "self", () => "device(type='cpu')"));
export const cpuDevice = new PyObject(
  deviceClass,
  undefined,
  new Map<string, Value>([
    ["type", "cpu"],
    ["index", null],
  ]),
);

function shapeTuple(tensor: PyTensor): PyTuple {
  const selection = tensor.node && selectedRows(tensor.node);
  const length = (i: number) => (selection?.axis === i ? new SelectedLength(selection.mask) : undefined);
  return new PyTuple(tensor.shape.map((d, i) => length(i) ?? d ?? reasonOf(tensor)));
}

/** The attributes that people mistype among those that are values. */
const VALUES = ["shape", "ndim", "dtype", "device", "requires_grad", "data", "grad"];

/** Attributes that are values; methods come from the table. */
export function tensorAttribute(tensor: PyTensor, name: string, runtime: Runtime): Value | undefined {
  switch (name) {
    case "shape":
      return shapeTuple(tensor);
    case "ndim":
      return tensor.shape.length;
    case "dtype":
      return dtypeObject(tensor.dtype);
    case "device":
      return cpuDevice;
    case "requires_grad":
      return tensor.requiresGrad;
    case "data":
      return tensor;
    case "grad":
    case "grad_fn":
      // After backward() there is one, and what a script does with it is no mistake.
      return tensor.requiresGrad ? new Unknown("gradients are not computed while the file is read") : null;
    case "is_cuda":
    case "is_xpu":
    case "is_mps":
    case "is_sparse":
    case "is_quantized":
    case "is_meta":
    case "is_nested":
    case "is_mkldnn":
    case "retains_grad":
      return false;
    case "is_leaf":
      return true;
    case "layout":
      return "torch.strided";
    case "nbytes":
      if (tensor.shape.includes(undefined)) return reasonOf(tensor);
      return sizeOf(tensor.shape as readonly number[]) * DTYPE_BYTES[tensor.dtype];
    case "real":
      return tensor;
    case "itemsize":
      return DTYPE_BYTES[tensor.dtype];
    case "T":
    case "mT":
    case "H":
    case "mH":
      return guarded(runtime, () => {
        const x = nodeOf(tensor, runtime);
        const rank = x.shape.length;
        const all = x.shape.map((_, i) => rank - 1 - i);
        const whole = name === "T" || name === "H";
        return tied(name, wrap(whole ? build.transpose(x, all) : swapAxes(x, rank - 2, rank - 1)), [tensor]);
      });
  }
  const own = tensor.attributes?.get(name);
  if (own !== undefined) return own;
  const method = tensorMethods.get(name);
  return method && new PyBound(tensor, method);
}

/** The known attribute that the name is most like; undefined when it is like none. */
export function tensorAttributeLike(name: string): string | undefined {
  return nearest(name, [...VALUES, ...tensorMethods.keys()]);
}

/** Assigning to a tensor's attribute. `data` gives it another value. */
export function tensorSetAttribute(tensor: PyTensor, name: string, value: Value, runtime: Runtime): boolean {
  if (name === "requires_grad") {
    tensor.requiresGrad = runtime.truthy(value);
    return true;
  }
  if (name === "data" && value instanceof PyTensor) {
    guarded(runtime, () => {
      // Other tensors keep the memory that this one had.
      if (tensor.stored) return replaceValue(tensor, nodeOf(value, runtime), runtime);
      tensor.share(value);
      return tensor;
    });
    return true;
  }
  if (name !== "grad") {
    tensor.attributes ??= new Map();
    tensor.attributes.set(name, value);
  }
  return true;
}

const method = (
  names: string | string[],
  signature: string,
  body: (args: BoundArgs, runtime: Runtime) => Value,
): void => define(["tensor"], names, signature, body);

method("size", "input, dim=None", (args) => {
  const tensor = tensorArg(args, "input");
  if (!given(args, "dim")) return shapeTuple(tensor);
  return shapeTuple(tensor).items[axisOf(intArg(args, "dim"), tensor.shape.length)] ?? reasonOf(tensor);
});
method(["dim", "ndimension"], "input", (args) => tensorArg(args, "input").shape.length);
method(["numel", "nelement"], "input", (args, runtime) => countOf(nodeArg(args, "input", runtime)));
method("element_size", "input", (args) => DTYPE_BYTES[tensorArg(args, "input").dtype]);
// Where that is not followed, a copy would have the same values.
method("is_contiguous", "input, *args, **kwargs", (args) => rowMajor(tensorArg(args, "input")) ?? true);
const unfollowed = (what: string, runtime: Runtime): Unknown =>
  new Unknown(`the ${what} of a tensor that is computed from others are not followed`, runtime.place);
method("stride", "input, dim=None", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  if (!tensor.node) return reasonOf(tensor);
  const strides = layoutOf(tensor)?.strides;
  if (!strides) return unfollowed("strides", runtime);
  if (!given(args, "dim")) return new PyTuple(strides);
  return strides[axisOf(intArg(args, "dim"), strides.length)]!;
});
method("storage_offset", "input", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  if (!tensor.node) return reasonOf(tensor);
  return layoutOf(tensor)?.offset ?? unfollowed("place in memory", runtime);
});
method("is_signed", "input", (args) => !/^(uint8|bool)$/.test(tensorArg(args, "input").dtype));
for (const name of ["is_pinned", "is_inference", "is_shared", "is_conj", "is_neg"])
  method(name, "input, *args", () => false);
method("get_device", "input", () => -1);
method("__len__", "input", (args) => tensorArg(args, "input").shape[0] ?? reasonOf(tensorArg(args, "input")));

// Same value, other storage
method(["clone", "alias"], "input, *args, **kwargs", (args, runtime) => wrap(nodeArg(args, "input", runtime)));
// An initial value has no gradient to begin with.
define(["torch", "tensor"], "detach", "input", (args, runtime) => {
  const x = nodeArg(args, "input", runtime);
  return wrap(runtime.tracing && isFloating(x.dtype) ? build.detach(x) : x);
});
method(["cpu", "cuda"], "input, *args, **kwargs", (args) => tensorArg(args, "input"));
method("contiguous", "input, *args, **kwargs", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  const same = rowMajor(tensor);
  if (same) return tensor;
  const copy = wrap(nodeOf(tensor, runtime));
  if (same === undefined) rivals(copy.storage, tensor.storage);
  return copy;
});
method("requires_grad_", "input, requires_grad=True", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  tensor.requiresGrad = runtime.truthy(args.requires_grad ?? true);
  return tensor;
});
method(["retain_grad", "register_hook", "detach_"], "input, *args", (args) => args.input ?? null);
method("copy_", "input, src, non_blocking=False", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  const source = nodeArg(args, "src", runtime);
  const shape = tensor.shape.map((d) => d ?? -1);
  return replaceValue(tensor, build.cast(build.expand(source, shape), tensor.dtype), runtime);
});

function converted(tensor: PyTensor, dtype: DType, runtime: Runtime): PyTensor {
  if (tensor.dtype === dtype) return tensor;
  return wrap(build.cast(nodeOf(tensor, runtime), dtype));
}
for (const [name, dtype] of Object.entries({
  float: "float32",
  double: "float64",
  half: "float16",
  bfloat16: "bfloat16",
  long: "int64",
  int: "int32",
  short: "int16",
  bool: "bool",
} as const)) {
  method(name, "input, memory_format=None", (args, runtime) => converted(tensorArg(args, "input"), dtype, runtime));
}
method("to", "input, *args, dtype=None, device=None, non_blocking=False, copy=False, **kwargs", (args, runtime) => {
  const given = tensorArg(args, "input");
  const tensor = runtime.truthy(args.copy ?? false) ? wrap(nodeOf(given, runtime)) : given;
  const targets = [...(sequenceOf(args.args) ?? []), args.dtype ?? null];
  const dtype = targets.find((t) => t instanceof PyDType || t instanceof PyTensor);
  if (dtype instanceof PyTensor) return converted(tensor, dtype.dtype, runtime);
  return converted(tensor, dtypeFrom(dtype) ?? tensor.dtype, runtime);
});
method("type_as", "input, other", (args, runtime) =>
  converted(tensorArg(args, "input"), tensorArg(args, "other").dtype, runtime),
);
method("type", "input, dtype=None", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  const dtype = dtypeFrom(args.dtype);
  if (dtype) return converted(tensor, dtype, runtime);
  if (!given(args, "dtype")) return `torch.${scalarTypeName(tensor.dtype)}Tensor`;
  throw new EvaluationError("type() with a string is not supported: use to(torch.float32)", runtime.place);
});
method("item", "input", (args, runtime) => tensorScalar(tensorArg(args, "input"), runtime));
method("tolist", "input", (args, runtime) => {
  const node = nodeArg(args, "input", runtime);
  const values = fold(node, runtime);
  if (!values) {
    throw new EvaluationError(
      "tolist() needs the tensor's values, which are not known while the model is traced",
      runtime.place,
    );
  }
  const element = (i: number): Value => tensorScalar(wrap(build.full(values[i]!, [], node.dtype)), runtime);
  const nest = (axis: number, offset: number, size: number): Value => {
    if (axis === node.shape.length) return element(offset);
    const step = size / node.shape[axis]!;
    return new PyList(Array.from({ length: node.shape[axis]! }, (_, i) => nest(axis + 1, offset + i * step, step)));
  };
  return nest(0, 0, values.length);
});
method("numpy", "input, *, force=False", (args, runtime) => {
  const node = nodeArg(args, "input", runtime);
  const values = fold(node);
  if (values) return new PyArray(Float64Array.from(values), node.shape, node.dtype);
  return new Unknown("numpy() needs the tensor's values, which are not known while the model is read", runtime.place);
});
method("backward", "input, *args, **kwargs", () => null);
method("fill_", "input, value", (args, runtime) => {
  const tensor = tensorArg(args, "input");
  const value = tensorScalar(
    args.value instanceof PyTensor ? args.value : wrap(build.scalar(numberValue(args.value), tensor.dtype)),
    runtime,
  );
  const shape = tensor.shape.map((d) => d ?? -1);
  if (tensor.unknown) {
    if (tensor.stored) tensor.stored.initializer = { kind: "constant", value: numberValue(value) };
    return tensor;
  }
  return replaceValue(tensor, build.full(numberValue(value), shape, tensor.dtype), runtime);
});
method("zero_", "input", (args, runtime) =>
  tensorMethods.get("fill_")!.body({ input: args.input ?? null, value: 0 }, runtime),
);

function numberValue(value: Value | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  if (value && typeof value === "object" && "value" in value && typeof value.value === "number") return value.value;
  throw new PyError("TypeError", `fill_(): argument 'value' must be Number, not ${typeName(value ?? null)}`);
}
