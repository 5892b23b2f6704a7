import type { DType } from "../../formats/dtype";
import type { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";
import { isSplat, literal } from "../literals";
import { Emitter } from "./emitter";

/** ONNX value names; the prefixes keep the user's names and ours apart. */
export const inputName = (name: string): string => `input:${name}`;
export const parameterName = (path: string): string => `parameter:${path}`;

/** What the lowering of one op needs to know of the others. */
export class Lowering {
  readonly emit = new Emitter();
  /** ONNX value names of the nodes lowered so far. */
  readonly values = new Map<Node, string>();
  /** For each normalized tensor and number of dims, what a layerNorm computed on its way: see lowerings.ts. */
  readonly statistics = new Map<Node, Map<string, string>>();
  /** Tensors whose layer statistics the graph asks for, by `statistics`' keys. */
  readonly wantedStatistics = new Map<Node, Set<string>>();

  constructor(
    graph: Graph,
    /** Lowers one op: the table of lowerings.ts. */
    private readonly lowerOp: (node: Node, lowering: Lowering) => string,
  ) {
    for (const node of graph.nodes) {
      if (!is(node, "layerNormMean") && !is(node, "layerNormInvStd")) continue;
      const x = node.inputs[0]!;
      const keys = this.wantedStatistics.get(x) ?? new Set();
      this.wantedStatistics.set(x, keys.add(statisticKey(node)));
    }
  }

  lowerNode(node: Node): string {
    const value = this.emit.for(node, () => this.lowerOp(node, this));
    this.values.set(node, value);
    return value;
  }

  /** A node's value in full. */
  value(node: Node): string {
    const known = this.values.get(node);
    return known ?? this.lowerNode(node);
  }

  /** A node's value as `dtype`. */
  as(node: Node, dtype: DType): string {
    return this.emit.cast(this.value(node), node.dtype, dtype);
  }

  /** As `as`, for an operand that is broadcast: a constant with one value everywhere stays one number. */
  operand(node: Node, dtype: DType): string {
    if (!isSplat(node)) return this.as(node, dtype);
    return this.emit.cast(this.emit.tensor(literal(node, [])), node.dtype, dtype);
  }
}

/** The type at the session's border: bfloat16 crosses it as float32, since the Node.js binding has no such tensor. */
export const borderType = (dtype: DType): DType => (dtype === "bfloat16" ? "float32" : dtype);

export function statisticKey(node: Node<"layerNormMean"> | Node<"layerNormInvStd">): string {
  return is(node, "layerNormInvStd") ? `invStd ${node.attrs.dims} ${node.attrs.eps}` : `mean ${node.attrs.dims}`;
}
