import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import type { Initializer } from "../../../../model";
import { findMember } from "../../../values/members";
import { EvaluationError, Unknown } from "../../../values/unknown";
import { PyError, PyNative, PyObject, PyTensor, type Runtime, type Value } from "../../../values/values";
import { multiHeadAttention, shownWeights } from "../functions/attention";
import { callStandIn } from "../layerCalls";
import { isModule, stateOf } from "../module/module";
import { initFunctions } from "../random/init";
import { intArg, isNumber, numberOf, sequenceOf, tuple } from "../registry/arguments";
import { functionalFunctions } from "../registry/table";
import { listableTensors } from "../tensor/listable";
import { copyTensor } from "../tensor/parameter";
import { nodeOf, wrap } from "../tensor/tensor";
import { type Application, type Construction, divided, layer, layerOption, product, type Size, ZERO } from "./layer";

/** MultiheadAttention and the transformer layers. */

/** Key, value and query may leave the batch out: [L, E]; the result then does too. */
function attend(a: Application): Value {
  const optional = (name: string): Node | undefined => {
    const value = a.args[name];
    return value instanceof PyTensor ? nodeOf(value, a.runtime) : undefined;
  };
  const inner = stateOf(a.self, a.runtime).modules.get("out_proj");
  if (!inner) throw new PyError("AttributeError", "MultiheadAttention has no out_proj", a.runtime.place);
  const projection = stateOf(inner, a.runtime).parameters;
  const outBias = projection.get("bias");
  const mask = optional("attn_mask");
  if (a.args.is_causal === true && !mask) {
    throw new PyError("RuntimeError", "Need attn_mask if specifying the is_causal hint.", a.runtime.place);
  }
  const unbatched = a.tensor("query").shape.length === 2;
  const batchFirst = a.option("batch_first") === true && !unbatched;
  const laidOut = new Map<Node, Node>();
  const arranged = (name: string): Node => {
    const x = a.tensor(name);
    if (x.shape.length !== (unbatched ? 2 : 3)) {
      throw new PyError("AssertionError", `For MultiheadAttention, ${name} must have ${unbatched ? 2 : 3} dimensions`);
    }
    let y = laidOut.get(x);
    if (!y) {
      if (unbatched) y = build.reshape(x, [x.shape[0]!, 1, x.shape[1]!]);
      else y = batchFirst ? build.transpose(x, [1, 0, 2]) : x;
      laidOut.set(x, y);
    }
    return y;
  };
  const padding = optional("key_padding_mask");
  const packed = a.weight("in_proj_weight");
  const { output, attention } = multiHeadAttention(
    arranged("query"),
    arranged("key"),
    arranged("value"),
    {
      packed,
      separate: packed
        ? undefined
        : [a.required("q_proj_weight"), a.required("k_proj_weight"), a.required("v_proj_weight")],
      inBias: a.weight("in_proj_bias"),
      out: nodeOf(projection.get("weight")!, a.runtime),
      outBias: outBias ? nodeOf(outBias, a.runtime) : undefined,
      keyBias: a.weight("bias_k"),
      valueBias: a.weight("bias_v"),
    },
    {
      heads: a.number("num_heads"),
      dropout: a.training ? a.number("dropout") : 0,
      addZero: a.option("add_zero_attn") === true,
      keyPadding: padding && unbatched ? build.reshape(padding, [1, padding.shape[0]!]) : padding,
      mask,
    },
  );
  const unbatch = (n: Node): Node => build.reshape(n, n.shape.slice(1));
  let result = output;
  if (unbatched) result = build.reshape(output, [output.shape[0]!, output.shape[2]!]);
  else if (batchFirst) result = build.transpose(output, [1, 0, 2]);
  if (a.args.need_weights === false) return tuple([wrap(result), null]);
  const weights = shownWeights(attention, a.args.average_attn_weights !== false);
  return tuple([wrap(result), wrap(unbatched ? unbatch(weights) : weights)]);
}

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
      c.show("kdim", keys);
      c.show("vdim", values);
      c.show("_qkv_same_embed_dim", keys === width && values === width);
      c.show("head_dim", divided(width, heads));
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
        c.show("bias_k", null);
        c.show("bias_v", null);
      }
    },
    inputs:
      "query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False",
    forward: attend,
    without: ["bias", "add_bias_kv"],
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
  const activation = activationFunction(a.activation ?? null, c.runtime);
  if (isModule(activation)) c.child("activation", activation);
  else c.show("activation", activation);
}

