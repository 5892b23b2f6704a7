import type { Initializer } from "../../model";
import { Unknown } from "../values/unknown";
import { PyNamespace, PyNative, type Value } from "../values/values";
import { embedding } from "./torch/functions/neural";
import { linear } from "./torch/functions/products";
import { type Construction, layer, type Size, ZERO } from "./torch/layers/layer";

/**
 * fairscale's model-parallel layers, which LLaMA's original source is made of, on one device: each holds its whole
 * weight, and gathering and scattering do nothing.
 */

/** torch.nn.init.xavier_normal_, the default of `init_method`. */
function xavierNormal(fanIn: Size, fanOut: Size): Exclude<Initializer, { kind: "graph" }> {
  const known = !(fanIn instanceof Unknown) && !(fanOut instanceof Unknown);
  return { kind: "normal", mean: 0, std: known ? Math.sqrt(2 / (fanIn + fanOut)) : 0 };
}

function buildLinear(c: Construction): void {
  const [inFeatures, outFeatures] = [c.size("in_features"), c.size("out_features")];
  c.parameter("weight", [outFeatures, inFeatures], xavierNormal(inFeatures, outFeatures));
  if (c.flag("bias")) c.parameter("bias", [outFeatures], ZERO);
  else c.noParameter("bias");
}

const linears = (["ColumnParallelLinear", "RowParallelLinear"] as const).map((name) => {
  const gathering = name === "ColumnParallelLinear" ? "gather_output=True" : "input_is_parallel=False";
  const rest = "init_method=None, stride=1, keep_master_weight_for_test=False";
  return layer(name, `in_features, out_features, bias=True, ${gathering}, ${rest}`, {
    build: buildLinear,
    forward: (a) => linear(a.input, a.required("weight"), a.weight("bias")),
  });
});

const embeddings = (["ParallelEmbedding", "VocabParallelEmbedding"] as const).map((name) => {
  const options = "padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False";
  const signature = `num_embeddings, embedding_dim, ${options}, init_method=None, keep_master_weight_for_test=False`;
  return layer(name, signature, {
    build(c) {
      const [rows, width] = [c.size("num_embeddings"), c.size("embedding_dim")];
      c.parameter("weight", [rows, width], xavierNormal(width, rows));
    },
    forward: (a) => embedding(a.input, a.required("weight")),
  });
});

const types = [...linears, ...embeddings];
/** Names of the layers, which torch.nn does not have. */
export const FAIRSCALE_LAYERS = types.map((type) => type.name);

const answer = (name: string, value: Value): [string, Value] => [
  name,
  new PyNative(name, "*args, **kwargs", () => value),
];
const layers = new PyNamespace("fairscale.nn.model_parallel.layers", new Map(types.map((type) => [type.name, type])));
const initialize = new PyNamespace(
  "fairscale.nn.model_parallel.initialize",
  new Map([
    answer("initialize_model_parallel", null),
    answer("model_parallel_is_initialized", true),
    answer("get_model_parallel_world_size", 1),
    answer("get_model_parallel_rank", 0),
  ]),
);
const parallel = new PyNamespace(
  "fairscale.nn.model_parallel",
  new Map([
    ["layers", layers],
    ["initialize", initialize],
  ]),
);
const nn = new PyNamespace("fairscale.nn", new Map([["model_parallel", parallel]]));
const fairscale = new PyNamespace("fairscale", new Map([["nn", nn]]));
export const FAIRSCALE_MODULES: readonly PyNamespace[] = [fairscale, nn, parallel, layers, initialize];
