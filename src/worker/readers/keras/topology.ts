import { UserError } from "../../formats/errors";
import type { Argument, Call, LayerSpec, Network, Reference } from "./architecture";
import { Config, namedObject } from "./config";
import { isJsonObject, type Json, type JsonObject } from "./json";
import type { Layer } from "./layer";

/** A model's architecture as TensorFlow.js's `loadLayersModel` takes it: Keras 2's format, whatever it was read from. */

/** Layers that TensorFlow.js 4.22 restores and that compute there what Keras computes. */
const RESTORED = new Set(
  `Dense Embedding Conv1D Conv2D Conv3D DepthwiseConv2D SeparableConv2D Conv2DTranspose BatchNormalization
  LayerNormalization Activation ReLU LeakyReLU Softmax PReLU ELU ThresholdedReLU MaxPooling1D MaxPooling2D MaxPooling3D
  AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D
  GlobalAveragePooling2D Dropout SpatialDropout1D Flatten Reshape Permute RepeatVector ZeroPadding2D Cropping2D
  UpSampling2D Add Multiply Average Maximum Minimum Concatenate Dot Rescaling InputLayer LSTM GRU SimpleRNN
  TimeDistributed Bidirectional`.split(/\s+/),
);

/** `layers`: the model's layers as they were called. */
export function tfjsTopology(file: string, spec: LayerSpec, layers: Layer, generation: 2 | 3): JsonObject {
  return {
    keras_version: "2.15.0",
    backend: "tensorflow",
    model_config: new Conversion(file, flatInputs(layers), generation).layer(spec, false),
  };
}

/** Configurations of the layers that are only ever given [batch, features]. */
function flatInputs(layer: Layer): Set<Config> {
  const isFlat = layer.inputRanks.size === 1 && layer.inputRanks.has(2);
  return new Set([...(isFlat ? [layer.config] : []), ...layer.children.flatMap((child) => [...flatInputs(child)])]);
}

class Conversion {
  /** Models used as layers, by name. */
  private readonly nested = new Set<string>();

  constructor(
    private readonly file: string,
    private readonly flat: ReadonlySet<Config>,
    private readonly generation: 2 | 3,
  ) {}

  layer(spec: LayerSpec, calls: boolean): JsonObject {
    const inbound: JsonObject = calls
      ? { name: spec.name, inbound_nodes: spec.calls.map((call) => this.call(spec, call)) }
      : {};
    if (spec.network) {
      const kind = spec.network.kind === "Sequential" ? "Sequential" : "Functional";
      return { class_name: kind, config: this.network(spec.name, spec.network), ...inbound };
    }
    const isFunction = spec.module.startsWith("keras.src.ops") && !["Add", "Multiply"].includes(spec.className);
    if (!RESTORED.has(spec.className) || isFunction) {
      throw this.refused(spec, "is a layer that TensorFlow.js does not restore from a file");
    }
    const config = this.config(spec);
    // Keras's Flatten leaves [batch, features] as it is; TensorFlow.js's refuses it.
    if (spec.className === "Flatten" && this.flat.has(spec.config)) {
      const { data_format: _, ...kept } = config;
      return { class_name: "Activation", config: { ...kept, activation: "linear" }, ...inbound };
    }
    return { class_name: spec.className, config, ...inbound };
  }

  private network(name: string, network: Network): JsonObject {
    if (network.kind === "Sequential") {
      return { name, layers: network.layers.map((layer) => this.layer(layer, false)) };
    }
    for (const layer of network.layers) if (layer.network) this.nested.add(layer.name);
    return {
      name,
      layers: network.layers.map((layer) => this.layer(layer, true)),
      input_layers: network.inputs.map(reference),
      output_layers: network.outputs.map((ref) => this.reference(ref)),
    };
  }

