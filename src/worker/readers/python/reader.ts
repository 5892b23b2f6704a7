import { resolve } from "node:path";
import type { Model, ModelFile, Problem, Reader, ReadLimits, ReadOptions, SearchedFolder } from "../model";
import { assignedTargets } from "./assigned";
import type { ClassStmt, Module, Stmt } from "./ast";
import { builtinScope } from "./builtins";
import { forgetConfigurations } from "./configs/targets";
import { environmentOf } from "./environment/environment";
import { isFile, realPath } from "./environment/look";
import { forgetProject, isBelow } from "./environment/project";
import { type Imported, stateOf } from "./environment/sources";
import { Evaluator } from "./evaluator";
import { DEFAULT_LIMITS } from "./limits";
import { buildModels } from "./models";
import { NamedModules, withoutCopies } from "./namedModules";
import { Source } from "./source";
import { execute } from "./statements";
import { MAX_SOURCE_LENGTH, parse } from "./syntax";
import { recordDraws } from "./torch";
import { remember, unchangedSince } from "./unchanged";
import { Unknown, type Value } from "./values";

/** Steps that one statement at the top level, or one model's construction, may take of the whole. */
const SHARE = 0.2;

/** Reads models from PyTorch source by evaluating it symbolically. Nothing is run. */
export const pythonReader: Reader = {
  match: (file) => /\.pyi?$/i.test(file),
  open: (file, text, options) => readPython(new Source(file, text), { ...DEFAULT_LIMITS, ...options }),
};

/** Reads one module, which may be the cells of a notebook. `defined` are further names that it finds. */
export async function readPython(
  given: Source,
  limits: ReadOptions,
  defined: ReadonlyMap<string, Value> = new Map(),
): Promise<ModelFile> {
  const { file, text } = given;
  if (text.length > MAX_SOURCE_LENGTH) {
    const size = (text.length / 1024 / 1024).toFixed(1);
    const most = MAX_SOURCE_LENGTH / 1024 / 1024;
    const message = `this file is ${size} MB long; files of more than ${most} MB are not read`;
    return { file, models: [], problems: [{ place: given.place({ start: 0, end: 0 }), message, severity: "error" }] };
  }
  const { cancel } = limits;
  if (limits.anew) {
    forgetProject();
    forgetConfigurations();
  }
  const segments = given.segments.length > 0 ? given.segments : undefined;
  const module = await parse(text, {
    cancelled: cancel && (() => isSet(cancel)),
    segments,
    pieces: true,
    file: limits.open ? file : undefined,
  });
  const source = module.pieces ? given.inPieces(module.pieces) : given;
  const read = (isWanted?: (definition: ClassStmt) => boolean) => readModule(source, module, limits, defined, isWanted);
  if (!limits.open) return withProblems(file, read());
  const unchanged = limits.anew ? undefined : unchangedSince(source, module, limits.packages);
  const found = read(unchanged?.concerns);
  let whole: readonly Model[] | undefined;
  const models = unchanged?.models(() => {
    whole ??= read().models;
    return whole;
  });
  // Models that stay as they were depend on what they did before.
  const imported = new Map([...(unchanged?.imported ?? []), ...found.imported]);
  const searched = found.searched ?? unchanged?.searched;
  const result = { ...found, imported, searched, models: [...found.models, ...(models ?? [])] };
  if (!isSet(cancel)) remember({ source, module, packages: limits.packages, ...result });
  const dependencies = outsidePackages(imported, limits.packages);
  return { ...withProblems(file, result), dependencies, ...(searched && { searched }) };
}

function outsidePackages(imported: Imported, packages: readonly string[] = []): string[] {
  return [...imported.keys()].filter((file) => !packages.some((folder) => isBelow(realPath(folder), file)));
}

interface Found {
  readonly models: readonly Model[];
  /** Of the syntax and of the statements at the top. */
  readonly problems: readonly Problem[];
  /** Of building the models, and of none of them. */
  readonly own: readonly Problem[];
  /** Imported files and configurations that were read. */
  readonly imported: Imported;
  readonly searched: SearchedFolder | undefined;
}

