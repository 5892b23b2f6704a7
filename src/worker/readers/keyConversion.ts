/**
 * How a library renames and rearranges a checkpoint's tensors for a model, read from the library's source. transformers
 * 5 calls each a WeightTransform: `core_model_loading.py`, filled from `conversion_mapping.py`.
 */
export interface KeyConversion {
  /**
   * `rename`: the part of a key that matches becomes the first target. `paired`: becomes the target of the source that
   * matched. `guarded`: as paired, once the first source has been seen. `rearrange`: the keys of each source are gathered
   * and rearranged into the targets.
   */
  readonly kind: "rename" | "paired" | "guarded" | "rearrange";
  /** Python's regular expression over all sources, with a group `g0`, `g1`, … for each. */
  readonly pattern: string;
  /** Parts of keys; a `*` stands for each number. */
  readonly sources: readonly string[];
  readonly targets: readonly string[];
  /** The module it is confined to, below the model's base module or not. */
  readonly scope?: string;
  /** For `rearrange`: what is done to the tensors, in order. */
  readonly steps: readonly Rearrangement[];
  /** For `rearrange`: the way back. */
  readonly reverse?: KeyConversion;
}

/** One operation by the library's name for it. Dimensions count from 0, negative ones from the end. */
export interface Rearrangement {
  readonly name: string;
  /** Its fields that are numbers, booleans, names or lists of names. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** How many parts there are, where the model's configuration says so. */
  readonly parts?: number;
  /** Attention heads of the model's configuration, where the operation needs them. */
  readonly heads?: number;
}

/** How a model's library converts the keys of its checkpoints. */
export interface KeyConversions {
  /** The module that models with a head keep the base model in: "bert". Empty when there is none. */
  readonly base: string;
  /** In the order in which they are applied. */
  readonly load: readonly KeyConversion[];
}