/** Arguments that a transformer layer hands on to its parts. */
const HANDED_ON = ["d_model", "nhead", "dim_feedforward", "dropout", "layer_norm_eps", "batch_first", "bias"] as const;

/** A child of a transformer layer, applied. */
function sub(a: Application, name: string, args: readonly Value[], kwargs?: Readonly<Record<string, Value>>): Value {
  const module = stateOf(a.self, a.runtime).modules.get(name);
  if (!module) throw new PyError("AttributeError", `'${a.self.type.name}' object has no attribute '${name}'`);
  return a.runtime.call(module, args, new Map(Object.entries(kwargs ?? {})));
}

function tensorOf(value: Value, a: Application): Node {
  if (value instanceof PyTensor) return nodeOf(value, a.runtime);
  if (value instanceof Unknown) throw new EvaluationError(`this layer's input is unknown because ${value.reason}`);
  throw new PyError("TypeError", `${a.self.type.name} expects tensors`, a.runtime.place);
}

const addTensors = (x: Value, y: Value, a: Application): Value => wrap(build.add(tensorOf(x, a), tensorOf(y, a)));

/** x + block(norm(x)), or norm(x + block(x)): the layer's `norm_first`. */
function residual(a: Application, norm: string, x: Value, block: (x: Value) => Value): Value {
  if (a.option("norm_first") === true) return addTensors(x, block(sub(a, norm, [x])), a);
  return sub(a, norm, [addTensors(x, block(x), a)]);
}

interface Masks {
  readonly mask: Value;
  readonly padding: Value;
  readonly causal: Value;
}
function attended(a: Application, attention: string, dropout: string, x: Value, memory: Value, masks: Masks): Value {
  const result = sub(a, attention, [x, memory, memory], {
    attn_mask: masks.mask,
    key_padding_mask: masks.padding,
    is_causal: masks.causal,
    need_weights: false,
  });
  return sub(a, dropout, [sequenceOf(result)?.[0] ?? result]);
}

/** `activation` is a function's name or something to call. */
function activationFunction(activation: Value, runtime: Runtime): Value {
  if (typeof activation !== "string") return activation;
  if (activation !== "relu" && activation !== "gelu") {
    throw new PyError("RuntimeError", `activation should be relu/gelu, not ${activation}`, runtime.place);
  }
  return functionalFunctions.get(activation) ?? null;
}

/** 1 where the activation is ReLU, 2 where it is GELU: the fused kernel knows these. */
function fusedActivation(activation: Value): number {
  const names = ["relu", "gelu"];
  const found = names.findIndex((name) =>
    activation instanceof PyObject
      ? activation.type.mro.some((type) => type.builtin && type.name.toLowerCase() === name)
      : activation !== null && activation === functionalFunctions.get(name),
  );
  return found + 1;
}

/** `fused`: the two layers are computed from their weights, in the same kernel as the rest. */
function feedForward(a: Application, x: Value, dropout: string, fused = false): Value {
  const layer = (name: string, y: Value): Value => {
    const standsFor = fused ? stateOf(a.self, a.runtime).modules.get(name)?.standsFor : undefined;
    return standsFor ? callStandIn(standsFor, [y], new Map(), a.runtime, true) : sub(a, name, [y]);
  };
  const activation = activationFunction(a.option("activation"), a.runtime);
  const hidden = a.runtime.call(activation, [layer("linear1", x)]);
  return sub(a, dropout, [layer("linear2", sub(a, "dropout", [hidden]))]);
}

/**
 * Whether evaluation of a batch under `torch.no_grad()` takes the kernel that computes the whole layer from its weights
 * (TransformerEncoderLayer.forward's `why_not_sparsity_fast_path`), past what wraps its Linear layers.
 */
