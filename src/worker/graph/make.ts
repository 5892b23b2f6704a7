import type { DType } from "../formats/dtype";
import { Node, type Shape, type SourcePlace } from "./node";
import type { OpName } from "./ops";

/** How the constructors of nodes make one: with the source place that is being evaluated. */

let currentPlace: SourcePlace | undefined;

/** Runs `body` with every node made in it carrying `place`, unless an inner call sets a nearer one. */
export function at<T>(place: SourcePlace | undefined, body: () => T): T {
  const outer = currentPlace;
  currentPlace = place ?? outer;
  try {
    return body();
  } finally {
    currentPlace = outer;
  }
}

export function make<O extends OpName>(
  op: O,
  inputs: readonly Node[],
  attrs: Node<O>["attrs"],
  shape: Shape,
  dtype: DType,
): Node<O> {
  return new Node(op, inputs, attrs, shape, dtype, currentPlace);
}

export function requireOneDType(what: string, ...nodes: readonly Node[]): void {
  const odd = nodes.find((n) => n.dtype !== nodes[0]!.dtype);
  if (odd) throw new TypeError(`${what} of ${nodes[0]!.dtype} and ${odd.dtype}: cast one of them first`);
}
