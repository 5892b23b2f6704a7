import type { Node } from "./node";
import type { OpAttrs, OpName } from "./ops";

/** What an op does with its operands' elements and dimensions, as far as several ops are alike in it. */
export type OpKind =
  /** Has no operands. */
  | "leaf"
  /** Each element from the element at the same place of the one operand. */
  | "unary"
  /** The first operand as it is, marked. */
  | "identity"
  /** Each element from the elements at the same place of two operands that are broadcast together. */
  | "binary"
  /** As `binary`, of a condition and two operands. */
  | "select"
  /** Sums of products over a dimension that both operands have. */
  | "product"
  /** Slides a window over the dimensions behind the channels. */
  | "window"
  /** The operand's elements at other places, as PyTorch's views are. */
  | "view"
  /** The operands' elements beside others. */
  | "join"
  /** Reads or writes at places that an operand names. */
  | "indexing"
  /** One element from all along some axes. */
  | "reduction"
  /** The largest or smallest along an axis, or where they stand. */
  | "order"
  /** Each element from those before it along an axis. */
  | "scan"
  /** Each element from itself and all along some axes. */
  | "normalization"
  /** What a normalization is computed with. */
  | "statistic";

/**
 * The kind of each op. A table that treats all ops of a kind alike is made with `forKind`, so that an op that is added
 * is in it by its kind; one that does not is over `OpName`, and the compiler says that the op is missing.
 */
export const OP_KINDS = {
  input: "leaf",
  parameter: "leaf",
  constant: "leaf",
  arange: "leaf",

  neg: "unary",
  abs: "unary",
  sign: "unary",
  exp: "unary",
  log: "unary",
  sqrt: "unary",
  reciprocal: "unary",
  sin: "unary",
  cos: "unary",
  tanh: "unary",
  sigmoid: "unary",
  erf: "unary",
  atan: "unary",
  log1p: "unary",
  expm1: "unary",
  relu: "unary",
  gelu: "unary",
  floor: "unary",
  ceil: "unary",
  round: "unary",
  not: "unary",
  cast: "unary",

  dropout: "identity",
  detach: "identity",
  layer: "identity",

  add: "binary",
  sub: "binary",
  mul: "binary",
  div: "binary",
  pow: "binary",
  maximum: "binary",
  minimum: "binary",
  equal: "binary",
  less: "binary",
  lessEqual: "binary",
  and: "binary",
  or: "binary",
  where: "select",

  linear: "product",
  matmul: "product",

  conv: "window",
  convTranspose: "window",
  maxPool: "window",
  maxPoolIndices: "window",

  reshape: "view",
  transpose: "view",
  expand: "view",
  slice: "view",
  concat: "join",
  pad: "join",

  gather: "indexing",
  scatterAdd: "indexing",
  gatherElements: "indexing",
  scatterElements: "indexing",
  scatterElementsAdd: "indexing",

  sum: "reduction",
  mean: "reduction",
  max: "reduction",
  min: "reduction",
  prod: "reduction",
  argmax: "order",
  argmin: "order",
  topK: "order",
  topKIndices: "order",
  cumsum: "scan",

  softmax: "normalization",
  logSoftmax: "normalization",
  layerNorm: "normalization",
  layerNormMean: "statistic",
  layerNormInvStd: "statistic",
} as const satisfies Readonly<Record<OpName, OpKind>>;

type Kinds = typeof OP_KINDS;

/** The ops of a kind. */
export type OpsOf<K extends OpKind> = { [O in keyof Kinds]: Kinds[O] extends K ? O : never }[keyof Kinds];

/** Those of them that have no attributes. */
export type PlainOpsOf<K extends OpKind> = {
  [O in OpsOf<K>]: keyof OpAttrs[O] extends never ? O : never;
}[OpsOf<K>];

/** Rows of a table: the value for each op of the kind. */
export function forKind<K extends OpKind, V>(kind: K, value: V): { readonly [O in OpsOf<K>]: V } {
  const ops = Object.entries(OP_KINDS).filter(([, its]) => its === kind);
  return Object.fromEntries(ops.map(([op]) => [op, value])) as { [O in OpsOf<K>]: V };
}

/** Narrows a node to the ops of a kind. */
export function isOf<K extends OpKind>(node: Node, kind: K): node is Node<OpsOf<K>> {
  return OP_KINDS[node.op] === kind;
}
