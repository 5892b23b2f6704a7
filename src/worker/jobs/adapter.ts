import type { GivenConfig } from "../../protocol/lora";
import type { InjectionSummary } from "../../protocol/reports";
import type { ParameterValue } from "../engines/engine";
import { UserError } from "../formats/errors";
import type { Tensor } from "../formats/tensor";
import type { Graph } from "../graph/graph";
import { checkAdapter, loadAdapter } from "../lora/adapter/adapterFiles";
import { type Injection, injectionFor, injectionOf } from "../lora/adapter/injection";
import type { LoraConfig } from "../lora/config/config";
import { savedInitialization } from "../lora/init/registry";
import { weightOf } from "../lora/targets/layer";
import { withTargets } from "../lora/targets/modelDefaults";
import { type TargetableLayer, targetableLayers } from "../lora/targets/targets";
import { type LayerUse, layerUses, usesIn } from "../lora/targets/uses";
import { resolveAll } from "../lora/variants/resolve";
import type { LayerAdapter } from "../lora/variants/variant";
import type { Model } from "../readers/model";
import {
  asSaved,
  changedBase,
  type OpenOptions,
  ofRank,
  requireDecomposable,
  savedBase,
  withZeros,
} from "./adapterBase";
import type { OpenedModel } from "./opened";

/** How the model uses its layers; undefined when it cannot be traced without being given inputs. */
type Uses = ReadonlyMap<string, LayerUse> | undefined;

/** A configuration with the layers it targets in one model. */
export interface PlannedAdapter {
  readonly config: LoraConfig;
  /** The settings of each layer. */
  readonly layers: readonly LayerAdapter[];
  readonly injection: InjectionSummary;
  readonly uses: Uses;
  /** Trained values, when it was loaded from a folder. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
  /** Its values before training, if requested, for initializations that start from the base weights. */
  readonly initial?: ReadonlyMap<string, Tensor>;
}

/** A fresh adapter of the configuration. `graph`: the model's, where it has been traced already. */
export function planAdapter(model: Model, config: GivenConfig, graph?: Graph): PlannedAdapter {
  const uses = usesFrom(model, graph);
  return plan(model, injectionFor(model, config, uses), uses);
}

/** A saved adapter, and the model's values after loading it. */
export interface OpenedAdapter extends PlannedAdapter {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The model's state dict as PEFT leaves it when it loads the adapter: to be used in place of the model's own. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  /** The state dict before `init_lora_weights` changed it; `values` itself if nothing changed. */
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
  const uses = usesFrom(model, options.graph);
  const planned = plan(model, injectionOf(model, withTargets(adapter.config, model), uses), uses);
  const { config, layers, injection } = planned;
  const init = savedInitialization(config.init_lora_weights);
  for (const layer of layers) init.refuse?.(config.init_lora_weights, layer);
  checkAdapter(
    adapter,
    layers.map((layer) => asSaved(layer, init)),
    model.stateDict,
  );
  if (init.decomposes) requireDecomposable(model, layers, config);
  const tensors = ofRank(adapter.tensors, layers);
  const saved = await savedBase(adapter, layers, model);
  const changed = await changedBase(init, layers, { model, values, saved }, options);
  // A frozen weight that was saved is already changed by the initialization.
  const kept = [...saved].filter(([path]) => !changed.values.has(path));
  const base = kept.length > 0 ? new Map([...values, ...kept]) : values;
  const warnings = [injection.warnings ?? [], init.warning ?? [], changed.warnings].flat();
  const initial = init.beganAtZero ? withZeros(tensors, layers, init.beganAtZero) : changed.initial;
  return {
    ...planned,
    injection: warnings.length > 0 ? { ...injection, warnings } : injection,
    tensors,
    values: changed.values.size > 0 ? new Map([...base, ...changed.values, ...saved]) : base,
    base,
    ...(initial && { initial }),
    file: adapter.file,
  };
}

function usesFrom(model: Model, graph: Graph | undefined): Uses {
  return graph ? usesIn(graph, model) : layerUses(model);
}

/** `fan_in_fan_out` follows from the layers: PEFT corrects the configuration's value, too. */
function plan(model: Model, { config: given, targets: matched, summary }: Injection, uses: Uses): PlannedAdapter {
  const targets = throughTies(model, matched);
  const config = { ...given, fan_in_fan_out: targets.every((target) => weightOf(target).fanInFanOut) };
  return { config, layers: resolveAll(config, targets), injection: summary, uses };
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
        `${target.path} and ${other.path} share one weight, so an adapter on only one of them cannot be computed; leave both out of the target modules`,
        { file: model.file },
      );
    }
    const own = weightOf(target);
    return own.path === path
      ? target
      : { ...target, children: target.children, weight: { path, fanInFanOut: own.fanInFanOut } };
  });
}
