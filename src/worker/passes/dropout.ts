import { input, mul } from "../graph/build";
import { Graph, rewrite } from "../graph/graph";
import { is, type Node } from "../graph/node";

/** Evaluation mode: dropout is the identity. */
export function removeDropout(graph: Graph): Graph {
  return rewrite(graph, (node, keep) => (is(node, "dropout") ? node.inputs[0]! : keep()));
}

/**
 * Training mode: each dropout becomes a product with a mask of 0 and 1/(1-p), an input named `dropout.N` that the
 * runner fills. Masks come from outside the graph so that every engine sees the same ones.
 */
export function maskDropout(graph: Graph): Graph {
  const masks: Node<"input">[] = [];
  const masked = rewrite(graph, (node, keep) => {
    if (!is(node, "dropout")) return keep();
    const mask = input(`dropout.${masks.length}`, node.shape, node.dtype, { p: node.attrs.p }) as Node<"input">;
    masks.push(mask);
    return mul(node.inputs[0]!, mask);
  });
  return new Graph(masked.name, [...masked.inputs, ...masks], masked.outputs);
}
