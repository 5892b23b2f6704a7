import type { SourcePlace } from "../../graph/node";
import { Config, dimsOf } from "./config";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "./json";

/** A Keras architecture as the JSON states it: layers and how they are called. Nothing is computed yet. */

/** An output of a layer's call: `["dense", 0, 0]`, or Keras 3's `keras_history`. */
export interface Reference {
  readonly layer: string;
  readonly call: number;
  readonly output: number;
  /** With the batch first, where Keras 3 states it: `undefined` dimensions are open. */
  readonly shape?: readonly (number | undefined)[] | undefined;
}

/** What a call passes: a tensor, a list of arguments, or a literal. */
export type Argument =
  | { readonly ref: Reference }
  | { readonly list: readonly Argument[] }
  | { readonly literal: Json };

export interface Call {
  readonly args: readonly Argument[];
  readonly kwargs: ReadonlyMap<string, Argument>;
}

export interface LayerSpec {
  readonly className: string;
  readonly name: string;
  /** Keras 3's module: operations written as functions lie in `keras.src.ops`. */
  readonly module: string;
  readonly config: Config;
  readonly place: SourcePlace;
  readonly calls: readonly Call[];
  /** The input shape with which Keras 3 built the layer. */
  readonly buildShape: readonly (number | undefined)[] | undefined;
  /** Of a model used as a layer. */
  readonly network: Network | undefined;
}

export interface Network {
  readonly kind: "Sequential" | "Functional";
  readonly layers: readonly LayerSpec[];
  readonly inputs: readonly Reference[];
  readonly outputs: readonly Reference[];
  /** A Sequential model's input shape without its batch, when it states one other than by an InputLayer. */
  readonly inputDims: readonly (number | undefined)[] | undefined;
}

/** A topology beyond it is no model that anybody made. */
const MAX_LAYERS = 20_000;

const FUNCTIONAL = new Set(["Functional", "Model"]);

export class ArchitectureError extends Error {
  override readonly name = "ArchitectureError";
}

export class Architecture {
  private count = 0;

  constructor(private readonly placeOf: (object: object) => SourcePlace) {}

  /** A layer, or a model used as one. */
  layer(value: Json, calls = true): LayerSpec {
    if (!isJsonObject(value) || typeof value.class_name !== "string") {
      throw new ArchitectureError("a layer has no class_name");
    }
    if (++this.count > MAX_LAYERS) throw new ArchitectureError(`the model has more than ${MAX_LAYERS} layers`);
    const config = configOf(value);
    const name = [value.name, config.name].find((n) => typeof n === "string") as string | undefined;
    const className = value.class_name;
    const isNetwork = className === "Sequential" || (FUNCTIONAL.has(className) && isJsonArray(config.layers));
    return {
      className,
      name: name ?? className.toLowerCase(),
      module: typeof value.module === "string" ? value.module : "",
      config: new Config(config),
      place: this.placeOf(value),
      calls: calls ? callsOf(value.inbound_nodes) : [],
      buildShape: isJsonObject(value.build_config) ? dimsOf(value.build_config.input_shape) : undefined,
      network: isNetwork ? this.network(className, config) : undefined,
    };
  }

  private network(className: string, config: JsonObject): Network {
    const listed = isJsonArray(config.layers) ? config.layers : [];
    const layers = listed.map((layer) => this.layer(layer));
    if (className === "Sequential") {
      const inputDims = dimsOf(config.build_input_shape)?.slice(1);
      return { kind: "Sequential", layers, inputs: [], outputs: [], inputDims };
    }
    const inputs = references(config.input_layers);
    const outputs = references(config.output_layers);
    if (outputs.length === 0) throw new ArchitectureError("the model names no output_layers");
    return { kind: "Functional", layers, inputs, outputs, inputDims: undefined };
  }
}

function configOf(layer: JsonObject): JsonObject {
  // Keras before 2.2.3 wrote a Sequential model's config as the bare list of its layers.
  if (isJsonArray(layer.config)) return { layers: layer.config };
  return isJsonObject(layer.config) ? layer.config : {};
}

function callsOf(value: Json | undefined): Call[] {
  return isJsonArray(value) ? value.map(callOf) : [];
}

function callOf(value: Json): Call {
  if (isJsonObject(value)) {
    const args = isJsonArray(value.args) ? value.args.map(keras3Argument) : [];
    const kwargs = isJsonObject(value.kwargs) ? Object.entries(value.kwargs) : [];
    return { args, kwargs: new Map(kwargs.map(([key, v]) => [key, keras3Argument(v)])) };
  }
  if (!isJsonArray(value)) throw new ArchitectureError("an entry of inbound_nodes is neither a list nor an object");
  // Keras 2: one entry a tensor; keyword arguments ride on the first.
  const entries = referenceOf(value) ? [value] : value;
  const tensors = entries.map(keras2Tensor);
  const kwargs = entries.flatMap((entry) =>
    isJsonArray(entry) && isJsonObject(entry[3]) ? Object.entries(entry[3]) : [],
  );
  return {
    args: tensors.length === 1 ? tensors : [{ list: tensors }],
    kwargs: new Map(kwargs.map(([key, v]) => [key, keras2Argument(v)])),
  };
}

function keras3Argument(value: Json): Argument {
  if (isJsonObject(value) && value.class_name === "__keras_tensor__" && isJsonObject(value.config)) {
    const ref = referenceOf(value.config.keras_history);
    if (!ref) throw new ArchitectureError("a __keras_tensor__ lacks its keras_history");
    return { ref: { ...ref, shape: dimsOf(value.config.shape) } };
  }
  if (isJsonArray(value)) return { list: value.map(keras3Argument) };
  return { literal: value };
}

function keras2Tensor(value: Json): Argument {
  const ref = referenceOf(value);
  if (ref) return ref.layer === "_CONSTANT_VALUE" ? { literal: (value as readonly Json[])[2]! } : { ref };
  throw new ArchitectureError("an entry of inbound_nodes names no layer");
}

function keras2Argument(value: Json): Argument {
  const ref = referenceOf(value);
  if (ref) return { ref };
  if (isJsonArray(value) && value.length > 0 && value.every((v) => referenceOf(v))) {
    return { list: value.map(keras2Argument) };
  }
  return { literal: value };
}

function referenceOf(value: Json | undefined): Reference | undefined {
  if (!isJsonArray(value) || value.length < 3) return undefined;
  const [layer, call, output] = value;
  if (typeof layer !== "string" || typeof call !== "number") return undefined;
  if (layer === "_CONSTANT_VALUE") return { layer, call, output: 0 };
  return typeof output === "number" ? { layer, call, output } : undefined;
}

/** One reference, a list of them, or Keras 3's nested structures. */
function references(value: Json | undefined): Reference[] {
  const ref = referenceOf(value);
  if (ref) return [ref];
  if (isJsonArray(value)) return value.flatMap(references);
  return isJsonObject(value) ? Object.values(value).flatMap(references) : [];
}
