import type { Tensor } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import type { Pause } from "../../numbers/algebra/matrix";
import type { InputSpec } from "../../readers/inputSpec";
import type { LayerWeight, ModuleInfo } from "../../readers/model";
import type { LoraConfig } from "../config/config";

/** A layer that an adapter is put on. */
export interface AdaptedLayer {
  readonly path: string;
  /** Class name of the module. */
  readonly kind: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias?: boolean;
  /** Where it differs from `path.weight`, [out, in]. */
  readonly weight?: LayerWeight;
  /** The graph marks the layer's calls; without, every product of its weight is one. */
  readonly marked?: true;
}

/** What one layer gets, as `resolve` reads it off the configuration. */
export interface LayerAdapter {
  readonly layer: AdaptedLayer;
  readonly rank: number;
  readonly alpha: number;
  /** The factor on B(A(x)): alpha / rank, or alpha / sqrt(rank) with use_rslora (arXiv 2312.03732). */
  readonly scaling: number;
  /** Probability, on the adapter's input. */
  readonly dropout: number;
  readonly variant: Variant;
}

/** A tensor of one layer's adapter, float32. */
export interface AdapterTensor {
  /** State-dict path, which PEFT's files have behind their prefix: `fc1.lora_A.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** One that is not trained is saved and loaded all the same. */
  readonly trained: boolean;
  /** A is [rank, in] and B is [out, rank], or more dimensions of as many numbers: `init_lora_weights` says how they begin. */
  readonly factor?: "A" | "B";
  /** How a tensor that is no factor begins. */
  readonly initial?: (start: Start) => Promise<Tensor>;
}

/** What first values may depend on. */
export interface Start {
  /** The layer's factors as they begin. */
  readonly factors: ReadonlyMap<"A" | "B", Tensor>;
  /** The base's parameter at a state-dict path. */
  base(path: string): Promise<Tensor>;
}

/** The nodes that an adapter's computations are made of. */
export interface Operands {
  /** One of the adapter's tensors, by its name. */
  tensor(name: string): Node;
  /** The base's parameter at a state-dict path, in the shape that it is stored in, cast to float32. */
  base(path: string): Node;
}

/** One call of a layer. */
export interface Call {
  /** What the layer is given. */
  readonly x: Node;
  /** What it gives: the product with its bias, or whatever a forward of its own computes. */
  readonly base: Node;
  /** A factor that the code puts on the layer's product. */
  readonly scale: number;
}

/**
 * One way to adapt a layer: its tensors, what it computes, and what merging makes of the base. A row of `registry.ts`, in a
 * folder of its own; nothing else names a variant or the shape of a tensor of one.
 */
export interface Variant {
  /** On screen. */
  readonly name: string;
  /**
   * Fields of the configuration that ask for it (`config/features.ts`): it is taken where these are set and no others are.
   */
  readonly fields: readonly (keyof LoraConfig)[];
  /** Whether it can adapt the module, when the module's sizes are known. */
  adapts(module: Pick<ModuleInfo, "kind" | "weight">): boolean;
  /** In the order in which PEFT's files have them. */
  tensors(adapter: LayerAdapter): readonly AdapterTensor[];
  /**
   * What the call gives with the adapter: `call.base` and what the adapter adds to it, in the dtype of `call.base`. Without
   * it the layer computes with the merged parameters, as PEFT's parametrizations do. Throws a UserError for a call that it
   * cannot adapt.
   */
  forward?(adapter: LayerAdapter, call: Call, operands: Operands): Node;
  /** What the adapter adds to the layer's weight, in float32: [out, in] for a linear layer, however that is stored. */
  delta(adapter: LayerAdapter, operands: Operands): Node;
  /**
   * The Frobenius norm of that by the adapter's tensors, without making a matrix of the weight's size: the editor wants it.
   * Absent where it cannot be told so.
   */
  deltaNorm?(adapter: LayerAdapter, tensor: (name: string) => Tensor, pause: Pause): Promise<number>;
  /** State-dict paths of the base's parameters that merging changes, the weight first. */
  changes(layer: AdaptedLayer): readonly string[];
  /** These parameters merged, by path, in float32 and in the shape that they are stored in. */
  merged(adapter: LayerAdapter, operands: Operands): ReadonlyMap<string, Node>;
  /** What verify asks of it: how its two computations are compared, and which checks hold for it. */
  readonly check: {
    /** An input for one layer. */
    input(layer: AdaptedLayer): Pick<InputSpec, "shape" | "dtype" | "below">;
    /** What the adapter adds for the input, by what merging would add to the parameters. */
    byDelta(adapter: LayerAdapter, x: Node, operands: Operands): Node;
    /** What it adds is proportional to alpha. */
    readonly proportional: boolean;
    /** Its gradients are the slopes: none is left out on purpose, as DoRA leaves one out. */
    readonly exactGradients: boolean;
  };
}
