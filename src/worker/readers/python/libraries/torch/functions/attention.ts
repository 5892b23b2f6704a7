import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { shapeText } from "../../../../../graph/shapes";
import { type BoundArgs, PyError, type Runtime, type Value } from "../../../values/values";
import { intArg, numberArg, optionalTensor, tensorArg, tuple } from "../registry/arguments";
import { define, nodeArg } from "../registry/table";
import { nodeOf, wrap } from "../tensor/tensor";
import { linear } from "./products";

/** Multi-head attention with its own projections, as torch.nn.functional.multi_head_attention_forward computes it. */

export interface AttentionWeights {
  /** [3 E, E], or the three apart. */
  readonly packed: Node | undefined;
  readonly separate: readonly [Node, Node, Node] | undefined;
  /** [3 E] */
  readonly inBias: Node | undefined;
  readonly out: Node;
  readonly outBias: Node | undefined;
  /** [1, 1, E]: one more key and value for every sequence. */
  readonly keyBias: Node | undefined;
  readonly valueBias: Node | undefined;
}

export interface AttentionOptions {
  readonly heads: number;
  /** Of the attention weights; 0 outside training. */
  readonly dropout: number;
  readonly addZero: boolean;
  /** [N, S]; true or minus infinity where a key is not to be looked at. */
  readonly keyPadding: Node | undefined;
  /** [L, S] or [N * heads, L, S]. */
  readonly mask: Node | undefined;
}

/** A boolean mask in PyTorch's attention layers is true where looking is forbidden. */
function additive(mask: Node, dtype: Node["dtype"]): Node {
  if (mask.dtype !== "bool") return build.cast(mask, dtype);
  return build.where(mask, build.scalar(Number.NEGATIVE_INFINITY, dtype), build.scalar(0, dtype));
}

function projections(q: Node, k: Node, v: Node, weights: AttentionWeights): [Node, Node, Node] {
  const { packed, separate, inBias } = weights;
  if (packed && q === k && k === v) {
    const all = linear(q, packed, inBias);
    const width = packed.shape[0]! / 3;
    const part = (i: number): Node => build.narrow(all, all.shape.length - 1, i * width, (i + 1) * width);
    return [part(0), part(1), part(2)];
  }
  const rows = (n: Node, i: number): Node => build.narrow(n, 0, (i * n.shape[0]!) / 3, ((i + 1) * n.shape[0]!) / 3);
  const project = (x: Node, i: number): Node =>
    linear(x, packed ? rows(packed, i) : separate![i]!, inBias && rows(inBias, i));
  return [project(q, 0), project(k, 1), project(v, 2)];
}

