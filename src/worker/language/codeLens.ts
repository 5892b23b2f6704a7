import type { CodeLens } from "vscode-languageserver";
import { COMMANDS, type FileLine, type LensTarget } from "../../protocol/commands";
import type { LayerSummary, ModelSummary, Place } from "../../protocol/model";
import { type LoraConfig, loraConfig } from "../lora/config/config";
import { resolve } from "../lora/variants/resolve";
import { sizesFrom } from "../readers/summary";
import {
  adaptedLayer,
  defaultTargets,
  highestRank,
  isKnownLinear,
  isLinear,
  type KnownLinear,
  type LayersAtPlace,
  layersByPlace,
  type Reading,
  shapeText,
  totalCost,
  unknownSizes,
} from "./layers";
import { count, fewer, parameters, percent, scale } from "./numbers";
import { isIn, rangeOf } from "./ranges";

export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
}

/**
 * Lenses above each model class and each layer, of a file or of one cell of a notebook. `uri` is the file's or the
 * notebook's. Pure: the same reading and settings give the same lenses.
 */
export function codeLenses(uri: string, reading: Reading, settings: LoraSettings, cell?: number): CodeLens[] {
  const config = loraConfig({ r: settings.rank, lora_alpha: settings.alpha });
  const models = reading.summary.models.filter(({ place }) => isIn(place, cell));
  const modelLines = new Set(models.map(({ place }) => place.line));
  return [
    ...models.flatMap((model) => classLenses(uri, model, reading, config)),
    ...byLine(layersByPlace(reading.summary).filter(({ place }) => isIn(place, cell))).flatMap((line) =>
      lineLenses(uri, line, config, modelLines.has(line[0]!.place.line)),
    ),
  ];
}

function byLine(places: readonly LayersAtPlace[]): LayersAtPlace[][] {
  const lines = new Map<string, LayersAtPlace[]>();
  for (const at of places) {
    const key = `${at.place.cell}:${at.place.line}`;
    const line = lines.get(key);
    if (line) line.push(at);
    else lines.set(key, [at]);
  }
  return [...lines.values()];
}

/**
 * A lens for each call on the line that makes Linear layers; where there is none, one for all others together. Where a
 * model's own lenses are, `model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))`, there is room for one.
 */
function lineLenses(uri: string, line: readonly LayersAtPlace[], config: LoraConfig, besideModel: boolean): CodeLens[] {
  const linear = line.filter(({ layers }) => isLinear(layers[0]!));
  const [only] = linear;
  // Text for the model's own lens: the layers are made in another file, that of the class.
  if (only && besideModel && only.layers.length > 1 && only.layers.length === only.model.layers.filter(isLinear).length)
    return [];
  if (linear.length > 1 && besideModel) {
    const each = linear.map(({ layers }) => trainable(layers, config) ?? "none");
    return [lens(linear[0]!.place, `each ${each.join(" · ")} trainable`)];
  }
  if (linear.length > 0) return linear.map((at) => linearLens(uri, at, config));
  const title = otherTitle(line.flatMap(({ layers }) => layers));
  return title === undefined ? [] : [lens(line[0]!.place, title)];
}

function linearLens(uri: string, at: LayersAtPlace, config: LoraConfig): CodeLens {
  const known = at.layers.some(isKnownLinear);
  const target = { uri, class: at.model.class, layer: (at.layers.find(isKnownLinear) ?? at.layers[0]!).path };
  return lens(at.place, linearTitle(at.layers, config), known ? COMMANDS.analyze : undefined, target);
}

/** How many scalars LoRA trains in the layers; undefined where all sizes are unknown. */
function trainable(layers: readonly LayerSummary[], config: LoraConfig): string | undefined {
  const known = layers.filter(isKnownLinear);
  return known.length === 0 ? undefined : count(totalCost(known, config).lora);
}

/** The title above a constructor call that makes Linear layers. */
function linearTitle(layers: readonly LayerSummary[], config: LoraConfig): string {
  if (layers.every(({ neverCalled }) => neverCalled)) {
    return `LoRA: never called, only ${layers.length === 1 ? "its weight is" : "their weights are"} read · an adapter has no effect`;
  }
  const known = layers.filter(isKnownLinear);
  if (known.length === 0) {
    const unknown = unknownSizes(layers[0]!);
    return `LoRA: ${unknown.join(" and ")} ${unknown.length > 1 ? "are" : "is"} unknown`;
  }
  const above = known.filter((layer) => config.r > highestRank(layer));
  const { lora, reduction } = totalCost(known, config);
  const { scaling } = resolve(config, adaptedLayer(known[0]!));
  return [
    `LoRA r=${config.r}`,
    ...(layers.length > 1 ? [`${count(known.length)} ${known.length === 1 ? "layer" : "layers"}`] : []),
    `${count(lora)} trainable`,
    fewer(reduction),
    `scale ${scale(scaling)}`,
    ...(above.length > 0 ? [aboveText(above, known)] : []),
    ...(known.length < layers.length ? [`${count(layers.length - known.length)} of unknown size`] : []),
  ].join(" · ");
}

/** PEFT accepts such a rank, but a lower one can express the same change. */
function aboveText(above: readonly KnownLinear[], known: readonly KnownLinear[]): string {
  const most = Math.max(...above.map(highestRank));
  return above.length === known.length
    ? `a rank above ${count(most)} adds nothing here`
    : `${count(above.length)} with a side smaller than the rank`;
}

