import type { Node as SyntaxNode } from "web-tree-sitter";
import { TFJS_TEXT } from "../../../protocol/commands";
import { UserError } from "../../formats/errors";
import type { SourcePlace } from "../../graph/node";
import { Architecture, ArchitectureError } from "../keras/architecture";
import { KerasModel } from "../keras/model";
import type { ModelFile, Problem, Reader, ReadLimits } from "../model";
import { JavaScriptEvaluator, LimitReached } from "./evaluator";
import { parseJavaScript } from "./syntax";
import { topologyOf } from "./topology";
import { type LayerValue, ModelValue, Unknown } from "./values";

/** Reads models made with TensorFlow.js's layers from JavaScript and TypeScript source. Nothing is run. */
export const javascriptReader: Reader = {
  match: (file) => /\.(?:[mc]?[jt]s|[jt]sx)$/i.test(file) && !/\.d\.[mc]?ts$/i.test(file),
  open: read,
};

/** Bundles are longer, and define no model that somebody would adapt there. */
const MAX_SOURCE_LENGTH = 1024 * 1024;
async function read(file: string, text: string, limits: Partial<ReadLimits> = {}): Promise<ModelFile> {
  const start: SourcePlace = { file, line: 1, column: 1, endLine: 1, endColumn: 1 };
  const refused = (message: string): ModelFile => ({
    file,
    models: [],
    problems: [{ place: start, message, severity: "error" }],
  });
  if (!TFJS_TEXT.test(text)) return { file, models: [], problems: [] };
  if (text.length > MAX_SOURCE_LENGTH) {
    return refused(`this file has more than ${MAX_SOURCE_LENGTH / 1024 / 1024} MB of text and is not read`);
  }
  const { cancel } = limits;
  const cancelled = () => cancel !== undefined && Atomics.load(cancel, 0) !== 0;
  const tree = await parseJavaScript(file, text, cancelled);
  if (!tree) return refused("reading was cancelled");
  try {
    const ev = new JavaScriptEvaluator(cancelled);
    const problems: Problem[] = [];
    try {
      ev.program(tree.rootNode);
    } catch (error) {
      if (!(error instanceof LimitReached || error instanceof RangeError)) throw error;
      const message = error instanceof LimitReached ? error.message : "this file is nested too deeply to be evaluated";
      problems.push({ place: start, message, severity: "warning" });
    }
    const names = new Set<string>();
    const models = listed(ev.models).flatMap((model) => open(file, model, names, problems));
    return { file, models, problems: distinct(problems) };
  } finally {
    tree.delete();
  }
}

/** One model for each place that makes one: of several, that of which most is known. Parts of others are not listed. */
function listed(models: readonly ModelValue[]): ModelValue[] {
  const gaps = ({ layers }: ModelValue) => layers.filter((layer) => layer instanceof Unknown).length;
  const best = new Map<number, ModelValue>();
  for (const model of models) {
    const known = best.get(model.node.id);
    const isBetter =
      known &&
      (gaps(model) < gaps(known) || (gaps(model) === gaps(known) && model.layers.length > known.layers.length));
    if (!known || isBetter) best.set(model.node.id, model);
  }
  return [...best.values()].filter((model) => model.kind === "Model" || model.layers.length > 0);
}

function open(file: string, model: ModelValue, names: Set<string>, problems: Problem[]): KerasModel[] {
  const place = placeOf(file, model.node);
  const { json, origins, gaps } = topologyOf(model);
  const reported = gaps.map(
    ({ at, reason }): Problem => ({
      place: placeOf(file, at.node),
      message: `${described(at)}: ${reason}`,
      severity: "information",
    }),
  );
  problems.push(...reported);
  const architecture = new Architecture((object) => placeOf(file, origins.get(object)?.node ?? model.node));
  try {
    const spec = architecture.layer(json);
    const { network } = spec;
    if (!network) return [];
    const opened = new KerasModel(
      file,
      { ...spec, name: unique(model.variable ?? model.name, names), network },
      architecture,
      2,
      undefined,
    );
    // An unknown value is reported once, with its reason; layers that use it are not reported.
    const places = new Set(reported.map((problem) => key(problem.place)));
    problems.push(...opened.problems.filter((problem) => !places.has(key(problem.place))));
    return [opened];
  } catch (error) {
    if (!(error instanceof UserError || error instanceof ArchitectureError)) throw error;
    problems.push({ place, message: error.message, severity: "information" });
    return [];
  }
}

function described(at: LayerValue | ModelValue): string {
  return at instanceof ModelValue ? `a layer of ${at.variable ?? at.name} is unknown` : `${at.className} "${at.name}"`;
}

/** Models are chosen by name, so two of a file have two names. */
function unique(name: string, names: Set<string>): string {
  let free = name;
  for (let n = 2; names.has(free); n++) free = `${name}_${n}`;
  names.add(free);
  return free;
}

function placeOf(file: string, { startPosition, endPosition }: SyntaxNode): SourcePlace {
  return {
    file,
    line: startPosition.row + 1,
    column: startPosition.column + 1,
    endLine: endPosition.row + 1,
    endColumn: endPosition.column + 1,
  };
}

const key = ({ line, column }: SourcePlace): string => `${line}:${column}`;

function distinct(problems: readonly Problem[]): Problem[] {
  const byKey = new Map(problems.map((problem) => [`${key(problem.place)}:${problem.message}`, problem]));
  return [...byKey.values()].sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
}