/** query [L, N, E], key and value [S, N, E] -> the output [L, N, E] and the weights of each head [N, heads, L, S]. */
export function multiHeadAttention(
  query: Node,
  key: Node,
  value: Node,
  weights: AttentionWeights,
  options: AttentionOptions,
): { readonly output: Node; readonly attention: Node } {
  const { heads } = options;
  const [length, batch, width] = query.shape as [number, number, number];
  let [q, k, v] = projections(query, key, value, weights);
  const { dtype } = q;
  let mask = options.mask && additive(options.mask, dtype);
  let padding = options.keyPadding && additive(options.keyPadding, dtype);
  const widened = (n: Node | undefined): Node | undefined =>
    n &&
    build.pad(
      n,
      n.shape.map(() => 0),
      n.shape.map((_, i) => (i === n.shape.length - 1 ? 1 : 0)),
    );
  if (weights.keyBias && weights.valueBias) {
    k = build.concat([k, build.expand(weights.keyBias, [1, batch, k.shape[2]!])], 0);
    v = build.concat([v, build.expand(weights.valueBias, [1, batch, v.shape[2]!])], 0);
    [mask, padding] = [widened(mask), widened(padding)];
  }
  const split = (n: Node): Node =>
    build.transpose(build.reshape(n, [n.shape[0]!, batch, heads, n.shape[2]! / heads]), [1, 2, 0, 3]);
  q = split(q);
  k = split(k);
  v = split(v);
  if (options.addZero) {
    const longer = (n: Node): Node => build.pad(n, [0, 0, 0, 0], [0, 0, 1, 0]);
    [k, v, mask, padding] = [longer(k), longer(v), widened(mask), widened(padding)];
  }
  const positions = k.shape[2]!;
  let scores = build.matmul(q, k, { transposeB: true, alpha: 1 / Math.sqrt(q.shape[3]!) });
  if (mask) scores = build.add(scores, headMask(mask, batch, heads, length, positions));
  if (padding) {
    if (padding.shape[0] !== batch || padding.shape[1] !== positions) {
      throw new PyError(
        "AssertionError",
        `expecting key_padding_mask shape of (${batch}, ${positions}), but got ${shapeText(padding.shape)}`,
      );
    }
    scores = build.add(scores, build.reshape(padding, [batch, 1, 1, positions]));
  }
  const attention = build.dropout(build.softmax(scores, 3), options.dropout);
  const joined = build.reshape(build.transpose(build.matmul(attention, v), [2, 0, 1, 3]), [length, batch, width]);
  return { output: linear(joined, weights.out, weights.outBias), attention };
}

function headMask(mask: Node, batch: number, heads: number, length: number, positions: number): Node {
  const expected = mask.shape.length === 2 ? [length, positions] : [batch * heads, length, positions];
  if (mask.shape.length !== expected.length || mask.shape.some((d, i) => d !== expected[i])) {
    throw new PyError(
      "RuntimeError",
      `The shape of the ${mask.shape.length}D attn_mask is ${shapeText(mask.shape)}, but should be ${shapeText(expected)}.`,
    );
  }
  return mask.shape.length === 2 ? mask : build.reshape(mask, [batch, heads, length, positions]);
}

/** The weights as PyTorch returns them: [N, L, S] averaged over the heads, or [N, heads, L, S]. */
export function shownWeights(attention: Node, averaged: boolean): Node {
  return averaged ? build.reduce("mean", attention, [1], false) : attention;
}

const optional = (args: BoundArgs, name: string, runtime: Runtime): Node | undefined => {
  const tensor = optionalTensor(args, name);
  return tensor && nodeOf(tensor, runtime);
};

define(
  ["F"],
  "multi_head_attention_forward",
  "query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True, is_causal=False",
  (args, runtime): Value => {
    const apart = args.use_separate_proj_weight === true;
    const [q, k, v] = ["query", "key", "value"].map((name) => nodeArg(args, name, runtime)) as [Node, Node, Node];
    const { output, attention } = multiHeadAttention(
      q,
      k,
      v,
      {
        packed: apart ? undefined : nodeOf(tensorArg(args, "in_proj_weight"), runtime),
        separate: apart
          ? [
              nodeArg(args, "q_proj_weight", runtime),
              nodeArg(args, "k_proj_weight", runtime),
              nodeArg(args, "v_proj_weight", runtime),
            ]
          : undefined,
        inBias: optional(args, "in_proj_bias", runtime),
        out: nodeArg(args, "out_proj_weight", runtime),
        outBias: optional(args, "out_proj_bias", runtime),
        keyBias: optional(args, "bias_k", runtime),
        valueBias: optional(args, "bias_v", runtime),
      },
      {
        heads: intArg(args, "num_heads"),
        dropout: args.training === true ? numberArg(args, "dropout_p") : 0,
        addZero: args.add_zero_attn === true,
        keyPadding: optional(args, "key_padding_mask", runtime),
        mask: optional(args, "attn_mask", runtime),
      },
    );
    const weights =
      args.need_weights === false ? null : wrap(shownWeights(attention, args.average_attn_weights !== false));
    return tuple([wrap(output), weights]);
  },
);
