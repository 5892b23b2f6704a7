import { ADAPTER_CONFIG_FILE } from "../../../protocol/lora";
import { UserError } from "../../formats/errors";
import type { Matrix, Pause } from "../../numbers/algebra/matrix";
import type { Random } from "../../numbers/random";
import type { LayerAdapter } from "../variants/variant";

/**
 * One meaning of `init_lora_weights`: how a fresh adapter begins, and what PEFT does to the base weights when it loads
 * a saved one. PEFT keeps the word in the configuration and initializes each layer by it before it loads the saved A
 * and B, so any change of the base weight stays. A row of `registry.ts`.
 */
export interface Initialization {
  /** As written in the configuration file: `true`, `"pissa"`. */
  readonly name: string;
  /** Whether PEFT reads the value as this initialization. */
  takes(value: unknown): boolean;
  /** How A and B begin, in a few words for people. */
  readonly begins: { readonly a: string; readonly b: string };
  /** A fresh adapter changes nothing that the model computes. */
  readonly identity: boolean;
  /** First A and B. Without it no fresh adapter can be made here. */
  draw?(shape: FactorShape, random: Random): Factors;
  /** Throws a UserError for the adapter of one layer that PEFT refuses, or changes in a way that cannot be repeated. */
  refuse?(value: unknown, adapter: LayerAdapter): void;
  /** No saved adapter can be loaded: `refuse` always throws. */
  readonly refused?: true;
  /** PEFT decomposes the base weight when it loads a saved adapter. */
  readonly decomposes?: true;
  /** What PEFT leaves of the base weight. Without it the base stays as it is. */
  change?(
    weight: StoredWeight,
    adapter: Sized,
    pause: Pause,
    onProgress: (fraction: number) => void,
  ): Promise<ChangedWeight>;
  /** The factor of a saved adapter that began at zero, when the other is as it began. */
  readonly beganAtZero?: "A";
  /** A warning about a saved adapter. */
  readonly warning?: string;
}

/** The adapter's numbers that the change of a weight depends on. */
export type Sized = Pick<LayerAdapter, "rank" | "scaling">;

/** A is [rank, in] and B is [out, rank]. */
export interface FactorShape {
  readonly rank: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** Row-major. */
export interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** A layer's weight as it is stored: [in, out] with `fanInFanOut`, else [out, in]. */
export interface StoredWeight {
  readonly path: string;
  readonly matrix: Matrix;
  readonly fanInFanOut: boolean;
}

/** What PEFT leaves of a weight, and the A and B that it starts from: residual + scaling * B A is the weight again. */
export interface ChangedWeight {
  readonly residual: Matrix;
  /** min(r, in, out) rows of [in]. */
  readonly a: readonly Float64Array[];
  /** min(r, in, out) columns of [out]. */
  readonly b: readonly Float64Array[];
  /** Why the residual is uncertain, if it is. */
  readonly warning?: string;
}

/** What to do with adapters that depend on a changed base. */
export const CONVERT =
  "in PEFT, save the trained adapter again with model.save_pretrained(FOLDER, path_initial_model_for_weight_conversion=INITIAL), where INITIAL is the adapter's folder from before training; that makes it a plain LoRA adapter";

export const CORRECT = `correct it in ${ADAPTER_CONFIG_FILE}`;

export function refused(value: unknown, why: string, what: string): UserError {
  return new UserError(
    `init_lora_weights is ${JSON.stringify(value)}, which cannot be used: ${why}. To go on, ${what}`,
  );
}
