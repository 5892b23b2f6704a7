import { isFloating } from "../../../../../formats/dtype";
import { sizeOf } from "../../../../../formats/tensor";
import * as build from "../../../../../graph/build";
import { foldConstants } from "../../../../../graph/fold/fold";
import type { Node } from "../../../../../graph/node";
import { EvaluationError } from "../../../values/unknown";
import { PyFloat, type PyTensor, type Runtime, type Value } from "../../../values/values";
import { selectedRows } from "./selectedRows";
import { nodeOf } from "./tensor";

/** Values of small tensors that are computed from constants alone, for `item()`, `int(x)` and branches. */

/** The node's elements, or undefined when they depend on inputs or weights, or are too many. */
export function fold(node: Node, runtime?: Runtime): readonly number[] | undefined {
  return foldConstants(node, (elements) => runtime?.step(elements >> 4));
}

function single(tensor: PyTensor, runtime: Runtime, what: string): number {
  const values = fold(nodeOf(tensor, runtime), runtime);
  if (values?.length === 1) return values[0]!;
  throw new EvaluationError(what, runtime.place);
}

/** The Python number of a tensor with one element: item(), int(), float(). */
export function tensorScalar(tensor: PyTensor, runtime: Runtime): Value {
  const value = single(
    tensor,
    runtime,
    "this number depends on the tensor's values, which are not known while the model is traced",
  );
  if (tensor.dtype === "bool") return value !== 0;
  return isFloating(tensor.dtype) ? new PyFloat(value) : value;
}

export function tensorTruthy(tensor: PyTensor, runtime: Runtime): boolean {
  return (
    single(
      tensor,
      runtime,
      "the branch depends on the tensor's values, which are not known while the model is traced",
    ) !== 0
  );
}

/** A tensor of one element as a condition, where its value is not known before the graph runs. */
export function conditionOf(tensor: PyTensor): Node | undefined {
  const { node } = tensor;
  if (!node || sizeOf(node.shape) !== 1 || fold(node) || selectedRows(node)) return undefined;
  return build.reshape(build.cast(node, "bool"), []);
}
