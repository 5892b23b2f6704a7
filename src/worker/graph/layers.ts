import { make } from "./make";
import { is, Node } from "./node";
import type { LayerMark } from "./ops";

/**
 * Marks of the places where linear layers are called. As in PEFT, an adapter goes where its layer is called, not where
 * code reads the layer's weight; the graph alone does not distinguish the two.
 */

/** A call of a linear layer. */
export interface LayerCall extends LayerMark {
  readonly output: Node;
  readonly input: Node;
}

/**
 * Marks `output` as the layer's result for `input`. A product of the input carries the mark itself; any other output,
 * of a class with a forward of its own, gets a marking node.
 */
export function markLayer(path: string, output: Node, input: Node, fused = false): Node {
  const mark: LayerMark = { layer: path, ...(fused && { fused }) };
  const product = unshaped(output);
  // A layer that returns another layer's output is a call of both.
  if (
    isProduct(product) &&
    product.attrs.layer === undefined &&
    keepsRows(product, output) &&
    keepsRows(product.inputs[0]!, input)
  ) {
    if (unshaped(product.inputs[0]!) === unshaped(input)) {
      const { op, inputs, attrs, shape, dtype, place } = product;
      const marked = new Node(op, inputs, { ...attrs, ...mark }, shape, dtype, place);
      return output === product ? marked : make("reshape", [marked], { shape: output.shape }, output.shape, dtype);
    }
  }
  return make("layer", [output, input], mark, output.shape, output.dtype);
}

/** The call whose result the node is. */
export function layerCallOf(node: Node): LayerCall | undefined {
  if (is(node, "layer")) return { ...node.attrs, output: node.inputs[0]!, input: node.inputs[1]! };
  if (!isProduct(node) || node.attrs.layer === undefined) return undefined;
  const { layer, fused } = node.attrs;
  return { layer, ...(fused && { fused }), output: node, input: node.inputs[0]! };
}

function isProduct(node: Node): node is Node<"linear"> | Node<"matmul"> {
  return is(node, "linear") || (is(node, "matmul") && !node.attrs.transposeA);
}

/** The node before reshapes: Hugging Face's Conv1D makes its input a matrix and its product a sequence again. */
export function unshaped(node: Node): Node {
  let inner = node;
  while (is(inner, "reshape")) inner = inner.inputs[0]!;
  return inner;
}

/** Reshapes that leave the last axis as it is leave each row as it is. */
function keepsRows(a: Node, b: Node): boolean {
  return a.shape.at(-1) === b.shape.at(-1);
}

/**
 * The parameter that a product multiplies its first operand by, whole; `fanInFanOut` where the product takes it as
 * [in, out].
 */
export function weightIn(
  node: Node<"linear"> | Node<"matmul">,
): { readonly path: string; readonly fanInFanOut: boolean } | undefined {
  // How often the weight as stored is transposed on its way into the product.
  let turns = is(node, "linear") || node.attrs.transposeB ? 1 : 0;
  let weight = node.inputs[1]!;
  // Keras's attention keeps a projection as [in, heads, dim] and uses it as a matrix.
  if (weight.shape.length !== 2) return undefined;
  while (is(weight, "cast") || is(weight, "transpose") || is(weight, "reshape")) {
    if (is(weight, "transpose")) turns++;
    weight = weight.inputs[0]!;
  }
  return is(weight, "parameter") ? { path: weight.attrs.path, fanInFanOut: turns % 2 === 0 } : undefined;
}
