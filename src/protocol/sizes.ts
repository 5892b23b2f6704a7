import type { ModelChoice } from "./jobs";

/** What the comparison of layer sizes is asked and what it answers. All counts are numbers of scalars. */

/** The size of a linear layer. */
export interface LayerSize {
  /** Where people know it from: "BERT-base attention". */
  readonly name?: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** With a bias unless it says false. */
  readonly bias?: boolean;
  /** How many layers of the model have this size. */
  readonly layers?: number;
}

export interface SizesRequest {
  readonly kind: "sizes";
  /** Sizes in the order in which they are compared. */
  readonly sizes?: readonly LayerSize[];
  /** Ids of known models whose sizes are added. */
  readonly known?: readonly string[];
  /** A model whose sizes are added. */
  readonly model?: ModelChoice;
  /** Compare the five common sizes as well. They are compared anyway when the request names no size at all. */
  readonly common?: boolean;
  readonly ranks?: readonly number[];
  /** LoRA's alpha. Twice the rank when left out. */
  readonly alpha?: number;
  /** `false` counts every layer without a bias. */
  readonly bias?: boolean;
}

/** What the page asks for: the same table for other sizes and ranks. */
export interface SizesQuestion extends Pick<SizesRequest, "sizes" | "known" | "ranks"> {
  /** Add the sizes of the model that is open. */
  readonly openModel?: boolean;
}

export interface SizesReport {
  readonly kind: "sizes";
  /** One row for each size at each rank: sizes in the order asked, ranks rising. */
  readonly rows: readonly SizeRow[];
  readonly sizes: readonly ComparedSize[];
  readonly ranks: readonly ComparedRank[];
  /** The alpha asked for; null when it follows the rank. */
  readonly alpha: number | null;
  /** Models that sizes can be taken from. */
  readonly known: readonly { readonly id: string; readonly title: string }[];
}

/** One size at one rank. */
export interface SizeRow {
  readonly name: string | null;
  /** How many layers of the model have this size; null where the size is from no model. The other numbers are of one layer. */
  readonly layers: number | null;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly rank: number;
  /** Scalars of the layer, its bias included where it has one. */
  readonly parameters: number;
  /** in · out */
  readonly parametersWithoutBias: number;
  /** in · out + out */
  readonly parametersWithBias: number;
  /** Scalars of its adapter: rank · (in + out). */
  readonly loraParameters: number;
  /** parameters / loraParameters */
  readonly reduction: number;
  readonly alpha: number;
  /** alpha / rank */
  readonly scaling: number;
  /** Bytes of the adapter in float32. */
  readonly adapterBytes: number;
  /** Bytes of the adapter in float16 or bfloat16. */
  readonly adapterBytesHalf: number;
  /** Bytes of Adam's two moments in float32, which PEFT keeps for adapters of a half-precision model, too. */
  readonly optimizerBytes: number;
  /** The rank from which the adapter has as many scalars as the layer. It may lie between two whole ranks. */
  readonly breakEvenRank: number;
}

export interface ComparedSize {
  readonly name: string | null;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  /** How many layers of the model have this size; null where the size is from no model. */
  readonly layers: number | null;
  readonly parameters: number;
  readonly breakEvenRank: number;
  /** The adapter's scalars at ranks 1, 2, 4 and so on, to beyond the break-even rank. */
  readonly curve: readonly { readonly rank: number; readonly loraParameters: number }[];
}

export interface ComparedRank {
  readonly rank: number;
  /** The factor on the adapter's output for an alpha of 1. The scale is proportional to alpha. */
  readonly scalingPerAlpha: number;
}
