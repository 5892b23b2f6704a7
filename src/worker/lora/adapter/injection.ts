import type { InjectionSummary, TargetSummary } from "../../../protocol/reports";
import { UserError } from "../../formats/errors";
import { lineText } from "../../graph/node";
import type { Model } from "../../readers/model";
import { type GivenConfig, type LoraConfig, loraConfig } from "../config/config";
import { checkGiven } from "../config/given";
import { targetModules } from "../targets/chosen";
import { defaultTargets, requireSome } from "../targets/defaults";
import { isAllLinear, matchTargets, type TargetableLayer } from "../targets/targets";
import type { LayerUse } from "../targets/uses";
import { unmatchedNameWarnings, useWarnings } from "../targets/warnings";
import { layerCost } from "../variants/costs";
import { resolve } from "../variants/resolve";

/** Of the model's trace; undefined when it cannot be traced. */
type Uses = ReadonlyMap<string, LayerUse> | undefined;

/** An adapter's configuration with the layers that it targets in one model. */
export interface Injection {
  readonly config: LoraConfig;
  readonly targets: readonly TargetableLayer[];
  readonly summary: InjectionSummary;
}

/**
 * Resolves a user's choice. Without chosen layers, the configuration names the default ones: "all-linear" would mean
 * other layers in PEFT. Throws a UserError for invalid values.
 */
export function injectionFor(model: Model, given: GivenConfig, uses: Uses): Injection {
  checkGiven(given);
  const { target_modules: chosen = null, exclude_modules: excluded = null } = given;
  if (chosen !== null) return injectionOf(model, loraConfig({ ...given, target_modules: chosen }), uses);
  const defaults = defaultTargets(model, uses);
  requireSome(defaults, model);
  const { layers, leftOut } = defaults;
  const names = targetModules(
    model,
    layers.map(({ path }) => path),
  );
  const config = loraConfig({ ...given, target_modules: names });
  // A model that is itself a layer is not a target.
  const isMatched = layers.length > 0 && excluded === null && layers.every(({ path }) => path !== "");
  const injection = injectionOf(model, config, uses, isMatched ? layers : undefined);
  return { ...injection, summary: { ...injection.summary, ...(leftOut.length > 0 && { leftOut }) } };
}

/**
 * Resolves an existing configuration. Throws a UserError when it targets nothing or a layer that cannot be adapted, or
 * when the model's own size is unknown.
 */
export function injectionOf(
  model: Model,
  given: LoraConfig,
  uses: Uses,
  targets: readonly TargetableLayer[] = matchTargets(model, given),
): Injection {
  // As PEFT writes it: "all-linear" means other layers in another model.
  const names = () =>
    targetModules(
      model,
      targets.map(({ path }) => path),
    );
  const config = isAllLinear(given.target_modules) ? { ...given, target_modules: names() } : given;
  const warnings = [...unmatchedNameWarnings(model, given), ...useWarnings(targets, uses)];
  return { config, targets, summary: injectionSummary(model, config, targets, warnings) };
}

/** What one layer's adapter costs. `line` is where the layer is constructed. */
export function targetSummary(layer: TargetableLayer, config: LoraConfig): TargetSummary {
  const { path, inFeatures, outFeatures, bias } = layer;
  const { cell, line } = layer.place;
  return {
    path,
    ...(cell !== undefined && { cell }),
    line,
    inFeatures,
    outFeatures,
    bias,
    ...layerCost(layer, config),
  };
}

/** The configuration's effect on the model. */
function injectionSummary(
  model: Model,
  config: LoraConfig,
  layers: readonly TargetableLayer[],
  others: readonly string[],
): InjectionSummary {
  const targets = layers.map((layer) => targetSummary(layer, config));
  const baseParameters = model.root.parameters;
  if (baseParameters === undefined) {
    const reasons = model.problems.map((problem) => `${lineText(problem.place)}: ${problem.message}`);
    throw new UserError(
      `the size of ${model.className} is unknown because a dimension could not be evaluated${reasons.length > 0 ? ` (${reasons[0]})` : ""}`,
      { file: model.file, line: model.place.line },
    );
  }
  const warnings = [...others, ...rankWarnings(targets, config.r), ...alphaWarnings(config)];
  const trainable = targets.reduce((sum, target) => sum + target.lora, 0);
  const total = baseParameters + trainable;
  return {
    model: model.className,
    file: model.file,
    rank: config.r,
    alpha: config.lora_alpha,
    scaling: resolve(config, layers[0]!).scaling,
    dropout: config.lora_dropout,
    targets,
    baseParameters,
    trainable,
    total,
    percent: (100 * trainable) / total,
    ...(warnings.length > 0 && { warnings }),
  };
}

/** PEFT accepts any number, but an adapter with alpha 0 has no effect and is not trained. */
function alphaWarnings({ lora_alpha }: LoraConfig): string[] {
  return lora_alpha === 0 ? ["alpha is 0, so the adapter has no effect and gets no gradient."] : [];
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
    `The rank ${rank} is above the smaller side of ${named}${more}. This works, as in PEFT, but a rank of ${most} can express the same change with fewer parameters.`,
  ];
}
