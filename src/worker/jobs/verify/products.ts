import type { Graph } from "../../graph/graph";
import { sumLength } from "../../graph/sumLength";

/** Number of terms in the longest sum of any product in the graph. */
export function longestSum(graph: Graph): number {
  return graph.nodes.reduce((longest, node) => Math.max(longest, sumLength(node)), 1);
}

/** The number of products in the graph, an upper bound for the longest chain of them. */
export function productCount(graph: Graph): number {
  return Math.max(1, graph.nodes.filter((node) => sumLength(node) > 1).length);
}
