import type { Initializer } from "../../../model";
import { PyObject, Unknown, type Value } from "../../values";
import { initFunctions } from "../init";
import { stateOf } from "../module";
import { copyTensor } from "../parameter";
import { type Construction, layer, notYet, product, type Size, ZERO } from "./layer";

/** MultiheadAttention and the transformer layers: counted and shown; not executable yet. */

function xavier(fanIn: Size, fanOut: Size): Exclude<Initializer, { kind: "graph" }> {
  const known = !(fanIn instanceof Unknown) && !(fanOut instanceof Unknown) && fanIn + fanOut > 0;
  const bound = known ? Math.sqrt(3) * Math.sqrt(2 / (fanIn + fanOut)) : 0;
  return { kind: "uniform", low: -bound, high: bound };
}

layer(
  "MultiheadAttention",
  "embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None, batch_first=False, device=None, dtype=None",
  {
    build(c) {
      const [width, heads] = [c.size("embed_dim"), c.size("num_heads")];
      if (!(width instanceof Unknown) && !(heads instanceof Unknown) && width % heads !== 0) {
        throw c.error("AssertionError", "embed_dim must be divisible by num_heads");
      }
      const keys = c.args.kdim == null ? width : c.size("kdim");
      const values = c.args.vdim == null ? width : c.size("vdim");
      const bias = c.flag("bias");
      const state = stateOf(c.self, c.runtime);
      // out_proj is made, and drawn, before the input projections are; it is registered after them.
      const out = c.make("NonDynamicallyQuantizableLinear", [width, width], { bias });
      const triple = product([3, width]);
      if (keys === width && values === width) {
        c.parameter("in_proj_weight", [triple, width], xavier(width, triple));
        for (const name of ["q_proj_weight", "k_proj_weight", "v_proj_weight"]) c.noParameter(name);
      } else {
        c.parameter("q_proj_weight", [width, width], xavier(width, width));
        c.parameter("k_proj_weight", [width, keys], xavier(keys, width));
        c.parameter("v_proj_weight", [width, values], xavier(values, width));
        c.noParameter("in_proj_weight");
      }
      if (bias) c.parameter("in_proj_bias", [triple], ZERO);
      else c.noParameter("in_proj_bias");
      c.child("out_proj", out);
      const outBias = stateOf(out, c.runtime).parameters.get("bias");
      if (outBias) c.runtime.call(initFunctions.get("zeros_")!, [outBias]);
      if (c.flag("add_bias_kv")) {
        const known = width instanceof Unknown ? 0 : width;
        const initializer = { kind: "normal", mean: 0, std: known > 0 ? Math.sqrt(2 / (known + known)) : 0 } as const;
        c.parameter("bias_k", [1, 1, width], initializer);
        c.parameter("bias_v", [1, 1, width], initializer);
      } else {
        state.parameters.set("bias_k", null);
        state.parameters.set("bias_v", null);
      }
    },
    inputs:
      "query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False",
    forward: notYet,
  },
);

const LAYER =
  "d_model, nhead, dim_feedforward=2048, dropout=0.1, activation='relu', layer_norm_eps=1e-05, batch_first=False, norm_first=False, bias=True, device=None, dtype=None";

function transformerLayer(c: Construction, attentions: readonly string[]): void {
  const a = c.args;
  const [width, hidden] = [c.size("d_model"), c.size("dim_feedforward")];
  const bias = a.bias ?? true;
  for (const name of attentions) {
    c.child(
      name,
      c.make("MultiheadAttention", [width, a.nhead ?? null], {
        dropout: a.dropout ?? null,
        batch_first: a.batch_first ?? false,
        bias,
      }),
    );
  }
  c.child("linear1", c.make("Linear", [width, hidden], { bias }));
  c.child("dropout", c.make("Dropout", [a.dropout ?? null]));
  c.child("linear2", c.make("Linear", [hidden, width], { bias }));
  const norms = attentions.length + 1;
  for (let i = 1; i <= norms; i++)
    c.child(`norm${i}`, c.make("LayerNorm", [width], { eps: a.layer_norm_eps ?? null, bias }));
  for (let i = 1; i <= norms; i++) c.child(`dropout${i}`, c.make("Dropout", [a.dropout ?? null]));
}
layer("TransformerEncoderLayer", LAYER, {
  build: (c) => transformerLayer(c, ["self_attn"]),
  inputs: "src, src_mask=None, src_key_padding_mask=None, is_causal=False",
  forward: notYet,
});
const DECODER_INPUTS =
  "tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False";
layer("TransformerDecoderLayer", LAYER, {
  build: (c) => transformerLayer(c, ["self_attn", "multihead_attn"]),
  inputs: DECODER_INPUTS,
  forward: notYet,
});

/**
 * The stack copies one layer, values included (copy.deepcopy), and draws nothing of its own: each copy's parameters take
 * the prototype's draw, by their order.
 */
function stack(c: Construction, prototype: Value, count: Size): void {
  if (!(prototype instanceof PyObject) || count instanceof Unknown) {
    throw c.error("TypeError", "a transformer stack needs a layer and a known number of layers");
  }
  const list = c.make("ModuleList", []);
  for (let i = 0; i < count; i++) stateOf(list, c.runtime).modules.set(String(i), copyModule(prototype, c));
  c.child("layers", list);
  if (c.args.norm instanceof PyObject) c.child("norm", c.args.norm);
  else stateOf(c.self, c.runtime).modules.set("norm", null);
}

function copyModule(module: PyObject, c: Construction): PyObject {
  const state = stateOf(module, c.runtime);
  const copy = new PyObject(module.type, module.place);
  for (const [name, value] of module.attributes) copy.attributes.set(name, value);
  copy.module = {
    parameters: new Map([...state.parameters].map(([name, p]) => [name, p && copyTensor(p)])),
    buffers: new Map([...state.buffers].map(([name, b]) => [name, { ...b, tensor: b.tensor && copyTensor(b.tensor) }])),
    modules: new Map([...state.modules].map(([name, m]) => [name, m && copyModule(m, c)])),
    training: state.training,
    options: { ...state.options },
  };
  return copy;
}

layer("TransformerEncoder", "encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True", {
  build: (c) => stack(c, c.args.encoder_layer ?? null, c.size("num_layers")),
  inputs: "src, mask=None, src_key_padding_mask=None, is_causal=None",
  forward: notYet,
});
layer("TransformerDecoder", "decoder_layer, num_layers, norm=None", {
  build: (c) => stack(c, c.args.decoder_layer ?? null, c.size("num_layers")),
  inputs: DECODER_INPUTS,
  forward: notYet,
});
