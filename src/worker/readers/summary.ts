import type { FileSummary, LayerSummary, ModelSummary, Place, ProblemSummary } from "../../protocol/model";
import type { SourcePlace } from "../graph/node";
import { type Model, type ModelFile, type ModuleInfo, type Problem, walkModules } from "./model";

/** Kinds of torch.nn that hold other modules and compute nothing of their own. */
const CONTAINERS = new Set(["Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]);

/** What the editor and the command line show of a file. */
export function summarize(opened: ModelFile): FileSummary {
  return { models: opened.models.map(modelSummary), problems: opened.problems.map(problemSummary) };
}

function modelSummary(model: Model): ModelSummary {
  return {
    class: model.className,
    line: model.place.line,
    place: placeOf(model.place),
    parameters: model.root.parameters ?? null,
    layers: [...walkModules(model.root)].filter(isLayer).map(layerSummary),
  };
}

/** What people think of as a layer: a module of torch.nn that is no container. */
function isLayer(module: ModuleInfo): boolean {
  return module.path !== "" && module.builtin && !CONTAINERS.has(module.kind);
}

function layerSummary(module: ModuleInfo): LayerSummary {
  return {
    path: module.path,
    kind: module.kind,
    inFeatures: module.inFeatures ?? null,
    outFeatures: module.outFeatures ?? null,
    bias: module.bias ?? null,
    parameters: module.parameters ?? null,
    line: module.place.line,
    place: placeOf(module.place),
  };
}

function problemSummary(problem: Problem): ProblemSummary {
  const { place, message, severity } = problem;
  return { line: place.line, message, severity, place: placeOf(place) };
}

function placeOf({ line, column, endLine, endColumn }: SourcePlace): Place {
  return { line, column, endLine, endColumn };
}
