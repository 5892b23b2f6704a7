import { isOf } from "./kinds";
import { is, type Node } from "./node";

/** The length of the smallest table that the whole numbers of `input` index in the graph; infinite where none is. */
export function smallestTable(input: Node, nodes: readonly Node[]): number {
  const carriers = new Set<Node>([input]);
  let least = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    if (elementsOf(node).some((operand) => carriers.has(operand))) carriers.add(node);
    if (!is(node, "gather")) continue;
    const [table, indices] = node.inputs as [Node, Node];
    if (carriers.has(indices)) least = Math.min(least, table.shape[node.attrs.axis]!);
  }
  return least;
}

/** The operands whose elements the node's are, at other places or beside others. */
function elementsOf(node: Node): readonly Node[] {
  if (isOf(node, "join")) return node.inputs;
  return isOf(node, "view") || isOf(node, "identity") || is(node, "cast") ? node.inputs.slice(0, 1) : [];
}
