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

/** The settings of one layer, as `resolve` derives them from the configuration. */
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
  /** A tensor that is not trained is still saved and loaded. */
  readonly trained: boolean;
  /**
   * A is [rank, in] and B is [out, rank], or more dimensions of as many numbers: `init_lora_weights` says how they are
   * initialized.
   */
  readonly factor?: "A" | "B";
  /** The initialization of a tensor other than A and B. */
  readonly initial?: (start: Start) => Promise<Tensor>;
}

/** What initial values may depend on. */
export interface Start {
  /** The layer's initial A and B. */
  readonly factors: ReadonlyMap<"A" | "B", Tensor>;
  /** The base's parameter at a state-dict path. */
  base(path: string): Promise<Tensor>;
}

/** The nodes that an adapter's computations use. */
export interface Operands {
  /** One of the adapter's tensors, by its name. */
  tensor(name: string): Node;
  /** The base's parameter at a state-dict path, in the shape that it is stored in, cast to float32. */
  base(path: string): Node;
}

/** One call of a layer. */
export interface Call {
  /** The layer's input. */
  readonly x: Node;
  /** The layer's output: the product with its bias, or the result of a forward of its own. */
  readonly base: Node;
  /** A factor by which the code multiplies the layer's product. */
  readonly scale: number;
}

/**
 * One way to adapt a layer: its tensors, its computation, and its merge into the base. A row of `registry.ts`, in a
 * folder of its own; nothing else names a variant or the shape of a tensor of one.
 */
export interface Variant {
  /** On screen. */
  readonly name: string;
  /** Fields of the configuration that ask for it (`config/features.ts`): it is used if these and no others are set. */
  readonly fields: readonly (keyof LoraConfig)[];
  /** Whether it can adapt the module, when the module's sizes are known. */
  adapts(module: Pick<ModuleInfo, "kind" | "weight">): boolean;
  /** In the order in which PEFT's files have them. */
  tensors(adapter: LayerAdapter): readonly AdapterTensor[];
  /**
   * The call's result with the adapter: `call.base` plus the adapter's contribution, in the dtype of `call.base`.
   * Without it the layer computes with the merged parameters, as PEFT's parametrizations do. Throws a UserError for a
   * call that it cannot adapt.
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
  /** For verify: how its two computations are compared, and which checks apply. */
  readonly check: {
    /** An input for one layer. */
    input(layer: AdaptedLayer): Pick<InputSpec, "shape" | "dtype" | "below">;
    /** The adapter's contribution for the input, computed from the merged parameters. */
    byDelta(adapter: LayerAdapter, x: Node, operands: Operands): Node;
    /** What it adds is proportional to alpha. */
    readonly proportional: boolean;
    /** Its gradients are the true derivatives; DoRA, for one, detaches a part. */
    readonly exactGradients: boolean;
  };
}
