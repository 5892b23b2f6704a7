import type { Node } from "../graph/node";
import type { OpName } from "../graph/ops";

/**
 * The vector-Jacobian product of an op: given dy, the gradient of the loss by the node's output, the gradient by each of
 * its inputs. A thunk an input, so that only the needed ones are built; `undefined` where the derivative is zero almost
 * everywhere or the input is not differentiable (indices, conditions).
 */
export type Rule<O extends OpName> = (node: Node<O>, dy: Node, inputs: readonly Node[]) => readonly Thunk[];
export type Thunk = (() => Node) | undefined;