export function hasFastPath(object: PyObject): boolean {
  const { type, module } = object;
  if (!type.mro.includes(encoderLayer) || findMember(type, "forward") !== encoderLayer.members.get("forward"))
    return false;
  const attention = module?.modules.get("self_attn")?.module;
  if (!module || !attention) return false;
  const of = (name: string, option: string): Value => {
    const part = module.modules.get(name);
    return part ? layerOption(part, option) : null;
  };
  const heads = of("self_attn", "num_heads");
  const [eps1, eps2] = [of("norm1", "eps"), of("norm2", "eps")];
  return (
    fusedActivation(layerOption(object, "activation")) > 0 &&
    of("self_attn", "batch_first") === true &&
    attention.parameters.get("in_proj_bias") != null &&
    attention.parameters.get("in_proj_weight") != null &&
    typeof heads === "number" &&
    heads % 2 === 0 &&
    isNumber(eps1) &&
    isNumber(eps2) &&
    numberOf(eps1) === numberOf(eps2)
  );
}

const encoderLayer = layer("TransformerEncoderLayer", LAYER, {
  build(c) {
    transformerLayer(c, ["self_attn"]);
    c.show("activation_relu_or_gelu", fusedActivation(layerOption(c.self, "activation")));
  },
  without: HANDED_ON,
  inputs: "src, src_mask=None, src_key_padding_mask=None, is_causal=False",
  forward(a) {
    const { src, src_mask: mask = null, src_key_padding_mask: padding = null, is_causal: causal = false } = a.args;
    const attention = (x: Value): Value => attended(a, "self_attn", "dropout1", x, x, { mask, padding, causal });
    const isBatch = src instanceof PyTensor && src.shape.length === 3;
    const fused = isBatch && !a.training && hasFastPath(a.self);
    const y = residual(a, "norm1", src ?? null, attention);
    return residual(a, "norm2", y, (x) => feedForward(a, x, "dropout2", fused));
  },
});
const DECODER_INPUTS =
  "tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False";
layer("TransformerDecoderLayer", LAYER, {
  build: (c) => transformerLayer(c, ["self_attn", "multihead_attn"]),
  without: HANDED_ON,
  inputs: DECODER_INPUTS,
  forward(a) {
    const masks = (name: string): Masks => ({
      mask: a.args[`${name}_mask`] ?? null,
      padding: a.args[`${name}_key_padding_mask`] ?? null,
      causal: a.args[`${name}_is_causal`] ?? false,
    });
    const memory = a.args.memory ?? null;
    let x = residual(a, "norm1", a.args.tgt ?? null, (y) => attended(a, "self_attn", "dropout1", y, y, masks("tgt")));
    x = residual(a, "norm2", x, (y) => attended(a, "multihead_attn", "dropout2", y, memory, masks("memory")));
    return residual(a, "norm3", x, (y) => feedForward(a, y, "dropout3"));
  },
});

/**
 * The stack copies one layer, values included (copy.deepcopy), and draws nothing of its own: each copy's parameters take
 * the prototype's draw, by their order.
 */
function stack(c: Construction, prototype: Value, count: Size): void {
  if (!(prototype instanceof PyObject) || count instanceof Unknown) {
    throw new EvaluationError("a transformer stack needs a layer and a known number of layers", c.runtime.place);
  }
  listableTensors(count);
  const list = c.make("ModuleList", []);
  for (let i = 0; i < count; i++) stateOf(list, c.runtime).modules.set(String(i), copyModule(prototype, c));
  c.child("layers", list);
  if (isModule(c.args.norm)) c.child("norm", c.args.norm);
}

/** A layer of a stack has ten modules, each with tensors of its own. */
const COPY_STEPS = 20;

