import type { AdapterChoice } from "../../protocol/jobs";
import type { InjectionSummary } from "../../protocol/reports";
import type { ParameterValue } from "../engines/engine";
import { UserError } from "../formats/errors";
import { allocate, type Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { type AdapterTarget, checkAdapter, loadAdapter } from "../lora/adapter/adapterFiles";
import { type Injection, injectionFor, injectionOf } from "../lora/adapter/injection";
import type { LoraConfig } from "../lora/config/config";
import { baseChange, changeWarning } from "../lora/init/baseChange";
import { loraA, weightOf } from "../lora/targets/layer";
import { withTargets } from "../lora/targets/modelDefaults";
import { type TargetableLayer, targetableLayers } from "../lora/targets/targets";
import { type LayerUse, layerUses, usesIn } from "../lora/targets/uses";
import type { Model } from "../readers/model";
import { changedBase, type OpenOptions, ofRank, requireSupported, savedBase } from "./adapterBase";
import type { OpenedModel } from "./opened";

/** A configuration with the layers it targets in one model. */
export interface PlannedAdapter {
  readonly config: LoraConfig;
  readonly targets: readonly TargetableLayer[];
  readonly injection: InjectionSummary;
  /** Trained values, when it was loaded from a folder. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
  /** What it was before it was trained, for initializations that begin from the base weights, when that was asked for. */
  readonly initial?: ReadonlyMap<string, Tensor>;
}

/** A fresh adapter for the choices made. `graph`: the model's, where it is traced with inputs that somebody gave. */
export function planAdapter(model: Model, choice: AdapterChoice, graph?: Graph): PlannedAdapter {
  return plan(model, injectionFor(model, choice, usesFrom(model, graph)));
}

/** A saved adapter with what loading it makes of the model. */
export interface OpenedAdapter extends PlannedAdapter {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The model's state dict as PEFT leaves it when it loads the adapter: to be used in place of the model's own. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  /** The state dict before `init_lora_weights` took anything from it; `values` itself where it takes nothing. */
  readonly base: ReadonlyMap<string, ParameterValue>;
  /** The file that held the tensors. */
  readonly file: string;
}

/**
 * A saved adapter, checked against the model, with the base weights as PEFT has them after loading it: changed by
 * `init_lora_weights`, then replaced by those that were saved with the adapter.
 */
export async function openAdapter(
  { model, values }: Pick<OpenedModel, "model" | "values">,
  folder: string,
  options: OpenOptions = {},
): Promise<OpenedAdapter> {
  const adapter = await loadAdapter(folder);
  const { config, targets, injection } = plan(
    model,
    injectionOf(model, withTargets(adapter.config, model), usesFrom(model, options.graph)),
  );
  const change = baseChange(config);
  // PEFT's decompositions give no more rows than the weight has.
  const rankOf = ({ inFeatures, outFeatures }: AdapterTarget) =>
    change === undefined ? config.r : Math.min(config.r, inFeatures, outFeatures);
  checkAdapter(adapter, targets, model.stateDict, rankOf);
  const tensors = ofRank(adapter.tensors, targets, config.r);
  const saved = await savedBase(adapter, targets, model);
  const changed = await changedBase(change, targets, { model, values, saved }, config, options);
  // A frozen weight that was saved is what the initialization left of it.
  const kept = [...saved].filter(([path]) => !changed.values.has(path));
  const base = kept.length > 0 ? new Map([...values, ...kept]) : values;
  const warnings = [injection.warnings ?? [], changeWarning(config) ?? [], changed.warnings].flat();
  const initial = isMica(config) ? beforeMica(model, targets, config, tensors) : changed.initial;
  return {
    config,
    targets,
    injection: warnings.length > 0 ? { ...injection, warnings } : injection,
    tensors,
    values: changed.values.size > 0 ? new Map([...base, ...changed.values, ...saved]) : base,
    base,
    ...(initial && { initial }),
    file: adapter.file,
  };
}

const isMica = ({ init_lora_weights: word }: LoraConfig) => typeof word === "string" && word.toLowerCase() === "mica";

/**
 * MiCA (arXiv 2604.01694) begins with A at zero and leaves B as it begins.
 * @throws UserError for what PEFT cannot decompose.
 */
function beforeMica(
  model: Model,
  targets: readonly TargetableLayer[],
  config: LoraConfig,
  tensors: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const initial = new Map(tensors);
  for (const target of targets) {
    const { path } = weightOf(target);
    requireSupported(model.stateDict.find((entry) => entry.path === path)!, config);
    const most = Math.min(target.inFeatures, target.outFeatures);
    if (config.r > most) {
      throw new UserError(
        `init_lora_weights is ${JSON.stringify(config.init_lora_weights)}, and PEFT then takes a rank of at most ${most} for ${target.path}, not ${config.r}; choose an adapter of a lower rank`,
      );
    }
    initial.set(loraA(target.path), allocate("float32", [config.r, target.inFeatures]));
  }
  return initial;
}

function usesFrom(model: Model, graph: Graph | undefined): ReadonlyMap<string, LayerUse> | undefined {
  return graph ? usesIn(graph, model) : layerUses(model);
}

/** `fan_in_fan_out` is the layers' own: PEFT, too, corrects what a configuration says of it. */
function plan(model: Model, { config, targets: matched, summary }: Injection): PlannedAdapter {
  const targets = throughTies(model, matched);
  const fanInFanOut = targets.every((target) => weightOf(target).fanInFanOut);
  return { config: { ...config, fan_in_fan_out: fanInFanOut }, targets, injection: summary };
}

/**
 * A layer whose weight is tied to another module's is known in the graph by the path of the tensor they share: an output
 * head by the embedding's.
 * @throws UserError where two linear layers share one weight and their calls are not marked, so that their uses cannot be
 * told apart.
 */
function throughTies(model: Model, targets: readonly TargetableLayer[]): TargetableLayer[] {
  const shared = new Map(model.stateDict.map(({ path, tiedTo }) => [path, tiedTo ?? path]));
  const tensorOf = (layer: TargetableLayer): string => {
    const { path } = weightOf(layer);
    return shared.get(path) ?? path;
  };
  const layers = targetableLayers(model);
  return targets.map((target) => {
    const path = tensorOf(target);
    const other = target.marked
      ? undefined
      : layers.find((layer) => layer.path !== target.path && tensorOf(layer) === path);
    if (other) {
      throw new UserError(
        `${target.path} and ${other.path} share one weight, so an adapter on one alone cannot be computed; leave both out of the target modules`,
        { file: model.file },
      );
    }
    const own = weightOf(target);
    return own.path === path ? target : { ...target, weight: { path, fanInFanOut: own.fanInFanOut } };
  });
}