function readModule(
  source: Source,
  module: Module,
  limits: ReadOptions,
  defined: ReadonlyMap<string, Value>,
  isWanted?: (definition: ClassStmt) => boolean,
): Found {
  const environment = environmentOf(source.file, limits.packages);
  const ev = new Evaluator(source, limits, builtinScope(), environment.resolve);
  ev.globals.package = environment.package;
  const syntax = module.errors.map((e): Problem => ({ place: source.place(e), message: e.message, severity: "error" }));
  ev.globals.names.set("__name__", "__model__");
  ev.globals.names.set("__file__", fileName(source));
  for (const [name, value] of defined) ev.globals.names.set(name, value);
  const named = evaluateTop(ev, module, limits);
  let models: Model[] = [];
  const own = ev.collect(() => {
    try {
      const steps = Math.max(1, Math.floor(limits.steps * SHARE));
      models = buildModels(ev, module, named, { steps, choice: limits.configuration, isWanted, environment });
    } catch (error) {
      ev.reportError(error);
    }
  });
  const consulted = [...ev.consulted].map((each): [string, string | undefined] => [each, stateOf(each)]);
  const imported = new Map([...environment.imported(), ...consulted]);
  return { models, problems: [...syntax, ...ev.problems], own, imported, searched: environment.searched };
}

function withProblems(file: string, { models, problems, own }: Found): ModelFile {
  const shown = withoutCopies(models).sort(inOrder);
  return { file, models: shown, problems: distinct([...problems, ...own, ...shown.flatMap((m) => m.problems)]) };
}

function inOrder({ place: a }: Pick<Problem, "place">, { place: b }: Pick<Problem, "place">): number {
  return (a.cell ?? 0) - (b.cell ?? 0) || a.line - b.line || a.column - b.column;
}

const isSet = (cancel: Int32Array | undefined): boolean => cancel !== undefined && Atomics.load(cancel, 0) !== 0;

function evaluateTop(ev: Evaluator, module: Module, limits: ReadLimits): NamedModules {
  const named = new NamedModules();
  const share = Math.max(1, Math.floor(limits.steps * SHARE));
  const restore = ev.mark();
  for (const statement of module.body) {
    try {
      const left = limits.steps - ev.stepsTaken;
      const made = ev.constructed.size;
      const { value: recorded, files } = ev.provenance.during(() =>
        recordDraws(() =>
          ev.within(Math.max(1, Math.min(share, left)), () =>
            ev.provenance.statement(ev.globals, statement, () => execute(ev, ev.globals, statement)),
          ),
        ),
      );
      const { draws } = recorded;
      for (const type of files.size > 0 ? [...ev.constructed.keys()].slice(made) : [])
        ev.provenance.constructed.set(type, files);
      named.note(ev, statement, draws);
    } catch (error) {
      const message = ev.reportError(error, true);
      forget(ev, statement, message);
      restore();
      if (isSet(limits.cancel)) break;
    }
  }
  return named;
}

/** Of a text that has no file, and in a notebook, nothing says where it is. */
function fileName({ file, segments }: Source): Value {
  return segments.length === 0 && isFile(file)
    ? resolve(file).replaceAll("\\", "/")
    : new Unknown("__file__ is not known while the file is read");
}

/** After an error, what the statement had yet to assign is unknown. */
function forget(ev: Evaluator, statement: Stmt, reason: string): void {
  for (const target of assignedTargets([statement])) {
    if (target.kind === "Name" && !ev.globals.names.has(target.id)) {
      ev.globals.assign(target.id, new Unknown(reason, ev.source.place(statement)));
    }
  }
}

/** One problem a place and message, in the order of lines. */
function distinct(problems: readonly Problem[]): Problem[] {
  const byKey = new Map(problems.map((p) => [`${p.place.cell}:${p.place.line}:${p.place.column}:${p.message}`, p]));
  return [...byKey.values()].sort(inOrder);
}
