import type { DType } from "../formats/dtype";
import type { TensorData } from "../formats/tensor";

type None = Record<never, never>;

/**
 * The primitive ops and their attributes. Each has a kind in kinds.ts. Engines, autodiff, constant folding and the
 * Python reader hold tables over `OpName`, so adding an op here makes the compiler name every place that has to learn it.
 *
 * Conventions: axes are non-negative; binary ops broadcast as NumPy does; both operands have one dtype (the tracer
 * inserts casts by PyTorch's promotion rules). `Node`s have exactly one output.
 */
export interface OpAttrs {
  // Leaves
  /**
   * Fed at run time by name. `mask`: the runner fills it with a dropout mask, 0 or 1/(1-p), drawn from its seed. `noise`:
   * with standard normal numbers, or uniform ones in [0, 1).
   */
  input: { readonly name: string; readonly mask?: { readonly p: number }; readonly noise?: "normal" | "uniform" };
  /** A model weight, bound at compile time by its state-dict path. */
  parameter: { readonly path: string };
  /** Literal data, row-major; length 1 or the full size. Length 1 fills the whole shape. */
  constant: { readonly data: TensorData };
  /** 1-D: start, start + step, ... */
  arange: { readonly start: number; readonly step: number };

  // Elementwise, one operand
  neg: None;
  abs: None;
  sign: None;
  exp: None;
  log: None;
  sqrt: None;
  reciprocal: None;
  sin: None;
  cos: None;
  tanh: None;
  sigmoid: None;
  erf: None;
  atan: None;
  /** log(1 + x) and exp(x) - 1, precise near 0. */
  log1p: None;
  expm1: None;
  relu: None;
  /** `tanh` picks the tanh approximation, otherwise the exact erf form. */
  gelu: { readonly approximate: "none" | "tanh" };
  floor: None;
  ceil: None;
  /** Half to even, as PyTorch and ONNX round. */
  round: None;
  not: None;
  cast: { readonly to: DType };
  /** Identity in evaluation. passes/dropout turns it into a mask product for training, or removes it. */
  dropout: { readonly p: number };
  /** Identity; no gradient passes through it: Tensor.detach. */
  detach: None;

  // Elementwise, two operands (broadcasting)
  add: None;
  sub: None;
  mul: None;
  div: None;
  pow: None;
  maximum: None;
  minimum: None;
  equal: None;
  less: None;
  lessEqual: None;
  and: None;
  or: None;
  /** (condition: bool, a, b) */
  where: None;

  // Products
  /** (x[..., in], weight[out, in], bias[out]?) -> [..., out]: PyTorch's F.linear. */
  linear: Partial<LayerMark>;
  /**
   * (a[..., m, k], b[..., k, n], c?) -> alpha * op(a) @ op(b) + c, with op swapping the last two axes where asked.
   * Leading axes broadcast; c broadcasts to the result.
   */
  matmul: {
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly alpha: number;
  } & Partial<LayerMark>;
  /** (output, input) -> output: the result of a linear layer's call, if it is more than a product of its input. */
  layer: LayerMark;

  // Windows: [N, C, ...spatial] with one to three spatial axes; each list has an entry for each of them
  /** (x[N, C, ...], weight[O, C/groups, ...], bias[O]?): PyTorch's F.conv1d to F.conv3d. Padding is with zeros. */
  conv: ConvAttrs;
  /**
   * (x[N, C, ...], weight[C, O/groups, ...], bias[O]?): PyTorch's F.conv_transpose1d to 3d, the gradient of conv by its
   * input. `extra` is output_padding: how much longer the result is at its end.
   */
  convTranspose: ConvAttrs & { readonly extra: readonly number[] };
  /** Largest value of each window; padding never wins. */
  maxPool: PoolAttrs;
  /** int64: the position of each window's largest value among its channel's elements; the first of equals. */
  maxPoolIndices: PoolAttrs;

  // Shape
  reshape: { readonly shape: readonly number[] };
  transpose: { readonly perm: readonly number[] };
  /** Broadcasts to `shape`. */
  expand: { readonly shape: readonly number[] };
  /** One entry for every axis; steps are positive; ends are clamped and exclusive. */
  slice: { readonly starts: readonly number[]; readonly ends: readonly number[]; readonly steps: readonly number[] };
  /** One or more operands. */
  concat: { readonly axis: number };
  /** Constant padding, one entry for every axis, never negative. */
  pad: { readonly before: readonly number[]; readonly after: readonly number[]; readonly value: number };

  // Indexing. Index tensors are int64 or int32, non-negative.
  /** (data, indices of any rank): data's `axis` is replaced by the indices' shape; torch.index_select, embedding. */
  gather: { readonly axis: number };
  /** (indices, updates) -> zeros(shape) with updates added at indices along `axis`: the gradient of gather. */
  scatterAdd: { readonly axis: number; readonly shape: readonly number[] };
  /** (data, indices of data's rank): torch.gather. */
  gatherElements: { readonly axis: number };
  /** (data, indices of data's rank, updates): data with updates in place of elements along `axis`; torch.scatter. */
  scatterElements: { readonly axis: number };
  /** (indices, updates) -> zeros(shape) with updates added: the gradient of gatherElements. */
  scatterElementsAdd: { readonly axis: number; readonly shape: readonly number[] };

  // Reductions
  sum: ReduceAttrs;
  mean: ReduceAttrs;
  max: ReduceAttrs;
  min: ReduceAttrs;
  prod: ReduceAttrs;
  /** int64; the first of equals. */
  argmax: { readonly axis: number; readonly keepDims: boolean };
  argmin: { readonly axis: number; readonly keepDims: boolean };
  /** The k largest or smallest along `axis`, in order; of equals the first comes first. With k = all of them, a sort. */
  topK: TopKAttrs;
  /** int64: where they stand. An engine may share it with the topK of the same x. */
  topKIndices: TopKAttrs;
  cumsum: { readonly axis: number };

  // Normalization
  softmax: { readonly axis: number };
  logSoftmax: { readonly axis: number };
  /** (x, weight?, bias?) over the last `dims` axes. With a bias there is always a weight. */
  layerNorm: { readonly dims: number; readonly eps: number };
  /** Mean over the last `dims` axes, kept as size 1. An engine may share it with the layerNorm of the same x. */
  layerNormMean: { readonly dims: number };
  /** 1/sqrt(variance + eps) over the last `dims` axes, kept as size 1; the variance is the biased one. */
  layerNormInvStd: { readonly dims: number; readonly eps: number };
}

/** The call of a linear layer: where its adapter goes. What reads the layer's weight without calling it has none. */
export interface LayerMark {
  /** The layer's path. */
  readonly layer: string;
  /** In evaluation PyTorch computes it in a kernel of its own from the layer's weight, past whatever wraps the layer. */
  readonly fused?: true;
}

export interface ReduceAttrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

export interface TopKAttrs {
  readonly k: number;
  readonly axis: number;
  readonly largest: boolean;
}

export interface ConvAttrs {
  readonly strides: readonly number[];
  /** Padding at the start and at the end. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

export interface PoolAttrs {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly dilations: readonly number[];
}

export type OpName = keyof OpAttrs;
