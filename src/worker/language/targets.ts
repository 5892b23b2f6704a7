import type { GivenConfig } from "../../protocol/lora";
import type { TargetsResult } from "../../protocol/messages";
import { UserError } from "../formats/errors";
import { loraConfig } from "../lora/config/config";
import { checkGiven } from "../lora/config/given";
import { layerCost } from "../lora/variants/costs";
import { resolve } from "../lora/variants/resolve";
import { adaptedLayer, isKnownLinear, type Reading } from "./layers";

/** The layers of a model that LoRA can target, each with its cost for the configuration. Throws a UserError when there are none. */
export function targetChoices(reading: Reading, className: string, adapter: GivenConfig): TargetsResult {
  checkGiven(adapter);
  const { models } = reading.summary;
  const model = models.find((one) => one.class === className);
  if (!model) {
    const found = models.map((one) => one.class).join(", ");
    throw new UserError(`no model ${className} was found in the file${found ? `; it has ${found}` : ""}`);
  }
  // The layers in the configuration are ignored, since they are being chosen.
  const config = loraConfig({ ...adapter, target_modules: [] });
  const known = model.layers.filter(isKnownLinear);
  const selected = new Set(reading.defaultTargets.get(model.class));
  const layers = known.map((layer) => ({
    path: layer.path,
    line: layer.line,
    ...(layer.place.cell !== undefined && { cell: layer.place.cell }),
    inFeatures: layer.inFeatures,
    outFeatures: layer.outFeatures,
    bias: layer.bias,
    ...layerCost(adaptedLayer(layer), config),
    selected: selected.has(layer.path),
  }));
  const [first] = known;
  if (!first) {
    throw new UserError(`${model.class} has no Linear layer whose size is known, so there is nothing to adapt`);
  }
  return { class: model.class, scaling: resolve(config, adaptedLayer(first)).scaling, layers };
}