  private config(spec: LayerSpec): JsonObject {
    const { className } = spec;
    const json = spec.config.json;
    const config: Record<string, Json> = {};
    for (const [key, value] of Object.entries(json)) {
      if (DROPPED.has(key)) continue;
      config[key] = key.endsWith("_initializer") ? initializer(value) : value;
    }
    config.name = spec.name;
    const shape = json.batch_shape ?? json.batch_input_shape;
    if (shape !== undefined) {
      config.batch_input_shape = shape;
      delete config.batch_shape;
    }
    const dtype = namedObject(json.dtype);
    const policy = typeof json.dtype === "string" ? json.dtype : dtype?.config.text("name", "float32");
    if (policy !== undefined)
      config.dtype = policy === "int64" ? "int32" : policy === "float32" || policy === "int32" ? policy : "float32";
    for (const key of ["activation", "recurrent_activation"]) {
      if (json[key] !== undefined && json[key] !== null) config[key] = this.activation(spec, json[key]!);
    }
    if (className === "LeakyReLU") config.alpha = json.negative_slope ?? json.alpha ?? 0.3;
    if (className === "GRU" && json.reset_after !== false) {
      throw this.refused(spec, "resets after the product (reset_after), which TensorFlow.js does not do");
    }
    if (className === "LayerNormalization" && json.rms_scaling === true) {
      throw this.refused(spec, "has rms_scaling, which TensorFlow.js does not do");
    }
    if (isJsonObject(json.layer)) {
      config.layer = this.wrapped(spec, json.layer);
    }
    if (isJsonObject(json.backward_layer)) throw this.refused(spec, "has a backward_layer of its own");
    return config;
  }

  private wrapped(spec: LayerSpec, layer: JsonObject): JsonObject {
    const className = typeof layer.class_name === "string" ? layer.class_name : "";
    const own = isJsonObject(layer.config) ? layer.config : {};
    const name = typeof own.name === "string" ? own.name : className.toLowerCase();
    const inner: LayerSpec = {
      ...spec,
      className,
      name,
      module: "",
      config: new Config(own),
      calls: [],
      network: undefined,
    };
    return this.layer(inner, false);
  }

  private activation(spec: LayerSpec, value: Json): string {
    const name = (namedObject(value)?.name ?? "").replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
    const known = ACTIVATIONS[name];
    if (known === undefined || (name === "hard_sigmoid" && this.generation === 3)) {
      throw this.refused(spec, `uses the activation "${name}", which TensorFlow.js lacks or computes differently`);
    }
    return known;
  }

  private call(spec: LayerSpec, { args, kwargs }: Call): Json {
    const refs = args.flatMap((argument) => this.references(spec, argument));
    const inKwargs = [...kwargs.values()].find((v) => !("literal" in v));
    if (inKwargs) throw this.refused(spec, "is given a tensor by name, which TensorFlow.js does not restore");
    return refs.map((ref) => [...this.reference(ref), {}]);
  }

  private references(spec: LayerSpec, argument: Argument): Reference[] {
    if ("ref" in argument) return [argument.ref];
    if ("list" in argument) return argument.list.flatMap((a) => this.references(spec, a));
    throw this.refused(spec, "is called with a number, which TensorFlow.js does not restore");
  }

  /** TensorFlow.js counts a nested model's own construction as its first call. */
  private reference(ref: Reference): [string, number, number] {
    return reference(this.nested.has(ref.layer) ? { ...ref, call: ref.call + 1 } : ref);
  }

  private refused(spec: LayerSpec, why: string): UserError {
    return new UserError(
      `${spec.className} "${spec.name}" ${why}, so this model has no TensorFlow.js form; merge into .safetensors instead`,
      { file: this.file, line: spec.place.line },
    );
  }
}

/** Keys of Keras 3 that TensorFlow.js would take for something else, or that need code of the user's. */
const DROPPED = new Set([
  ...["quantization_config", "ragged", "optional", "seed", "rms_scaling", "zero_output_for_mask", "use_cudnn"],
  ...["kernel_regularizer", "bias_regularizer", "activity_regularizer", "recurrent_regularizer", "build_config"],
  ...["beta_regularizer", "gamma_regularizer", "depthwise_regularizer", "pointwise_regularizer"],
]);

/** The names TensorFlow.js uses. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["elu", "gelu", "gelu_new", "hard_sigmoid", "linear", "mish", "relu", "relu6", "selu", "sigmoid", "softmax"].map(
      (n) => [n, n],
    ),
  ),
  log_softmax: "logSoftmax",
  softplus: "softplus",
  softsign: "softsign",
  swish: "swish",
  silu: "swish",
  tanh: "tanh",
};

function reference({ layer, call, output }: Reference): [string, number, number] {
  return [layer, call, output];
}

/** First values do not matter to a model that comes with weights; unknown keys would. */
function initializer(value: Json): Json {
  const name = namedObject(value)?.name ?? "Zeros";
  return {
    class_name: /^(zeros|ones)$/i.test(name) ? (/^z/i.test(name) ? "Zeros" : "Ones") : "GlorotUniform",
    config: {},
  };
}
