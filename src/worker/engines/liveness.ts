import { byteLengthOf } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { isOf } from "../graph/kinds";
import { is, type Node } from "../graph/node";

/**
 * For each position in the graph's execution order, the nodes whose last use is there. Outputs are never in it: they
 * outlive the run.
 */
export function lastUses(graph: Graph): Node[][] {
  const last = new Map<Node, number>();
  for (const [i, node] of graph.nodes.entries()) {
    last.set(node, i);
    for (const operand of node.inputs) last.set(operand, i);
  }
  const ending: Node[][] = graph.nodes.map(() => []);
  const kept = new Set(graph.outputs.values());
  for (const [node, i] of last) if (!kept.has(node)) ending[i]!.push(node);
  return ending;
}

export interface LivenessOptions {
  /** Leaves out what is fed and the weights, which are counted by themselves. */
  readonly excludeInputsAndParameters: boolean;
  /** Ops besides reshapes whose result is the operand's own memory; none unless told. */
  readonly isView?: (node: Node) => boolean;
  /** Values that take no memory; none unless told. */
  readonly isFree?: (node: Node) => boolean;
}

/**
 * Most bytes of values alive at one time when the nodes run in the graph's order and each value is freed after its last
 * use. Reshapes, dropout in evaluation and constants of one value take no memory of their own: an op that only renames
 * a value keeps its source alive instead.
 */
export function peakActivationBytes(
  graph: Graph,
  { excludeInputsAndParameters, isView, isFree }: LivenessOptions = { excludeInputsAndParameters: true },
): number {
  const isAlias = (node: Node) => renames(node) || isView?.(node) === true;
  const source = (node: Node): Node => {
    let at = node;
    while (isAlias(at)) at = at.inputs[0]!;
    return at;
  };
  const last = new Map<Node, number>();
  for (const [i, node] of graph.nodes.entries()) {
    for (const operand of [node, ...node.inputs]) last.set(source(operand), i);
  }
  for (const node of graph.outputs.values()) last.set(source(node), Number.POSITIVE_INFINITY);

  const bytes = (node: Node): number => {
    if (isAlias(node) || isFree?.(node)) return 0;
    if (excludeInputsAndParameters && (node.op === "input" || node.op === "parameter")) return 0;
    return node.op === "constant" || node.op === "arange" ? 0 : byteLengthOf(node);
  };
  const ending = new Map<number, Node[]>();
  for (const [node, i] of last) ending.set(i, [...(ending.get(i) ?? []), node]);

  let live = 0;
  let peak = 0;
  for (const [i, node] of graph.nodes.entries()) {
    live += bytes(node);
    peak = Math.max(peak, live);
    for (const ended of ending.get(i) ?? []) live -= bytes(ended);
  }
  return peak;
}

/** The result is the operand's memory under another shape. */
function renames(node: Node): boolean {
  return isOf(node, "identity") || is(node, "reshape");
}
