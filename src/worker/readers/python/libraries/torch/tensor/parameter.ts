import { isFloating } from "../../../../../formats/dtype";
import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import type { Dim, Initializer } from "../../../../model";
import { typeName } from "../../../values/types";
import { Unknown } from "../../../values/unknown";
import { PyClass, PyError, PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { RandomNode, store, unknownTensor } from "./tensor";

/** torch.nn.Parameter and torch.nn.Buffer. */

/** A persistent buffer is part of the state dict. */
export function storeBuffer(tensor: PyTensor, runtime: Runtime): void {
  if (!tensor.stored) store(tensor, true, runtime);
}

/** A new parameter with the same value. */
export function makeParameter(data: PyTensor, requiresGrad: boolean, runtime: Runtime): PyTensor {
  if (requiresGrad && !isFloating(data.dtype)) {
    throw new PyError(
      "RuntimeError",
      "Only Tensors of floating point and complex dtype can require gradients",
      runtime.place,
    );
  }
  const parameter = new PyTensor(data.node, data.shape, data.dtype, data.unknown);
  parameter.share(data);
  store(parameter, false, runtime);
  parameter.requiresGrad = requiresGrad;
  return parameter;
}

/**
 * A layer's own parameter, initialized as PyTorch does. With an unknown dimension it has no node; a random initial value
 * is drawn either way, so that the log of draws shows where it stops being reproducible.
 */
export function newStored(
  shape: readonly (Dim | Unknown)[],
  initializer: Exclude<Initializer, { kind: "graph" }>,
  runtime: Runtime,
  buffer = false,
  dtype: PyTensor["dtype"] = "float32",
): PyTensor {
  const unknown = shape.find((d) => d instanceof Unknown);
  const dims = shape.map((d) => (d instanceof Unknown ? undefined : d));
  const known = dims.every((d) => d !== undefined);
  let tensor: PyTensor;
  if (initializer.kind === "constant") {
    tensor = known
      ? new PyTensor(build.full(initializer.value, dims as number[], dtype), dims, dtype)
      : unknownTensor(dims, dtype, unknown ?? new Unknown("a dimension is unknown"));
    store(tensor, buffer, runtime);
    if (!known && tensor.stored) tensor.stored.initializer = initializer;
  } else {
    const value = runtime.random.draw(initializer, known ? sizeOf(dims as number[]) : undefined);
    tensor = known
      ? new PyTensor(new RandomNode(value, dims as number[], dtype), dims, dtype)
      : unknownTensor(dims, dtype, unknown ?? new Unknown("a dimension is unknown"));
    tensor.stored = { buffer, initializer, order: value.draw.order };
  }
  tensor.requiresGrad = !buffer;
  return tensor;
}

function dataOf(args: readonly Value[], kwargs: ReadonlyMap<string, Value>, what: string): PyTensor | Unknown {
  const data = args[0] ?? kwargs.get("data") ?? null;
  if (data instanceof PyTensor || data instanceof Unknown) return data;
  throw new PyError("TypeError", `${what} expects a Tensor, not ${typeName(data)}`);
}

export const parameterBase: { readonly construct: NonNullable<PyClass["builtin"]>["construct"] } = {
  construct(args, kwargs, runtime) {
    const data = dataOf(args, kwargs, "Parameter");
    if (data instanceof Unknown) return data;
    const requiresGrad = args[1] ?? kwargs.get("requires_grad") ?? true;
    return makeParameter(data, runtime.truthy(requiresGrad), runtime);
  },
};

export const bufferClass = new PyClass("Buffer", [], new Map(), undefined, {
  construct(args, kwargs, runtime) {
    const given = args[0] ?? kwargs.get("data") ?? null;
    // A pair of tensors to us, as register_buffer has it.
    if (given instanceof PyObject && given.type.name === "ComplexTensor") return given;
    const data = dataOf(args, kwargs, "Buffer");
    if (data instanceof Unknown) return data;
    const persistent = runtime.truthy(args[1] ?? kwargs.get("persistent") ?? true);
    const buffer = new PyTensor(data.node, data.shape, data.dtype, data.unknown);
    buffer.share(data);
    buffer.bufferRequest = { persistent };
    if (persistent) store(buffer, true, runtime);
    return buffer;
  },
});

/** copy.deepcopy of a stored tensor: a tensor of its own with the same initial value, drawn once. */
export function copyTensor(tensor: PyTensor): PyTensor {
  const copy = new PyTensor(tensor.node, tensor.shape, tensor.dtype, tensor.unknown);
  if (tensor.stored) copy.stored = { ...tensor.stored };
  copy.requiresGrad = tensor.requiresGrad;
  return copy;
}
