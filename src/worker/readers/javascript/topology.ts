import type { Json, JsonObject } from "../keras/json";
import { configKey, namesFunction, snakeCase } from "./library";
import { JsObject, type JsValue, LayerValue, ModelValue, type SymbolicTensor, Unknown } from "./values";

/** The topology that TensorFlow.js's toJSON would give for a model, as far as it is known. */
export interface Topology {
  readonly json: JsonObject;
  /** By layer object of the JSON: what made it. */
  readonly origins: ReadonlyMap<object, LayerValue | ModelValue>;
  /** What is not known of it, each with the layer it was found at. */
  readonly gaps: readonly { readonly at: LayerValue | ModelValue; readonly reason: string }[];
}

/** What TensorFlow.js's layers start from where Keras's differ. */
const DEFAULTS: Readonly<Record<string, JsonObject>> = {
  Dense: { kernel_initializer: "glorot_normal" },
  Conv1D: { kernel_initializer: "glorot_normal" },
  Conv2D: { kernel_initializer: "glorot_normal" },
  Conv3D: { kernel_initializer: "glorot_normal" },
  Conv2DTranspose: { kernel_initializer: "glorot_normal" },
  SimpleRNN: { kernel_initializer: "glorot_normal" },
  LSTM: { kernel_initializer: "glorot_normal", recurrent_activation: "hard_sigmoid" },
  GRU: { kernel_initializer: "glorot_normal", recurrent_activation: "hard_sigmoid", reset_after: false },
};

/** Wrapped layers and nested lists are a few levels deep. */
const MAX_NESTING = 60;

/** A class name that no reader knows: what follows it in the model is not traced. */
const GAP = "unknown";

export function topologyOf(model: ModelValue): Topology {
  const writer = new Writer();
  return { json: writer.layer(model), origins: writer.origins, gaps: writer.gaps };
}

class Writer {
  readonly origins = new Map<object, LayerValue | ModelValue>();
  readonly gaps: { at: LayerValue | ModelValue; reason: string }[] = [];
  private gapCount = 0;
  /** The models and values being written: code can put one into itself, which no JSON states. */
  private readonly open: object[] = [];

  private model(model: ModelValue): JsonObject {
    const config = model.kind === "Sequential" ? this.sequential(model) : this.functional(model);
    const json: JsonObject = { class_name: model.kind, name: model.name, config };
    this.origins.set(json, model);
    return json;
  }

  private sequential(model: ModelValue): JsonObject {
    const used = new Map<string, number>();
    const [first] = model.layers;
    const open: JsonObject = { class_name: "InputLayer", name: "input", config: { batch_input_shape: [null] } };
    const missing = first instanceof Unknown ? undefined : missingInput(first);
    const head: Json[] =
      missing !== undefined ? [open, this.gap(model, missing)] : first instanceof Unknown ? [open] : [];
    const layers = model.layers.map((layer): Json => {
      if (layer instanceof Unknown) return this.gap(model, layer.reason);
      const n = (used.get(layer.name) ?? 0) + 1;
      used.set(layer.name, n);
      // The same layer twice is a shared layer, which a sequential model cannot state; each gets its own line.
      return n === 1 ? this.layer(layer) : { ...this.layer(layer), name: `${layer.name}_${n}` };
    });
    return { name: model.name, layers: [...head, ...layers] };
  }

  private gap(at: LayerValue | ModelValue, reason: string): JsonObject {
    this.gaps.push({ at, reason });
    const json: JsonObject = { class_name: GAP, name: `${GAP}_${++this.gapCount}`, config: {} };
    this.origins.set(json, at);
    return json;
  }

  private functional(model: ModelValue): JsonObject {
    const reached = reachable(model);
    const layers = [...reached].sort((a, b) => a.order - b.order);
    const written = layers.map((layer): Json => {
      const json = this.layer(layer);
      const isInput = layer instanceof LayerValue && layer.className === "InputLayer";
      const nodes = isInput ? [] : layer.calls.map((inputs) => inputs.map((tensor) => [...reference(tensor), {}]));
      const placed: JsonObject = { ...json, inbound_nodes: nodes };
      this.origins.set(placed, layer);
      return placed;
    });
    return {
      name: model.name,
      layers: written,
      input_layers: model.inputs.map(reference),
      output_layers: model.outputs.map(reference),
    };
  }

  layer(layer: LayerValue | ModelValue): JsonObject {
    if (this.open.includes(layer) || this.open.length > MAX_NESTING) return this.gap(layer, "it contains itself");
    this.open.push(layer);
    try {
      return layer instanceof ModelValue ? this.model(layer) : this.ownLayer(layer);
    } finally {
      this.open.pop();
    }
  }

  private ownLayer(layer: LayerValue): JsonObject {
    const config: Record<string, Json> = { ...DEFAULTS[layer.className], name: layer.name };
    for (const [key, value] of layer.config) {
      if (value === undefined || key === "name") continue;
      if (value instanceof Unknown) this.gaps.push({ at: layer, reason: `${key} is unknown: ${value.reason}` });
      // Open dimensions are the code's own null; one that is not known must not be taken for one.
      if (/^(?:batchI|i)nputShape$/.test(key) && Array.isArray(value) && value.some((dim) => dim instanceof Unknown))
        continue;
      if (key === "inputShape") config.batch_input_shape = [null, ...list(this.json(value))];
      else
        config[configKey(key)] =
          typeof value === "string" && namesFunction(key) ? functionName(value) : this.json(value);
    }
    const json: JsonObject = { class_name: layer.className, name: layer.name, config };
    this.origins.set(json, layer);
    return json;
  }

  private json(value: JsValue): Json {
    if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string")
      return value;
    if (value instanceof LayerValue) return this.layer(value);
    if (typeof value !== "object" || this.open.includes(value) || this.open.length > MAX_NESTING) return null;
    this.open.push(value);
    try {
      return this.nested(value);
    } finally {
      this.open.pop();
    }
  }

  private nested(value: object): Json {
    if (Array.isArray(value)) return value.map((item: JsValue) => this.json(item));
    if (value instanceof JsObject) {
      return Object.fromEntries([...value.fields].map(([key, field]) => [configKey(key), this.json(field)]));
    }
    return null;
  }
}

/** Why a sequential model that begins with the layer does not know its input's shape; undefined when it does. */
function missingInput(layer: LayerValue | ModelValue | undefined): string | undefined {
  if (!(layer instanceof LayerValue) || layer.className === "Embedding") return undefined;
  const shape = layer.config.get("inputShape") ?? layer.config.get("batchInputShape");
  const unknown = Array.isArray(shape) ? shape.find((dim) => dim instanceof Unknown) : shape;
  if (unknown instanceof Unknown) return `its inputShape is unknown: ${unknown.reason}`;
  return Array.isArray(shape) ? undefined : "its first layer states no inputShape";
}

/** `leCunNormal` is Keras's "lecun_normal". */
function functionName(name: string): string {
  return snakeCase(name).replace("le_cun", "lecun");
}

function list(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [value];
}

function reference({ layer, call, output }: SymbolicTensor): Json[] {
  return [layer.name, call, output];
}

function reachable(model: ModelValue): Set<LayerValue | ModelValue> {
  const found = new Set<LayerValue | ModelValue>(model.inputs.map(({ layer }) => layer));
  const pending = model.outputs.map(({ layer }) => layer);
  for (let layer = pending.pop(); layer; layer = pending.pop()) {
    if (found.has(layer)) continue;
    found.add(layer);
    for (const inputs of layer.calls) pending.push(...inputs.map((tensor) => tensor.layer));
  }
  return found;
}
