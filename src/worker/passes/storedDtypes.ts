import type { DType } from "../formats/dtype";
import { cast, parameter } from "../graph/build";
import { type Graph, rewrite } from "../graph/graph";
import { is } from "../graph/node";

/**
 * The graph with each parameter in the dtype that its value is stored in, cast to the one that the model computes in:
 * half-precision weights are mapped as they lie, and rounded by nobody.
 */
export function castStored(graph: Graph, storedDtype: (path: string) => DType | undefined): Graph {
  return rewrite(graph, (node, keep) => {
    if (!is(node, "parameter")) return keep();
    const { path } = node.attrs;
    const dtype = storedDtype(path);
    return dtype === undefined || dtype === node.dtype ? keep() : cast(parameter(path, node.shape, dtype), node.dtype);
  });
}
