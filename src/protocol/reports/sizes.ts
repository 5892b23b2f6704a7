import type { ModelChoice } from "../jobs";
import type { Count } from "../numbers";

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

/** What LoRA costs at layers of the sizes asked for. */
export interface SizesReport {
  /** Names the kind of report. */
  readonly kind: "sizes";
  /** One row for each size at each rank: sizes in the order asked, ranks rising. */
  readonly rows: readonly SizeRow[];
  /** The sizes, in the order asked. */
  readonly sizes: readonly ComparedSize[];
  /** The ranks, rising. */
  readonly ranks: readonly ComparedRank[];
  /** The alpha asked for; null when it follows the rank. */
  readonly alpha: number | null;
  /** Models that sizes can be taken from. */
  readonly known: readonly KnownModel[];
}

/** A model whose layer sizes are known. */
export interface KnownModel {
  /** What --known takes: "llama-2-7b". */
  readonly id: string;
  /** Its name: "Llama-2-7B". */
  readonly title: string;
}

/** One size at one rank. */
export interface SizeRow {
  /** Where people know the size from, such as "BERT-base attention"; null where it has no name. */
  readonly name: string | null;
  /** How many layers of the model have this size; null where the size is from no model. The other numbers are of one layer. */
  readonly layers: Count | null;
  /** Size of the last dimension of the input. */
  readonly inFeatures: Count;
  /** Size of the last dimension of the output. */
  readonly outFeatures: Count;
  /** The layer is counted with a bias. */
  readonly bias: boolean;
  /** Rank r of the adapter. */
  readonly rank: Count;
  /** Scalars of the layer, its bias included where it has one. */
  readonly parameters: Count;
  /** in · out */
  readonly parametersWithoutBias: Count;
  /** in · out + out */
  readonly parametersWithBias: Count;
  /** Scalars of its adapter: rank · (in + out). */
  readonly loraParameters: Count;
  /** parameters / loraParameters */
  readonly reduction: number;
  /** LoRA's alpha. */
  readonly alpha: number;
  /** alpha / rank */
  readonly scaling: number;
  /** Bytes of the adapter in float32. */
  readonly adapterBytes: Count;
  /** Bytes of the adapter in float16 or bfloat16. */
  readonly adapterBytesHalf: Count;
  /** Bytes of Adam's two moments in float32, which PEFT keeps for adapters of a half-precision model, too. */
  readonly optimizerBytes: Count;
  /** The rank from which the adapter has as many scalars as the layer. It may lie between two whole ranks. */
  readonly breakEvenRank: number;
}

/** A size, for the charts. */
export interface ComparedSize {
  /** Where people know the size from, such as "BERT-base attention"; null where it has no name. */
  readonly name: string | null;
  /** Size of the last dimension of the input. */
  readonly inFeatures: Count;
  /** Size of the last dimension of the output. */
  readonly outFeatures: Count;
  /** The layer is counted with a bias. */
  readonly bias: boolean;
  /** How many layers of the model have this size; null where the size is from no model. */
  readonly layers: Count | null;
  /** Scalars of the layer, its bias included where it has one. */
  readonly parameters: Count;
  /** The rank from which the adapter has as many scalars as the layer. It may lie between two whole ranks. */
  readonly breakEvenRank: number;
  /** The adapter's scalars at ranks 1, 2, 4 and so on, to beyond the break-even rank. */
  readonly curve: readonly CurvePoint[];
}

/** What an adapter costs at a rank. */
export interface CurvePoint {
  /** Rank r of the adapter. */
  readonly rank: Count;
  /** Scalars of the adapter. */
  readonly loraParameters: Count;
}

/** A rank, for the charts. */
export interface ComparedRank {
  /** Rank r of the adapter. */
  readonly rank: Count;
  /** The factor on the adapter's output for an alpha of 1. The scale is proportional to alpha. */
  readonly scalingPerAlpha: number;
}