function copyModule(module: PyObject, c: Construction): PyObject {
  c.runtime.step(COPY_STEPS);
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

/** One layer after the other, then the norm if there is one. Whether a mask is causal is only a hint: the mask says it. */
function runStack(
  a: Application,
  first: Value,
  rest: readonly Value[],
  kwargs: Readonly<Record<string, Value>>,
): Value {
  const { modules } = stateOf(a.self, a.runtime);
  const layers = modules.get("layers");
  let x = first;
  for (const module of layers ? stateOf(layers, a.runtime).modules.values() : []) {
    if (module) x = a.runtime.call(module, [x, ...rest], new Map(Object.entries(kwargs)));
  }
  // One that could not be made computes something all the same: asking for it says why.
  return a.option("norm") === null ? x : sub(a, "norm", [x]);
}

/** Whether PyTorch packs padded batches for its fused kernel: `enable_nested_tensor`, where the layers allow it. */
function nestsTensors({ args }: Construction): boolean {
  const { encoder_layer: part } = args;
  return (
    args.enable_nested_tensor === true &&
    part instanceof PyObject &&
    hasFastPath(part) &&
    layerOption(part, "norm_first") !== true
  );
}

layer("TransformerEncoder", "encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True", {
  build(c) {
    stack(c, c.args.encoder_layer ?? null, c.size("num_layers"));
    c.show("use_nested_tensor", nestsTensors(c));
  },
  without: ["encoder_layer"],
  inputs: "src, mask=None, src_key_padding_mask=None, is_causal=None",
  forward: (a) =>
    runStack(a, a.args.src ?? null, [], {
      src_mask: a.args.mask ?? null,
      src_key_padding_mask: a.args.src_key_padding_mask ?? null,
    }),
});
layer("TransformerDecoder", "decoder_layer, num_layers, norm=None", {
  build: (c) => stack(c, c.args.decoder_layer ?? null, c.size("num_layers")),
  without: ["decoder_layer"],
  inputs:
    "tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False",
  forward(a) {
    const names = ["tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask"];
    const masks = Object.fromEntries(names.map((name) => [name, a.args[name] ?? null]));
    return runStack(a, a.args.tgt ?? null, [a.args.memory ?? null], masks);
  },
});

const PASSED_TO_STACKS = [
  ...["num_encoder_layers", "num_decoder_layers", "dim_feedforward", "dropout", "activation"],
  ...["custom_encoder", "custom_decoder", "layer_norm_eps", "norm_first", "bias"],
];
const transformer = layer(
  "Transformer",
  "d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1, activation='relu', custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-05, batch_first=False, norm_first=False, bias=True, device=None, dtype=None",
  {
    without: PASSED_TO_STACKS,
    build(c) {
      const { args } = c;
      const names = ["d_model", "nhead", "dim_feedforward", "dropout", "activation", "layer_norm_eps"];
      const flags = ["batch_first", "norm_first", "bias"];
      const shared = Object.fromEntries([...names, ...flags].map((name) => [name, args[name] ?? null]));
      const norm = (): Value =>
        c.make("LayerNorm", [args.d_model ?? null], { eps: args.layer_norm_eps ?? null, bias: args.bias ?? true });
      for (const part of ["encoder", "decoder"] as const) {
        const custom = args[`custom_${part}`];
        if (custom instanceof PyObject) {
          c.child(part, custom);
          continue;
        }
        const kind = part === "encoder" ? "TransformerEncoder" : "TransformerDecoder";
        const prototype = c.make(`${kind}Layer`, [], shared);
        c.child(part, c.make(kind, [prototype, args[`num_${part}_layers`] ?? null, norm()]));
      }
      const xavierUniform = initFunctions.get("xavier_uniform_")!;
      for (const tensor of allParameters(c.self, c)) {
        if (tensor.shape.length > 1) c.runtime.call(xavierUniform, [tensor]);
      }
    },
    inputs:
      "src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None, memory_is_causal=False",
    forward(a) {
      const memory = sub(a, "encoder", [a.args.src ?? null], {
        mask: a.args.src_mask ?? null,
        src_key_padding_mask: a.args.src_key_padding_mask ?? null,
      });
      const names = ["tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask"];
      return sub(
        a,
        "decoder",
        [a.args.tgt ?? null, memory],
        Object.fromEntries(names.map((name) => [name, a.args[name] ?? null])),
      );
    },
  },
);

function* allParameters(module: PyObject, c: Construction): Generator<PyTensor> {
  const state = stateOf(module, c.runtime);
  for (const tensor of state.parameters.values()) if (tensor) yield tensor;
  for (const child of state.modules.values()) if (child) yield* allParameters(child, c);
}

/** Minus infinity above the diagonal; called on an instance or on the class. */
transformer.members.set(
  "generate_square_subsequent_mask",
  new PyNative("generate_square_subsequent_mask", "*args, sz=None, device=None, dtype=None", (args) => {
    const sizes = [...(sequenceOf(args.args) ?? []), args.sz ?? null];
    const size = intArg({ sz: sizes.find((s) => typeof s === "number") ?? null }, "sz");
    const [row, column] = [build.arange(size, "int64"), build.arange(size, "int64")];
    const visible = build.binary("lessEqual", build.reshape(column, [1, size]), build.reshape(row, [size, 1]));
    return wrap(build.where(visible, build.scalar(0), build.scalar(Number.NEGATIVE_INFINITY)));
  }),
);
