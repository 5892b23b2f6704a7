import { UserError } from "../formats/errors";
import { sameShape, shapeText } from "../graph/shapes";
import type { ParameterValue } from "./engine";

/** The value of a parameter, which must be of the graph's shape and dtype. */
export function requireValue(
  path: string,
  node: { readonly dtype: string; readonly shape: readonly number[] },
  values: ReadonlyMap<string, ParameterValue>,
): ParameterValue {
  const value = values.get(path);
  if (!value) throw new UserError(`the parameter ${path} has no value: the weights do not contain it`);
  const same = value.dtype === node.dtype && sameShape(value.shape, node.shape);
  if (!same) {
    throw new UserError(
      `the parameter ${path} is ${node.dtype} ${shapeText(node.shape)} in the model, but ${value.dtype} ${shapeText(value.shape)} in the weights`,
    );
  }
  return value;
}
