import { isFloating } from "../formats/dtype";
import { add, at } from "../graph/build";
import type { Graph } from "../graph/graph";
import type { Node } from "../graph/node";
import { gradientThunks, seedGradient } from "./gradients";

/**
 * Reverse-mode differentiation: the gradient of a scalar `loss` by each of `wrt`, as nodes over the same graph.
 * Only nodes between `wrt` and the loss get a gradient, so nothing is computed below the lowest adapter.
 * A node the loss does not depend on has no entry in the result.
 */
export function differentiate<N extends Node>(graph: Graph, loss: Node, wrt: readonly N[]): Map<N, Node> {
  if (loss.shape.length !== 0) throw new RangeError(`a loss must be a scalar, not [${loss.shape.join(", ")}]`);
  const order = graph.nodes;
  const wanted = new Set<Node>(wrt);
  const needed = new Set<Node>();
  for (const node of order) {
    if (isFloating(node.dtype) && (wanted.has(node) || node.inputs.some((n) => needed.has(n)))) needed.add(node);
  }

  const gradients = new Map<Node, Node>();
  if (needed.has(loss)) gradients.set(loss, seedGradient(loss));
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    const dy = gradients.get(node);
    if (!dy || !needed.has(node)) continue;
    at(node.place, () => {
      gradientThunks(node, dy).forEach((thunk, k) => {
        const operand = node.inputs[k]!;
        if (!thunk || !needed.has(operand)) return;
        const part = thunk();
        const sum = gradients.get(operand);
        gradients.set(operand, sum ? add(sum, part) : part);
      });
    });
  }
  return new Map(wrt.flatMap((node) => (gradients.has(node) ? [[node, gradients.get(node)!] as const] : [])));
}
