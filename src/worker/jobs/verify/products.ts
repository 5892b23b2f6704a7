import type { Graph } from "../../graph/graph";
import { sumLength } from "../../graph/sumLength";

/** Longest sum in any product of the graph. */
export function longestSum(graph: Graph): number {
  return graph.nodes.reduce((longest, node) => Math.max(longest, sumLength(node)), 1);
}

/** How many products the graph has: more than follow one another. */
export function productCount(graph: Graph): number {
  return Math.max(1, graph.nodes.filter((node) => sumLength(node) > 1).length);
}
