import type { Computed, Count } from "../numbers";

/** What `lora-lens delta --json` prints. */
export interface DeltaReport {
  /** Absolute path of the adapter's folder. */
  readonly adapter: string;
  /** Absolute path of the file with the delta weights. */
  readonly output: string;
  /** Absolute path of the base model's weights that the shares are of; null without `--base`. */
  readonly base: string | null;
  /** The adapted layers, in the order of the model. */
  readonly layers: readonly DeltaLayer[];
  /** What there is to know of the numbers, one sentence each; absent when there is nothing. */
  readonly warnings?: readonly string[];
}

/** The delta weight of one layer: scaling · B·A, float32. */
export interface DeltaLayer {
  /** Path of the module, which is its tensor's name in the file. */
  readonly path: string;
  /** [out, in], or [in, out] where the layer stores its weight so (`fan_in_fan_out`). */
  readonly shape: readonly [number, number];
  /** Rows of A. */
  readonly rank: Count;
  /** The factor on B·A; it has no unit. */
  readonly scaling: number;
  /** Frobenius norm of the delta weight, in the unit of the weights. */
  readonly deltaNorm: Computed;
  /** Frobenius norm of the base's weight, in the same unit; null without `--base`, and where the base lacks the layer. */
  readonly weightNorm: Computed | null;
  /** deltaNorm / weightNorm, no unit; null where there is no weightNorm, and where that is 0. */
  readonly share: Computed | null;
  /**
   * Singular values of the delta weight, largest first, in the unit of the weights: as many as the rank, or as the smaller
   * side where that is less. All others are 0. Absent without `--singular-values`.
   */
  readonly singularValues?: readonly Computed[];
}
