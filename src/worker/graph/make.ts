import type { DType } from "../formats/dtype";
import { sizeOf } from "../formats/tensor";
import { Node, type Shape, type SourcePlace } from "./node";
import type { OpName } from "./ops";
import { DTypeError, ShapeError, shapeText } from "./shapes";

/** Makes a node with the source place that is being evaluated. */

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
  // Beyond 2^53 sizes and offsets are no longer whole numbers. Doubling reaches it in fifty lines of a loop.
  if (inputs.length > 0 && !Number.isSafeInteger(sizeOf(shape))) {
    throw new ShapeError(`a tensor of shape ${shapeText(shape)} has too many elements for any memory`);
  }
  return new Node(op, inputs, attrs, shape, dtype, currentPlace);
}

export function requireOneDType(what: string, ...nodes: readonly Node[]): void {
  const odd = nodes.find((n) => n.dtype !== nodes[0]!.dtype);
  if (odd) throw new DTypeError(`${what} of ${nodes[0]!.dtype} and ${odd.dtype}: cast one of them first`);
}