/** The number of layers that LoRA does not target and of their parameters; undefined if they have none. */
function otherTitle(all: readonly LayerSummary[]): string | undefined {
  // A layer's own layers, as those of MultiheadAttention, are counted with it.
  const layers = all
    .filter(({ path }) => !all.some((other) => path.startsWith(`${other.path}.`)))
    .filter(({ parameters: n }) => n !== 0);
  const known = layers.flatMap(({ parameters: n }) => (n === null ? [] : [n]));
  if (known.length === 0) return undefined;
  const [first] = layers;
  const alike = layers.every((l) => l.inFeatures === first!.inFeatures && l.outFeatures === first!.outFeatures);
  const sizes =
    alike && first!.inFeatures !== null && first!.outFeatures !== null
      ? [`${count(first!.inFeatures)} × ${count(first!.outFeatures)}`]
      : [];
  const unknown = layers.length - known.length;
  return [
    [...new Set(layers.map((l) => l.kind))].join(" and "),
    ...(layers.length > 1 ? [`${count(layers.length)} layers`] : []),
    ...sizes,
    `${parameters(known.reduce((sum, n) => sum + n, 0))} parameters, frozen`,
    ...(unknown > 0 ? [`${count(unknown)} of unknown size`] : []),
  ].join(" · ");
}

/** A class without a Linear layer has no LoRA targets: its lens shows the number of parameters. */
function classLenses(uri: string, model: ModelSummary, reading: Reading, config: LoraConfig): CodeLens[] {
  if (!model.layers.some(isLinear)) {
    if (model.parameters === null || model.parameters === 0) return [];
    const summary = `${parameters(model.parameters)} parameters · no Linear layer`;
    return [lens(model.place, summary), ...configurationLens(uri, model)];
  }
  const target = { uri, class: model.class };
  const summary = classTitle(model, reading, config);
  if (!model.layers.some(isKnownLinear)) return [lens(model.place, summary), ...configurationLens(uri, model)];
  return [
    lens(model.place, summary, COMMANDS.analyze, target),
    lens(model.place, "Inject…", COMMANDS.inject, target),
    lens(model.place, "Verify", COMMANDS.verify, target),
    lens(model.place, "Analyze", COMMANDS.analyze, target),
    lens(model.place, "Train…", COMMANDS.train, target),
    ...configurationLens(uri, model),
  ];
}

/** Where a model's sizes come from. A click chooses another place, or shows the one in another file. */
function configurationLens(uri: string, model: ModelSummary): CodeLens[] {
  const target = { uri, class: model.class };
  const from = sizesFrom(model);
  if (from !== undefined) {
    const title = `sizes from ${from}`;
    const at = model.configurationFiles?.[0] ?? model.madeElsewhere;
    if (!at) return [lens(model.place, title, COMMANDS.chooseConfiguration, target)];
    const cell = "cell" in at ? at.cell : undefined;
    const place = { file: at.file, ...(cell !== undefined && { cell }), line: at.line };
    return [lens(model.place, title, COMMANDS.showLine, place)];
  }
  if (!model.lacksConfiguration) return [];
  return [lens(model.place, "no configuration found: choose one…", COMMANDS.chooseConfiguration, target)];
}

/** The summary above a class: how many layers the default targets are and what share of the model they train. */
function classTitle(model: ModelSummary, reading: Reading, config: LoraConfig): string {
  const linear = model.layers.filter(isLinear);
  const unknown = linear.filter((layer) => !isKnownLinear(layer)).length;
  if (unknown === linear.length) {
    return `LoRA: ${linear.length === 1 ? "its Linear layer is" : `its ${count(linear.length)} Linear layers are`} of unknown size`;
  }
  const targets = defaultTargets(model, reading);
  const above = targets.find((layer) => config.r > highestRank(layer));
  const { lora } = totalCost(targets, config);
  const share =
    model.parameters === null ? " of an unknown total" : ` (${percent((100 * lora) / (model.parameters + lora))})`;
  return [
    `LoRA r=${config.r} targets ${count(targets.length)} of ${count(linear.length)} Linear ${linear.length === 1 ? "layer" : "layers"}`,
    `${count(lora)} trainable${share}`,
    ...(above ? [`the rank is above a side of ${above.path} (${shapeText(above)})`] : []),
    ...(unknown > 0 ? [`${count(unknown)} of unknown size`] : []),
    ...leftOut(linear, targets),
  ].join(" · ");
}

/** Linear layers of known size that the default targets leave out. */
function leftOut(linear: readonly LayerSummary[], targets: readonly KnownLinear[]): string[] {
  const targeted = new Set(targets.map(({ path }) => path));
  const left = linear.filter((layer) => isKnownLinear(layer) && !targeted.has(layer.path));
  const uncalled = left.filter(({ neverCalled }) => neverCalled).length;
  const heads = left.filter(({ neverCalled }) => !neverCalled).map(({ path }) => path);
  return [
    ...(uncalled > 0 ? [`${count(uncalled)} never called`] : []),
    ...(heads.length > 0 ? [`all but ${heads.join(", ")}, the output head`] : []),
  ];
}

/** Without a command the lens is plain text: VS Code shows an empty command id so. */
function lens(place: Place, title: string, command?: string, target?: LensTarget | FileLine): CodeLens {
  const start = rangeOf(place).start;
  return {
    range: { start, end: start },
    command: command && target ? { title, command, arguments: [target] } : { title, command: "" },
  };
}
