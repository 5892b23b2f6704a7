import type { AdapterChoice } from "../../protocol/jobs";
import type { InjectionSummary, TargetSummary } from "../../protocol/reports";
import { UserError } from "../formats/errors";
import { lineText } from "../graph/node";
import type { Model } from "../readers/model";
import { type LoraConfig, loraConfig, scalingOf } from "./config";
import { layerCost } from "./costs";
import { matchTargets, type TargetableLayer } from "./targets";

/** Ranks above this are a typing mistake: no published adapter comes near it. */
const MAX_RANK = 65536;

/** The configuration for what somebody chose; everything else has PEFT's defaults. Throws a UserError on nonsense. */
export function configFor(choice: AdapterChoice): LoraConfig {
  const { rank, alpha, dropout, targetModules, excludeModules, rslora } = choice;
  if (rank !== undefined && (!Number.isInteger(rank) || rank < 1 || rank > MAX_RANK)) {
    throw new UserError(`the rank must be a whole number of 1 or more, not ${rank}; 8 and 16 are usual`);
  }
  if (alpha !== undefined && !Number.isFinite(alpha)) {
    throw new UserError(`alpha must be a number, not ${alpha}; the rank or twice the rank is usual`);
  }
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw new UserError(`dropout must be at least 0 and below 1, not ${dropout}`);
  }
  return loraConfig({
    ...(rank !== undefined && { r: rank }),
    ...(alpha !== undefined && { lora_alpha: alpha }),
    ...(dropout !== undefined && { lora_dropout: dropout }),
    ...(targetModules !== undefined && { target_modules: targetModules }),
    ...(excludeModules !== undefined && { exclude_modules: excludeModules }),
    ...(rslora !== undefined && { use_rslora: rslora }),
  });
}

/** What one layer's adapter costs. `line` is where the layer is constructed. */
export function targetSummary(layer: TargetableLayer, rank: number): TargetSummary {
  const { path, inFeatures, outFeatures, bias } = layer;
  const { cell, line } = layer.place;
  return { path, ...(cell !== undefined && { cell }), line, inFeatures, outFeatures, bias, ...layerCost(layer, rank) };
}

/**
 * What the configuration does to the model. Throws a UserError when it targets nothing, a rank does not fit, or the
 * model's own size is unknown.
 */
export function injectionSummary(model: Model, config: LoraConfig): InjectionSummary {
  const targets = matchTargets(model, config).map((layer) => targetSummary(layer, config.r));
  const baseParameters = model.root.parameters;
  if (baseParameters === undefined) {
    const reasons = model.problems.map((problem) => `${lineText(problem.place)}: ${problem.message}`);
    throw new UserError(
      `the size of ${model.className} is unknown because a dimension could not be evaluated${reasons.length > 0 ? ` (${reasons[0]})` : ""}`,
      { file: model.file, line: model.place.line },
    );
  }
  const warnings = [...rankWarnings(targets, config.r), ...alphaWarnings(config)];
  const trainable = targets.reduce((sum, target) => sum + target.lora, 0);
  const total = baseParameters + trainable;
  return {
    model: model.className,
    file: model.file,
    rank: config.r,
    alpha: config.lora_alpha,
    scaling: scalingOf(config),
    dropout: config.lora_dropout,
    targets,
    baseParameters,
    trainable,
    total,
    percent: (100 * trainable) / total,
    ...(warnings.length > 0 && { warnings }),
  };
}

/** PEFT accepts any number, and an adapter with 0 has no effect and does not learn. */
function alphaWarnings({ lora_alpha }: LoraConfig): string[] {
  return lora_alpha === 0 ? ["alpha is 0, so the adapter has no effect, and no gradient reaches it."] : [];
}

/** PEFT accepts a rank above a layer's smaller side: B A then has more numbers than the weight, and no greater rank. */
function rankWarnings(targets: readonly TargetSummary[], rank: number): string[] {
  const small = targets.filter(({ inFeatures, outFeatures }) => rank > Math.min(inFeatures, outFeatures));
  if (small.length === 0) return [];
  const named = small
    .slice(0, 3)
    .map(({ path, inFeatures, outFeatures }) => `${path} (${inFeatures} → ${outFeatures})`)
    .join(", ");
  const more = small.length > 3 ? ` and ${small.length - 3} more` : "";
  const most = Math.min(...small.map(({ inFeatures, outFeatures }) => Math.min(inFeatures, outFeatures)));
  return [
    `The rank ${rank} is above the smaller side of ${named}${more}. It computes as in PEFT, but a rank of ${most} can express the same change with fewer parameters.`,
  ];
}
