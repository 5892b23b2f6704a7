import type { LayerSummary, ModelSummary } from "../../protocol/model";
import type { Count } from "../../protocol/numbers";
import type { AnalyzeReport, EngineSummary, MergeReport, TrainReport, VerifyReport } from "../../protocol/reports";
import type { DeltaReport } from "../../protocol/reports/delta";
import type { RunReport } from "../../protocol/reports/forward";

import type { SizesReport } from "../../protocol/reports/sizes";
import type { SummarizeReport } from "../../protocol/reports/summary";
import type { SweepReport } from "../../protocol/reports/sweep";

/**
 * What each command prints with --json, by the command's name. `npm run schemas` writes a JSON Schema of each to schemas/;
 * comments become descriptions. A test compares the files with what is declared here.
 */
export interface Outputs {
  readonly layers: LayersOutput;
  readonly graph: GraphOutput;
  readonly analyze: AnalyzeReport;
  readonly summarize: SummarizeReport;
  readonly verify: VerifyReport;
  readonly train: TrainReport;
  readonly sweep: SweepReport;
  readonly merge: MergeReport;
  readonly export: MergeReport;
  readonly sizes: SizesReport;
  readonly run: RunReport;
  readonly delta: DeltaReport;
  readonly engines: EnginesOutput;
}

export type CommandName = keyof Outputs;

/** The models of a file. */
export interface LayersOutput {
  /** The models, in the order in which the file makes them. */
  readonly models: readonly ListedModel[];
  /** What could not be read, and mistakes. */
  readonly problems: readonly ListedProblem[];
}

/** A model of a file. */
export interface ListedModel extends Omit<ModelSummary, "place" | "layers"> {
  /** In a notebook: the cell that the line is counted in, from 1, Markdown counted too. */
  readonly cell?: Count;
  /** Its layers, in the order in which it holds them. */
  readonly layers: readonly ListedLayer[];
}

/** A layer of a model. */
export interface ListedLayer extends Omit<LayerSummary, "place"> {
  /** In a notebook: the cell that the line is counted in, from 1, Markdown counted too. */
  readonly cell?: Count;
}

/** Something to know of a file. */
export interface ListedProblem {
  /** Line of the file, from 1. */
  readonly line: Count;
  /** In a notebook: the cell that the line is counted in, from 1, Markdown counted too. */
  readonly cell?: Count;
  /** What it is, in words. */
  readonly message: string;
}

/** The traced graph of a model. */
export interface GraphOutput {
  /** The model's class, or the name that the file gives it. */
  readonly class: string;
  /** The graph as text, for people: its form may change. */
  readonly graph: string;
}

/** What can run here. */
export interface EnginesOutput {
  /** All engines, those included that cannot run here. */
  readonly engines: readonly EngineSummary[];
}
