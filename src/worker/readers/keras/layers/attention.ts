import { arange, binary, matmul, reshape, scalar, softmax, transpose, where } from "../../../graph/build";
import { Node } from "../../../graph/node";
import { Config, ConfigError, dimsOf, Untraceable } from "../config";
import type { JsonObject } from "../json";
import type { LayerCall, LayerKind } from "../layer";
import { projected } from "./core";
import { times } from "./spatial";

/** Keras's attention layers. */

/** Keras's: large enough that its exponential is zero. */
const MASKED = -3.4028234663852886e38 / 2;

/**
 * MultiHeadAttention(query, value, key = value): projections to heads, softmax(Q K^T / sqrt(key_dim)) V, and back.
 * Its four projections are layers of their own, `<path>.query` and so on, which adapters can target.
 */
const multiHeadAttention: LayerKind = (call) => {
  const { config, layer, kwargs } = call;
  const [query, value = namedInput(call, "value"), key = namedInput(call, "key") ?? value] = call.inputs;
  if (!query || !value || !key) throw new ConfigError("it is called without a query and a value");
  if (query.shape.length !== 3)
    throw new Untraceable("attention over more than one axis is not supported", query.shape);
  if (config.flag("use_gate", false)) throw new Untraceable("gated attention is not supported", query.shape);
  for (const mask of ["attention_mask", "query_mask", "value_mask", "key_mask"]) {
    const given = kwargs.get(mask);
    const none = given === undefined || (!(given instanceof Node) && "literal" in given && given.literal === null);
    if (!none) throw new Untraceable(`a given ${mask} is not supported; use_causal_mask is`, query.shape);
  }
  const heads = config.count("num_heads");
  const keyDim = config.count("key_dim");
  const valueDim = config.count("value_dim", keyDim);
  const bias = config.flag("use_bias", true);
  const outDims = dimsOf(config.get("output_shape")) ?? [query.shape.at(-1)];
  if (outDims.length !== 1 || outDims[0] === undefined) {
    throw new Untraceable("an output of more than one axis is not supported");
  }
  const outFeatures = outDims[0];

  const into = (name: string, x: Node, dim: number): Node => {
    const part = layer.part(name, "EinsumDense", projectionConfig(config), `${name}_dense`);
    const inFeatures = x.shape.at(-1)!;
    part.features = { inFeatures, outFeatures: heads * dim, bias };
    const kernel = part.weight("kernel", [inFeatures, heads, dim], "glorot_uniform");
    const y = projected(x, kernel, bias ? part.weight("bias", [heads, dim], "zeros") : undefined, 1);
    return transpose(y, [0, 2, 1, 3]);
  };
  // Keras builds them in this order, which is that of their weights.
  const q = into("query", query, keyDim);
  const k = into("key", key, keyDim);
  const v = into("value", value, valueDim);
  let scores = times(matmul(q, k, { transposeB: true }), 1 / Math.sqrt(keyDim));
  if (flagArgument(kwargs, "use_causal_mask")) scores = causal(scores);
  const mixed = transpose(matmul(softmax(scores, 3), v), [0, 2, 1, 3]);
  const part = layer.part("attention_output", "EinsumDense", projectionConfig(config), "output_dense");
  part.features = { inFeatures: heads * valueDim, outFeatures, bias };
  const kernel = part.weight("kernel", [heads, valueDim, outFeatures], "glorot_uniform");
  return projected(mixed, kernel, bias ? part.weight("bias", [outFeatures], "zeros") : undefined, 2);
};

function namedInput({ kwargs }: LayerCall, name: string): Node | undefined {
  const given = kwargs.get(name);
  return given instanceof Node ? given : undefined;
}

function flagArgument(kwargs: LayerCall["kwargs"], name: string): boolean {
  const given = kwargs.get(name);
  return given !== undefined && !(given instanceof Node) && "literal" in given && given.literal === true;
}

function projectionConfig(config: Config): Config {
  const json: Record<string, JsonObject[string]> = {};
  for (const key of ["kernel_initializer", "bias_initializer"]) {
    const value = config.get(key);
    if (value !== undefined) json[key] = value;
  }
  return new Config(json);
}

/** Scores [..., T, S]: a query sees what is not after it. */
function causal(scores: Node): Node {
  const [rows, columns] = [scores.shape.at(-2)!, scores.shape.at(-1)!];
  const row = reshape(arange(rows, "int64"), [rows, 1]);
  const column = reshape(arange(columns, "int64"), [1, columns]);
  return where(binary("lessEqual", column, row), scores, scalar(MASKED));
}

/** Attention(query, value, key): dot-product attention without projections (Luong et al., 2015). */
const attention: LayerKind = ({ config, inputs, layer, kwargs }) => {
  const [query, value, key = value] = inputs;
  if (!query || !value || !key) throw new ConfigError("it is called without a query and a value");
  if (config.text("score_mode", "dot") !== "dot") throw new Untraceable("only the score_mode dot is supported");
  let scores = matmul(query, key, { transposeB: true });
  if (config.flag("use_scale", false)) {
    scores = binary("mul", scores, layer.weight("scale", [], "ones"));
  }
  if (flagArgument(kwargs, "use_causal_mask") || config.flag("causal", false)) scores = causal(scores);
  return matmul(softmax(scores, scores.shape.length - 1), value);
};

export const ATTENTIONS: Readonly<Record<string, LayerKind>> = {
  MultiHeadAttention: multiHeadAttention,
  Attention: attention,
};
