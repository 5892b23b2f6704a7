import type { DType } from "../../formats/dtype";
import type { Graph } from "../../graph/graph";
import { is, type Node } from "../../graph/node";
import { isSplat, literal } from "../literals";
import { Emitter } from "./emitter";

/** ONNX value names; the prefixes keep the user's names and ours apart. */
export const inputName = (name: string): string => `input:${name}`;
export const parameterName = (path: string): string => `parameter:${path}`;

/** Kernels that only some providers of ONNX Runtime have. */
export interface Kernels {
  /** MaxPool's second output: the positions of the largest values. */
  readonly maxPoolIndices: boolean;
  /** ConvTranspose over three dimensions. */
  readonly convTranspose3d: boolean;
}

export const ALL_KERNELS: Kernels = { maxPoolIndices: true, convTranspose3d: true };
/** As of ONNX Runtime 1.30, whose messages say so ("The Indices output is not supported yet", "Only Conv2d or Conv1d"). */
export const WEBGPU_KERNELS: Kernels = { maxPoolIndices: false, convTranspose3d: false };

/** The context that the lowering of one op needs. */
export class Lowering {
  readonly emit = new Emitter();
  /** ONNX value names of the nodes lowered so far. */
  readonly values = new Map<Node, string>();
  /** For each tensor, the further outputs of a kernel with several, by `siblingKey`. */
  readonly siblings = new Map<Node, Map<string, string>>();
  /** The further outputs that the graph uses; kernels compute some only on request. */
  readonly wantedSiblings = new Map<Node, Set<string>>();

  constructor(
    graph: Graph,
    /** Lowers one op: the table of lowerings.ts. */
    private readonly lowerOp: (node: Node, lowering: Lowering) => string,
    readonly kernels: Kernels,
  ) {
    for (const node of graph.nodes) {
      const key = siblingKey(node);
      if (key === undefined) continue;
      const x = node.inputs[0]!;
      const keys = this.wantedSiblings.get(x) ?? new Set();
      this.wantedSiblings.set(x, keys.add(key));
    }
  }

  /** Keeps a kernel's further output for the node that asks for it. */
  share(x: Node, key: string, value: string): void {
    const known = this.siblings.get(x) ?? new Map<string, string>();
    this.siblings.set(x, known.set(key, value));
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

/** The name of a kernel's further output; undefined for every other op. */
export function siblingKey(node: Node): string | undefined {
  if (is(node, "layerNormMean")) return `mean ${node.attrs.dims}`;
  if (is(node, "layerNormInvStd")) return `invStd ${node.attrs.dims} ${node.attrs.eps}`;
  if (is(node, "maxPool") || is(node, "maxPoolIndices") || is(node, "topK") || is(node, "topKIndices")) {
    return `${node.op} ${JSON.stringify(node.attrs)}`;
  }
  return undefined;
}
