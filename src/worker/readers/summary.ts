import type { FileSummary, LayerSummary, ModelSummary, Place, ProblemSummary } from "../../protocol/model";
import type { SourcePlace } from "../graph/node";
import { madeAt } from "./madeElsewhere";
import { isNamed, type Model, type ModelFile, type ModuleInfo, type Problem } from "./model";

/** Kinds of torch.nn that hold other modules and compute nothing of their own. */
const CONTAINERS = new Set(["Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]);

/** What the editor and the command line show of a file. */
export function summarize(opened: ModelFile): FileSummary {
  return { models: opened.models.map(modelSummary), problems: opened.problems.map(problemSummary) };
}

/** In words, where a model's sizes come from that do not stand in its code: "config.json", "../train.py, line 9". */
export function sizesFrom(model: ModelSummary): string | undefined {
  const { configurationFiles = [] } = model;
  const code = sizesInCode(model);
  if (configurationFiles.length === 0) return code;
  const [first, ...more] = configurationFiles.map(({ path }) => path);
  const others = more.length > 1 ? ` and ${more.length} more` : more.map((path) => ` and ${path}`).join("");
  return `${first}${others}${code === undefined ? "" : ` (${code})`}`;
}

function sizesInCode({ madeElsewhere, configuration }: ModelSummary): string | undefined {
  return madeElsewhere ? madeAt(madeElsewhere) : configuration;
}

function modelSummary(model: Model): ModelSummary {
  return {
    class: model.className,
    ...(isNamed(model) && { kind: model.root.kind }),
    line: model.place.line,
    place: placeOf(model.place),
    parameters: model.root.parameters ?? null,
    ...(model.root.trainable !== undefined && { trainable: model.root.trainable }),
    ...(model.configuration && { configuration: model.configuration.label }),
    ...loadsOf(model),
    ...(model.madeElsewhere && { madeElsewhere: model.madeElsewhere }),
    ...(model.configurationFiles && { configurationFiles: model.configurationFiles }),
    ...(model.lacksConfiguration && { lacksConfiguration: true as const }),
    layers: layersWithin(model),
  };
}

function loadsOf({ checkpoints }: Model): Pick<ModelSummary, "loads"> {
  const names = new Set((checkpoints ?? []).map(({ name }) => name));
  return names.size > 0 ? { loads: [...names] } : {};
}

/**
 * Layers with their place in this file: one that is constructed in an imported file is put where this file constructs
 * the module it is part of.
 */
function layersWithin({ root, file }: Model): LayerSummary[] {
  const layers: LayerSummary[] = [];
  // Layers of one call share one object, which crosses to another thread once.
  const places = new Map<SourcePlace, Place>();
  const visit = (module: ModuleInfo, above: SourcePlace): void => {
    const place = module.place.file === file ? module.place : above;
    if (isLayer(module)) {
      const shown = places.get(place) ?? placeOf(place);
      places.set(place, shown);
      layers.push(layerSummary(module, shown));
    }
    for (const child of module.children) visit(child, place);
  };
  visit(root, root.place);
  return layers;
}

/**
 * What people think of as a layer: a module of torch.nn that is no container, one of a class that derives from such a
 * class, or a linear layer of another library.
 */
function isLayer({ path, builtin, kind, base, weight }: ModuleInfo): boolean {
  const ofTorch = builtin ? kind : base;
  return path !== "" && (weight !== undefined || (ofTorch !== undefined && !CONTAINERS.has(ofTorch)));
}

function layerSummary(module: ModuleInfo, place: Place): LayerSummary {
  return {
    path: module.path,
    kind: module.kind,
    inFeatures: module.inFeatures ?? null,
    outFeatures: module.outFeatures ?? null,
    bias: module.bias ?? null,
    ...(module.weight !== undefined && { linear: true as const }),
    ...(module.neverCalled && { neverCalled: module.neverCalled }),
    parameters: module.parameters ?? null,
    line: place.line,
    place,
  };
}

export function problemSummary(problem: Problem): ProblemSummary {
  const { place, message, severity, code, related } = problem;
  return {
    line: place.line,
    message,
    severity,
    place: placeOf(place),
    ...(code !== undefined && { code }),
    ...(related && { related: related.map((r) => relatedSummary(r, place.file)) }),
  };
}

function relatedSummary(
  { place, message }: NonNullable<Problem["related"]>[number],
  file: string,
): NonNullable<ProblemSummary["related"]>[number] {
  return { ...(place.file !== file && { file: place.file }), place: placeOf(place), message };
}

export function placeOf({ cell, line, column, endLine, endColumn }: SourcePlace): Place {
  return { ...(cell !== undefined && { cell }), line, column, endLine, endColumn };
}
