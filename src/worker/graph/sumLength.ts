import { sizeOf } from "../formats/tensor";
import { isOf, type OpsOf } from "./kinds";
import type { Node } from "./node";

/** How many products an element of the node is the sum of; 1 where it is no product. */
export function sumLength(node: Node): number {
  if (!isOf(node, "product") && !isOf(node, "window")) return 1;
  return (LENGTHS[node.op] as (node: Node) => number)(node);
}

type Summing = OpsOf<"product" | "window">;

const LENGTHS: { readonly [O in Summing]: (node: Node<O>) => number } = {
  linear: ({ inputs }) => inputs[0]!.shape.at(-1)!,
  matmul: ({ inputs, attrs }) => inputs[0]!.shape.at(attrs.transposeA ? -2 : -1)!,
  conv: ({ inputs }) => sizeOf(inputs[1]!.shape.slice(1)),
  convTranspose: ({ inputs, attrs }) => {
    const { shape } = inputs[1]!;
    return (shape[0]! / attrs.groups) * sizeOf(shape.slice(2));
  },
  maxPool: () => 1,
  maxPoolIndices: () => 1,
};
