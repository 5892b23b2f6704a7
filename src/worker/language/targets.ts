import type { TargetsResult } from "../../protocol/messages";
import { UserError } from "../formats/errors";
import { layerCost } from "../lora/variants/costs";
import { isKnownLinear, type Reading } from "./layers";

/** The layers of a model that LoRA can target, each with its cost at the rank. Throws a UserError when there are none. */
export function targetChoices(reading: Reading, className: string, rank: number): TargetsResult {
  const { models } = reading.summary;
  const model = models.find((one) => one.class === className);
  if (!model) {
    const found = models.map((one) => one.class).join(", ");
    throw new UserError(`no model ${className} was found in the file${found ? `; it has ${found}` : ""}`);
  }
  const selected = new Set(reading.defaultTargets.get(model.class));
  const layers = model.layers.filter(isKnownLinear).map((layer) => ({
    path: layer.path,
    line: layer.line,
    ...(layer.place.cell !== undefined && { cell: layer.place.cell }),
    inFeatures: layer.inFeatures,
    outFeatures: layer.outFeatures,
    bias: layer.bias,
    ...layerCost(layer, rank),
    selected: selected.has(layer.path),
  }));
  if (layers.length === 0) {
    throw new UserError(`${model.class} has no Linear layer whose size is known, so there is nothing to adapt`);
  }
  return { class: model.class, layers };
}
