import { parameter } from "../../graph/build";
import type { Node, Shape, SourcePlace } from "../../graph/node";
import { sameShape, shapeText } from "../../graph/shapes";
import type { Random } from "../../numbers/random";
import type { Argument } from "./architecture";
import { type Config, ConfigError } from "./config";
import { initializerOf, type KerasInitializer } from "./initializers";

/** A weight of a layer, made when the layer is first called, as Keras builds it. */
export interface KerasWeight {
  /** `dense.kernel`. */
  readonly path: string;
  readonly name: string;
  readonly shape: Shape;
  readonly buffer: boolean;
  readonly initializer: KerasInitializer;
  readonly node: Node<"parameter">;
}

export interface Features {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

export interface LayerIdentity {
  readonly className: string;
  readonly name: string;
  /** Dotted, as targets are matched: `encoder.dense_1`. */
  readonly path: string;
  /** Where Keras 3 keeps its weights in a `.weights.h5` file: `layers/dense_1`. */
  readonly checkpoint: string;
  readonly place: SourcePlace;
  readonly config: Config;
  /** Of a model's own layers; false of the parts a layer is made of. */
  readonly listed: boolean;
}

/** No tensor of a real model has more elements, and no more could be allocated. */
const MAX_ELEMENTS = 2 ** 34;

/** One layer of the model with the weights it has so far. Shared calls share it. */
export class Layer {
  readonly weights = new Map<string, KerasWeight>();
  readonly children: Layer[] = [];
  features: Features | undefined;
  /** How many dimensions the first inputs of its calls had, batch included. */
  readonly inputRanks = new Set<number>();
  /** A size that is unknown makes every count above it unknown. */
  unknown = false;

  constructor(readonly identity: LayerIdentity) {}

  get config(): Config {
    return this.identity.config;
  }

  /** The weight, made on the first call. `role` names the initializer's key in the configuration, `kernel_initializer`. */
  weight(
    name: string,
    shape: Shape,
    fallback: string | KerasInitializer,
    { role = `${name}_initializer`, buffer = false }: { role?: string; buffer?: boolean } = {},
  ): Node {
    const known = this.weights.get(name);
    if (known) {
      if (sameShape(known.shape, shape)) return known.node;
      throw new ConfigError(
        `its ${name} is ${shapeText(known.shape)} from its first call, but this call's input needs ${shapeText(shape)}`,
      );
    }
    let size = 1;
    for (const dim of shape) size *= dim;
    if (!(size <= MAX_ELEMENTS))
      throw new ConfigError(`its ${name} of shape ${shapeText(shape)} is too large to exist`);
    const path = `${this.identity.path}.${name}`;
    const initializer = typeof fallback === "string" ? initializerOf(this.config.get(role), fallback) : fallback;
    const node = parameter(path, shape, "float32");
    this.weights.set(name, { path, name, shape, buffer, initializer, node });
    return node;
  }

  /** A layer this one is made of, such as an attention's query projection. */
  part(name: string, className: string, config: Config, checkpoint = name): Layer {
    return this.child({
      className,
      name,
      path: `${this.identity.path}.${name}`,
      checkpoint: `${this.identity.checkpoint}/${checkpoint}`,
      place: this.identity.place,
      config,
      listed: false,
    });
  }

  child(identity: LayerIdentity): Layer {
    const known = this.children.find((layer) => layer.identity.path === identity.path);
    if (known) return known;
    const child = new Layer(identity);
    this.children.push(child);
    return child;
  }

  /** Every weight, in the order Keras saves them: a layer's own, then its parts'. */
  *allWeights(): Generator<{ readonly layer: Layer; readonly weight: KerasWeight; readonly index: number }> {
    let index = 0;
    for (const weight of this.weights.values()) yield { layer: this, weight, index: index++ };
    for (const child of this.children) yield* child.allWeights();
  }

  /** Scalars of the layer and its parts; undefined when a size is unknown. */
  parameters(): number | undefined {
    if (this.unknown) return undefined;
    let total = 0;
    for (const { shape } of this.weights.values()) total += shape.reduce((n, d) => n * d, 1);
    for (const child of this.children) {
      const own = child.parameters();
      if (own === undefined) return undefined;
      total += own;
    }
    return total;
  }
}

/** What a kind of layer is given to compute with. */
export interface LayerCall {
  readonly layer: Layer;
  readonly config: Config;
  readonly inputs: readonly Node[];
  readonly kwargs: ReadonlyMap<string, Argument | Node>;
  readonly training: boolean;
  /** Of the first input: which steps count, [batch, steps]. */
  readonly mask?: Node | undefined;
  /** Keras 3 and Keras 2 (with TensorFlow.js) differ in a few functions. */
  readonly generation: 2 | 3;
  /** Calls a layer that stands in the configuration, such as the one a TimeDistributed wraps. */
  readonly callChild: (layer: Layer, inputs: readonly Node[], mask?: Node) => readonly Node[];
  /** The layer that `config[key]` describes, as a child of this one. */
  readonly childFrom: (key: string, checkpoint: string, prefix?: string) => Layer;
}

export type LayerKind = (call: LayerCall) => Node | readonly Node[];

/** Draws of a weight's first values. */
export type Draw = (random: Random, values: Float32Array) => void;
