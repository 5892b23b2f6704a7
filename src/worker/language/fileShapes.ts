import { basename } from "node:path";
import type { ModelSummary, ProblemSummary } from "../../protocol/model";
import type { DType } from "../formats/dtype";
import { lineText } from "../graph/node";
import type { InputSpec } from "../readers/inputSpec";
import type { DimensionName, Model, ModelFile, ObservedShapes, Problem, ShapeHint, StandIn } from "../readers/model";
import { placeOf, problemSummary } from "../readers/summary";
import { handwrittenLora } from "./handwritten/handwritten";
import { layerFindings } from "./layerUses";

/** One inlay hint's content: plain data, so that it crosses threads. */
export interface PlacedShape {
  readonly place: ModelSummary["place"];
  readonly dims: readonly string[];
  readonly dtype: DType;
  readonly shapes: readonly (readonly number[])[];
  readonly runs: number;
  /** Which of `FileShapes.traces` it comes from. */
  readonly trace: number;
}

export interface TraceSummary {
  readonly class: string;
  readonly inputs: readonly InputSpec[];
  readonly inputsFrom: string;
  readonly names: readonly DimensionName[];
}

/** What tracing the models of a file shows about its code. */
export interface FileShapes {
  readonly traces: readonly TraceSummary[];
  readonly hints: readonly PlacedShape[];
  readonly problems: readonly ProblemSummary[];
  /** Places of linear layers that are never called while their weights are read. */
  readonly onlyRead?: readonly ModelSummary["place"][];
}

/**
 * Traces the models of a file: whole models before their parts, the larger first. A part's hints are those of the
 * largest model it is used in, with the sizes it really has there; only parts used nowhere are traced by themselves.
 * Results after a cancellation are discarded.
 */
export function shapesOf({ file, models, standIns }: ModelFile, isCancelled = () => false): FileShapes {
  const traces: TraceSummary[] = [];
  const hints = new Map<string, PlacedShape>();
  const problems: Problem[] = [];
  const onlyRead = new Map<string, ModelSummary["place"]>();
  const shown = new Set<string>();
  const partOf = partsOf(models);
  const sizes = new Map(models.map((model) => [model, sizeOf(model)]));
  for (const model of [...models].sort((a, b) => sizes.get(b)! - sizes.get(a)!)) {
    if (shown.has(model.className)) continue;
    if (isCancelled()) break;
    const observed = model.shapes?.();
    if (!observed) continue;
    if (observed.graph) for (const name of ranThrough(observed, models)) shown.add(name);
    traces.push({
      class: observed.className,
      inputs: observed.inputs,
      inputsFrom: observed.inputsFrom,
      names: observed.names,
    });
    for (const hint of observed.hints) {
      const key = keyOf(hint);
      if (hint.place.file === file && !hints.has(key)) hints.set(key, placed(hint, traces.length - 1));
    }
    const { problem } = observed;
    // A part that cannot be traced alone does not matter if the whole model is traced. A layer that could not be made
    // is missing from its Sequential, so a shape error may be the reader's fault.
    const complete = model.problems.length === 0;
    const found = observed.graph && layerFindings(model, observed.graph);
    const own = [
      ...(problem && complete && (problem.severity === "error" || !partOf.has(model.className)) ? [problem] : []),
      ...handwrittenLora(model, observed.graph),
      ...(found?.problems ?? []),
    ];
    problems.push(...own.flatMap((each) => inFile(each, model)));
    for (const place of found?.onlyRead ?? []) if (place.file === file) onlyRead.set(keyOf({ place }), placeOf(place));
  }
  if (!isCancelled()) problems.push(...standInFindings(standIns?.() ?? [], problems));
  return {
    traces,
    hints: [...hints.values()],
    problems: distinct(problems).map(problemSummary),
    ...(onlyRead.size > 0 && { onlyRead: [...onlyRead.values()] }),
  };
}

function placed({ place, dims, dtype, shapes, runs }: ShapeHint, trace: number): PlacedShape {
  return { place: placeOf(place), dims, dtype, shapes, runs, trace };
}

const keyOf = ({ place }: { place: Problem["place"] }): string => `${place.cell}:${place.line}:${place.column}`;

/** Findings that need no real sizes. A misfit that also shows with real sizes is reported with those. */
function standInFindings(standIns: readonly StandIn[], reported: readonly Problem[]): Problem[] {
  return standIns.flatMap(({ model, graph, misfit }) => {
    const isNew = misfit && !reported.some(({ place }) => keyOf({ place }) === keyOf(misfit));
    return [...(isNew ? [misfit] : []), ...handwrittenLora(model, graph, true)];
  });
}

/** The classes whose forward ran. */
function ranThrough(observed: ObservedShapes, models: readonly Model[]): string[] {
  const ran = new Set(observed.functions);
  return models.map((m) => m.className).filter((name) => ran.has(`${name}.forward`));
}

function sizeOf({ root }: Model): number {
  let modules = 0;
  const visit = (children: Model["root"]["children"]): void => {
    for (const child of children) {
      modules++;
      visit(child.children);
    }
  };
  visit(root.children);
  return modules;
}

/** Classes that other models of the file are made of. */
function partsOf(models: readonly Model[]): Set<string> {
  const parts = new Set<string>();
  const visit = (children: Model["root"]["children"]): void => {
    for (const child of children) {
      parts.add(child.kind);
      visit(child.children);
    }
  };
  for (const { root } of models) visit(root.children);
  return parts;
}

/**
 * A problem in another file's code is shown at the model that this file makes of it, since that file itself may have
 * other sizes or none. Remarks are shown only in the other file.
 */
function inFile(problem: Problem, { file, place }: Model): Problem[] {
  const { place: at, message, severity, related = [] } = problem;
  if (at.file === file) return [problem];
  if (severity === "information") return [];
  const there = { place: at, message: "The expression is here." };
  return [
    {
      ...problem,
      place,
      message: `${message}\nIn ${basename(at.file)}, ${lineText(at)}.`,
      related: [there, ...related],
    },
  ];
}

/** The same mistake seen from several models is one. */
function distinct(problems: readonly Problem[]): Problem[] {
  const byKey = new Map<string, Problem>();
  for (const problem of problems) {
    const key = `${keyOf(problem)}:${problem.code}`;
    if (!byKey.has(key)) byKey.set(key, problem);
  }
  return [...byKey.values()];
}
