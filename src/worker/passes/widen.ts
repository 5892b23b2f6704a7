import { toFloat32 } from "../formats/convert";
import type { DType } from "../formats/dtype";
import { cast, constant } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is, Node } from "../graph/node";

const isHalf = (dtype: DType): boolean => dtype === "float16" || dtype === "bfloat16";

/**
 * The graph computed in float32 where it computes in half precision. Inputs, and parameters as they are stored, keep
 * their dtype and are cast; outputs become float32. What is checked of it is then no matter of half precision's rounding.
 */
export function inFloat32(graph: Graph): Graph {
  return rewrite(graph, (node, keep) => {
    if (is(node, "cast") && (isHalf(node.attrs.to) || node.inputs[0]!.dtype === node.attrs.to))
      return cast(node.inputs[0]!, isHalf(node.attrs.to) ? "float32" : node.attrs.to);
    if (!isHalf(node.dtype)) return keep();
    if (is(node, "parameter") || is(node, "input")) return cast(node, "float32");
    if (is(node, "constant")) {
      const { data } = node.attrs;
      const shape = data.length === 1 ? [1] : node.shape;
      // Literals of half precision are kept in full precision; values that were read are bits.
      const values =
        data instanceof Uint16Array
          ? toFloat32({ dtype: node.dtype, shape, data })
          : Float32Array.from(data as Float64Array);
      return constant(values, node.shape, "float32");
    }
    return new Node(node.op, node.inputs, node.attrs, node.shape, "float32", node.place);
  });
}
