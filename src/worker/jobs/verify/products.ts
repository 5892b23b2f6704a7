import { sizeOf } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";

/** Longest sum in any product of the graph. */
export function longestSum(graph: Graph): number {
  return graph.nodes.reduce((longest, node) => Math.max(longest, sumLengthOf(node)), 1);
}

/** How many products the graph has: more than follow one another. */
export function productCount(graph: Graph): number {
  return Math.max(1, graph.nodes.filter((node) => sumLengthOf(node) > 1).length);
}

/** How many products an element of the node is the sum of; 1 where it is no product. */
function sumLengthOf(node: Node): number {
  if (is(node, "linear")) return node.inputs[0]!.shape.at(-1)!;
  if (is(node, "matmul")) return node.inputs[0]!.shape.at(node.attrs.transposeA ? -2 : -1)!;
  const weight = node.inputs[1]?.shape;
  if (is(node, "conv")) return sizeOf(weight!.slice(1));
  if (is(node, "convTranspose")) return (weight![0]! / node.attrs.groups) * sizeOf(weight!.slice(2));
  return 1;
}
