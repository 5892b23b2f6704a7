import type { Count } from "../numbers";
import type { InjectionSummary, MemoryEstimate } from "../reports";
import type { SweepReport } from "./sweep";

/** One page about a model and LoRA on it: where the parameters are, what is trained, and what it costs. */
export interface SummarizeReport {
  /** Names the kind of report. */
  readonly kind: "summarize";
  /** What the adapter is put on and what it costs. */
  readonly injection: InjectionSummary;
  /** The adapters use rsLoRA: their scale is alpha / sqrt(rank). */
  readonly rankStabilized: boolean;
  /** How A and B begin. */
  readonly begins: BeginsAs;
  /** The adapted layers, those of one pattern and size together, in the model's order. */
  readonly groups: readonly FlowGroup[];
  /** The model's parameters by kind of layer, the largest kind first. Together they are all parameters of the model. */
  readonly kinds: readonly KindRow[];
  /** What it costs to train some parts of the model. Parts that the model does not have are left out. */
  readonly choices: readonly ChoiceCost[];
  /** Memory that training takes; null with the reason when `forward` could not be traced. */
  readonly memory: MemoryEstimate | null;
  /** Why the memory is not known; absent when it is. */
  readonly memoryUnavailable?: string;
  /** The newest sweep over ranks that lies beside the model file; null without one. */
  readonly sweep: SweepReport | null;
  /** One sentence for each sweep beside the model file that could not be read. */
  readonly sweepProblems: readonly string[];
  /** Sentences drawn from the numbers above. */
  readonly insights: readonly Insight[];
  /** Best practices that the model or the configuration gives reason for. */
  readonly practices: readonly Practice[];
}

/** How the matrices of a fresh adapter begin, in words. */
export interface BeginsAs {
  /** The configuration's init_lora_weights: `true`, `"pissa"`. */
  readonly name: string;
  /** How A begins: "Kaiming uniform". */
  readonly a: string;
  /** How B begins: "zeros". */
  readonly b: string;
}

/** Adapted layers whose paths differ only in their numbers, and whose sizes are equal. */
export interface FlowGroup {
  /** Their path with `*` for each number that differs: `layers.*.attention.query`. */
  readonly pattern: string;
  /** What the layers do in the model. */
  readonly layerKind: LayerKind;
  /** The layers, in the model's order. */
  readonly layers: readonly LayerLine[];
  /** Size of the input's last dimension. */
  readonly inFeatures: Count;
  /** Size of the output's last dimension. */
  readonly outFeatures: Count;
  /** The layers have a bias. */
  readonly bias: boolean;
  /** Parameters of one layer's weight, in scalars. */
  readonly weight: Count;
  /** Parameters of one layer, its bias included, in scalars. */
  readonly full: Count;
  /** Rank r of the adapter. */
  readonly rank: Count;
  /** lora_alpha. */
  readonly alpha: number;
  /** The factor on B A x. */
  readonly scaling: number;
  /** Probability of dropout on the adapter's input, 0 to 1. */
  readonly dropout: number;
  /** Parameters of one adapter's A, in scalars. */
  readonly a: Count;
  /** Parameters of one adapter's B, in scalars. */
  readonly b: Count;
  /** Parameters of one adapter, in scalars. */
  readonly lora: Count;
  /** full / lora */
  readonly reduction: number;
  /** Rank from which the adapter trains as many scalars as the layer has; not rounded. */
  readonly breakEvenRank: number;
}

/** Where a layer is constructed. */
export interface LayerLine {
  /** As PyTorch names it: `encoder.layers.0.fc1`. */
  readonly path: string;
  /** Line of the model file, from 1. */
  readonly line: Count;
  /** In a notebook: the cell that the line is counted in, from 1. */
  readonly cell?: Count;
}

/** What a layer does in a model; `other` where neither structure nor names say so. */
export type LayerKind = "attention" | "feed-forward" | "embedding" | "convolution" | "head" | "other";

/** All layers of a kind. */
export interface KindRow {
  /** What the layers do in the model. */
  readonly layerKind: LayerKind;
  /** Number of layers with parameters of their own; modules that only hold others do not count. */
  readonly layers: Count;
  /** Parameters of the layers, in scalars. Tied parameters count where they are held first. */
  readonly parameters: Count;
  /** 100 * parameters / the model's parameters. */
  readonly percent: number;
  /** Number of the layers that LoRA can adapt: the linear ones. */
  readonly linear: Count;
  /** Number of the layers that the configuration adapts. */
  readonly adapted: Count;
  /** Parameters of the linear layers, in scalars. A tied weight counts at each of them. */
  readonly full: Count;
  /** Parameters of adapters on all of the kind's linear layers at the configured rank, in scalars. */
  readonly lora: Count;
  /** full / lora; null without linear layers. */
  readonly reduction: number | null;
}

/** A part of the model that can be trained, and what this costs. */
export interface ChoiceCost {
  /** LoRA on attention, LoRA on all linear layers but the head, or the head's own parameters. */
  readonly choice: "attention" | "all-linear" | "head";
  /** Number of the layers. */
  readonly layers: Count;
  /** Trained parameters at the configured rank, in scalars. For the head: its own, which no adapter holds. */
  readonly trainable: Count;
  /** 100 * trainable / (base + trainable) with adapters; 100 * trainable / base for the head's own. */
  readonly percent: number;
}

/** Sections of the page that an insight can lead to. */
export type SummarySection = "flow" | "memory" | "kinds" | "quality" | "practices";

/** A sentence with the numbers behind it. */
export interface Insight {
  /** The sentence. */
  readonly text: string;
  /** The section of the page that has the numbers. */
  readonly section: SummarySection;
  /** The layer that the sentence is about. */
  readonly layer?: LayerLine;
}

/** A best practice. */
export interface Practice {
  /** Stable name: `rank`. */
  readonly id: string;
  /** What to do, in one or two sentences. */
  readonly text: string;
  /** Where it comes from. */
  readonly source: PracticeSource;
  /** What it means for this model, from its own numbers. */
  readonly here: string;
}

/** Where a practice comes from. */
export interface PracticeSource {
  /** Authors, title and section. */
  readonly title: string;
  /** Address on the web. */
  readonly url: string;
}
