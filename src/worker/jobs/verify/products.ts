import { sizeOf } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";

/** Number of terms in the longest sum of any product in the graph. */
export function longestSum(graph: Graph): number {
  return graph.nodes.reduce((longest, node) => Math.max(longest, sumLengthOf(node)), 1);
}

/** The number of products in the graph, an upper bound for the longest chain of them. */
export function productCount(graph: Graph): number {
  return Math.max(1, graph.nodes.filter((node) => sumLengthOf(node) > 1).length);
}

/** The number of products summed in one element of the node; 1 if it is not a product. */
function sumLengthOf(node: Node): number {
  if (is(node, "linear")) return node.inputs[0]!.shape.at(-1)!;
  if (is(node, "matmul")) return node.inputs[0]!.shape.at(node.attrs.transposeA ? -2 : -1)!;
  const weight = node.inputs[1]?.shape;
  if (is(node, "conv")) return sizeOf(weight!.slice(1));
  if (is(node, "convTranspose")) return (weight![0]! / node.attrs.groups) * sizeOf(weight!.slice(2));
  return 1;
}
