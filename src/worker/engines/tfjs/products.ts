import type * as Tf from "@tensorflow/tfjs";
import { sizeOf } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import { broadcast } from "../../graph/shapes";
import { broadcastTo } from "./tensor";

/**
 * Matrix products. The WebAssembly kernel is five to ten times slower with a transposed operand, so there a weight is
 * kept in the order that the product wants, and any other operand is transposed first.
 */

/** The context of an op besides its operands. */
export interface OpContext {
  readonly tf: typeof Tf;
  readonly kind: "tensorflow" | "wasm";
  /** A weight with its two axes swapped, kept for the life of the executable; undefined for what is no weight. */
  transposed(node: Node): Tf.Tensor | undefined;
}

export function linearProduct(
  context: OpContext,
  x: Tf.Tensor,
  weight: Tf.Tensor,
  bias: Tf.Tensor | undefined,
  node: Node<"linear">,
): Tf.Tensor {
  const { tf } = context;
  const rows = tf.reshape(x, [-1, weight.shape[1]!]);
  const product = product2d(context, rows, weight, false, true, [node.inputs[0]!, node.inputs[1]!]);
  return tf.reshape(bias ? tf.add(product, bias) : product, [...node.shape]);
}

/** op(a) @ op(b) with broadcast leading axes, without alpha and addend. */
export function batchedProduct(context: OpContext, a: Tf.Tensor, b: Tf.Tensor, node: Node<"matmul">): Tf.Tensor {
  const { tf } = context;
  const { transposeA, transposeB } = node.attrs;
  const nodes: Operands = [node.inputs[0]!, node.inputs[1]!];
  if (b.shape.length === 2 && (a.shape.length === 2 || !transposeA)) {
    const rows = a.shape.length === 2 ? a : tf.reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]);
    return tf.reshape(product2d(context, rows, b, transposeA, transposeB, nodes), [...node.shape]);
  }
  const leading = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const stack = (x: Tf.Tensor) => {
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    const alone = sizeOf(x.shape.slice(0, -2)) === 1;
    const whole = alone ? x : broadcastTo(tf, x, [...leading, rows, columns]);
    return tf.reshape(whole, [alone ? 1 : sizeOf(leading), rows, columns]);
  };
  return tf.reshape(multiply(context, stack(a), stack(b), transposeA, transposeB), [...node.shape]);
}

type Operands = readonly [Node, Node];

function product2d(
  context: OpContext,
  a: Tf.Tensor,
  b: Tf.Tensor,
  transposeA: boolean,
  transposeB: boolean,
  [nodeA, nodeB]: Operands,
): Tf.Tensor {
  const keptA = transposeA ? context.transposed(nodeA) : undefined;
  const keptB = transposeB ? context.transposed(nodeB) : undefined;
  return multiply(context, keptA ?? a, keptB ?? b, transposeA && !keptA, transposeB && !keptB);
}

function multiply(
  { tf, kind }: OpContext,
  a: Tf.Tensor,
  b: Tf.Tensor,
  transposeA: boolean,
  transposeB: boolean,
): Tf.Tensor {
  // The kernels multiply float32 only.
  const [x, y] = [tf.cast(a, "float32"), tf.cast(b, "float32")];
  if (kind === "tensorflow") return tf.matMul(x, y, transposeA, transposeB);
  return tf.matMul(transposeA ? swapLast(tf, x) : x, transposeB ? swapLast(tf, y) : y);
}

export function swapLast(tf: typeof Tf, x: Tf.Tensor): Tf.Tensor {
  const rank = x.shape.length;
  return tf.transpose(
    x,
    x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
  );
}
