import type { AdapterChoice } from "../../protocol/jobs";
import type { InjectionSummary } from "../../protocol/reports";
import { UserError } from "../formats/errors";
import type { Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { checkAdapter, loadAdapter } from "../lora/adapterFiles";
import type { LoraConfig } from "../lora/config";
import { type Injection, injectionFor, injectionOf } from "../lora/injection";
import { weightOf } from "../lora/names";
import { type TargetableLayer, targetableLayers } from "../lora/targets";
import { type LayerUse, layerUses, usesIn } from "../lora/uses";
import type { Model } from "../readers/model";

/** A configuration with the layers it targets in one model. */
export interface PlannedAdapter {
  readonly config: LoraConfig;
  readonly targets: readonly TargetableLayer[];
  readonly injection: InjectionSummary;
  /** Trained values, when it was loaded from a folder. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
}

/** A fresh adapter for the choices made. `graph`: the model's, where it is traced with inputs that somebody gave. */
export function planAdapter(model: Model, choice: AdapterChoice, graph?: Graph): PlannedAdapter {
  return plan(model, injectionFor(model, choice, usesFrom(model, graph)));
}

/** A saved adapter, checked against the model. */
export async function openAdapter(model: Model, folder: string, graph?: Graph): Promise<Required<PlannedAdapter>> {
  const adapter = await loadAdapter(folder);
  const planned = plan(model, injectionOf(model, adapter.config, usesFrom(model, graph)));
  checkAdapter(adapter, planned.targets);
  return { ...planned, tensors: adapter.tensors };
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
