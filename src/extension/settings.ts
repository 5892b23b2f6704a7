import { workspace } from "vscode";
import type { EngineChoice } from "../protocol/jobs";
import type { WorkerSettings } from "../protocol/messages";

/** The extension's settings, typed. Ranges and defaults stand in package.json; VS Code fills them in. */
export interface Settings extends Omit<WorkerSettings, "environments" | "configurations" | "adapters"> {
  readonly engine: EngineChoice;
  /** Tensors or modules that weights may lack. */
  readonly allowMissing: readonly string[];
  readonly training: TrainingSettings;
}

export interface TrainingSettings {
  readonly epochs: number;
  readonly batchSize: number;
  /** Null: the method's own. */
  readonly learningRate: number | null;
  /** Part of the rows held out. */
  readonly validation: number;
  readonly seed: number;
}

export const SECTION = "loraLens";

export function readSettings(): Settings {
  const section = workspace.getConfiguration(SECTION);
  return {
    rank: atLeastOne(section.get("rank", 8)),
    alpha: section.get("alpha", 16),
    codeLens: section.get("codeLens", true),
    diagnostics: section.get("diagnostics", true),
    inlayHints: section.get("inlayHints", true),
    inputShapes: section.get("inputShapes", {}),
    engine: section.get<EngineChoice>("engine", "auto"),
    allowMissing: section.get<string[]>("allowMissing", []).filter((name) => typeof name === "string"),
    training: {
      epochs: atLeastOne(section.get("training.epochs", 20)),
      batchSize: atLeastOne(section.get("training.batchSize", 32)),
      learningRate: section.get<number | null>("training.learningRate", null),
      validation: section.get("training.validation", 0.2),
      seed: section.get("training.seed", 0),
    },
  };
}

/** VS Code warns of a value out of range but hands it on. */
function atLeastOne(value: number): number {
  return Math.max(1, Math.round(value));
}
