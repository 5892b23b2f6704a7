import { convert } from "../formats/convert";
import { allocate, sizeOf, type Tensor } from "../formats/tensor";
import { is, type Node } from "../graph/node";

/**
 * A constant's values as a tensor of its dtype: one value where `shape` is that of a scalar, else as the data is
 * spelled out. Half-precision literals, kept in full precision until here, are rounded to nearest.
 */
export function literal(node: Node<"constant">, shape: readonly number[]): Tensor {
  const { data } = node.attrs;
  if (data instanceof Float64Array) return convert({ dtype: "float64", shape, data }, node.dtype);
  if (data instanceof Float32Array) return convert({ dtype: "float32", shape, data }, node.dtype);
  return { dtype: node.dtype, shape, data };
}

/** start, start + step, ... in the node's dtype. */
export function arangeValues(node: Node<"arange">): Tensor {
  const { start, step } = node.attrs;
  const values = allocate("float64", node.shape);
  for (let i = 0; i < values.data.length; i++) values.data[i] = start + i * step;
  return convert(values, node.dtype);
}

/** A constant with the same value everywhere, not spelled out. */
export function isSplat(node: Node): node is Node<"constant"> {
  return is(node, "constant") && node.attrs.data.length === 1 && sizeOf(node.shape) !== 1;
}
