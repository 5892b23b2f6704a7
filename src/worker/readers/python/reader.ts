import { resolve } from "node:path";
import { ReaderMemory } from "../memory";
import type { Model, ModelFile, Problem, Reader, ReadLimits, ReadOptions, SearchedFolder } from "../model";
import { ConfigurationListing } from "./configs/targets";
import { PythonEvaluator } from "./evaluate/evaluator";
import { builtinScope } from "./evaluate/objects/builtins";
import { execute } from "./evaluate/run/statements";
import type { Scope } from "./evaluate/scope";
import { StandIns } from "./handwritten/standIns";
import { environmentOf } from "./imports/environment";
import { isFile, realPath } from "./imports/look";
import { isBelow, ProjectFiles } from "./imports/project";
import { type Imported, stateOf } from "./imports/sources";
import { type Written, WrittenModules } from "./imports/writtenModules";
import { buildModels, type FoundModels } from "./models/models";
import { LastReading } from "./models/unchanged";
import { assignedTargets } from "./syntax/assigned";
import type { ClassStmt, Module, Stmt } from "./syntax/ast";
import { MAX_SOURCE_LENGTH, parse } from "./syntax/parse";
import { KeptPieces } from "./syntax/pieces";
import { Source } from "./syntax/source";
import { NamedModules, withoutCopies } from "./usage/namedModules";
import type { Evaluator } from "./values/evaluator";
import { DEFAULT_LIMITS } from "./values/limits";
import { ReadingSession } from "./values/session";
import { Unknown } from "./values/unknown";
import type { Value } from "./values/values";

/** Steps that one statement at the top level, or one model's construction, may take of the whole. */
const SHARE = 0.2;

/** Reads models from PyTorch source by evaluating it symbolically. Nothing is run. */
export const pythonReader: Reader = {
  match: (file) => /\.pyi?$/i.test(file),
  open: (file, text, options) => readPython(new Source(file, text), { ...DEFAULT_LIMITS, ...options }),
};

/** What a module finds when it is run. */
export interface Surroundings {
  /** Names besides Python's own. */
  readonly defined?: ReadonlyMap<string, Value>;
  /** Modules that it writes itself. */
  readonly written?: Written | undefined;
  /** Why there may be other names, too. */
  readonly unfollowed?: Unknown | undefined;
}

/** Reads one module, which may be the cells of a notebook. */
export async function readPython(
  given: Source,
  limits: ReadOptions,
  surroundings: Surroundings = {},
): Promise<ModelFile> {
  const { file, text } = given;
  if (text.length > MAX_SOURCE_LENGTH) {
    const size = (text.length / 1024 / 1024).toFixed(1);
    const most = MAX_SOURCE_LENGTH / 1024 / 1024;
    const message = `this file is ${size} MB long; files of more than ${most} MB are not read`;
    return { file, models: [], problems: [{ place: given.place({ start: 0, end: 0 }), message, severity: "error" }] };
  }
  const { cancel, memory = new ReaderMemory() } = limits;
  const last = memory.of(LastReading);
  if (limits.fresh) {
    memory.of(ProjectFiles).forget();
    memory.of(ConfigurationListing).forget();
  }
  const segments = given.segments.length > 0 ? given.segments : undefined;
  const module = await parse(text, {
    cancelled: cancel && (() => isSet(cancel)),
    segments,
    pieces: true,
    edited: limits.open ? { file, kept: memory.of(KeptPieces) } : undefined,
  });
  const source = module.pieces ? given.inPieces(module.pieces) : given;
  const read = (isWanted?: (definition: ClassStmt) => boolean) =>
    readModule(source, module, { ...limits, memory }, surroundings, isWanted);
  if (!limits.open) return withProblems(file, read());
  const known = limits.fresh ? undefined : last.unchangedSince(source, module, limits.packages);
  const part = read(known?.concerns);
  // What is assigned to names of modules concerns all that uses them.
  const [unchanged, found] = known && part.patched ? [undefined, read()] : [known, part];
  let whole: readonly Model[] | undefined;
  const models = unchanged?.models(() => {
    whole ??= read().models;
    return whole;
  });
  // Models that stay as they were depend on what they did before.
  const imported = new Map([...(unchanged?.imported ?? []), ...found.imported]);
  const searched = found.searched ?? unchanged?.searched;
  const result = { ...found, imported, searched, models: [...found.models, ...(models ?? [])] };
  if (!isSet(cancel)) last.remember({ source, module, packages: limits.packages, ...result });
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
  /** Names of modules were given other classes or functions. */
  readonly patched: boolean;
  /** Imported files and configurations that were read. */
  readonly imported: Imported;
  readonly searched: SearchedFolder | undefined;
  readonly standIns: StandIns | undefined;
}

function readModule(
  source: Source,
  module: Module,
  limits: ReadOptions & { readonly memory: ReaderMemory },
  { defined = new Map(), written, unfollowed }: Surroundings,
  isWanted?: (definition: ClassStmt) => boolean,
): Found {
  const environment = environmentOf(source.file, limits.packages ?? [], limits.memory);
  const session = new ReadingSession(limits.memory);
  const ev = new PythonEvaluator(source, limits, builtinScope(), environment.resolve, session);
  ev.globals.package = environment.package;
  ev.globals.statements = () => module.body;
  ev.globals.unfollowed = unfollowed;
  const syntax = module.errors.map((e): Problem => ({ place: source.place(e), message: e.message, severity: "error" }));
  ev.globals.names.set("__name__", "__model__");
  ev.globals.names.set("__file__", fileName(source));
  for (const [name, value] of defined) ev.globals.names.set(name, value);
  const named = new NamedModules();
  const run = (scope: Scope, body: readonly Stmt[], before?: (statement: Stmt) => void) =>
    runTop(ev, body, { limits, scope, named, before });
  const modules = written && new WrittenModules(ev, module, written, environment.package, run);
  environment.written = modules;
  run(ev.globals, modules?.main ?? module.body, modules && ((s) => modules.reach(source.place(s).cell ?? 0)));
  modules?.loadRest();
  let found: FoundModels | undefined;
  const own = ev.collect(() => {
    try {
      const steps = Math.max(1, Math.floor(limits.steps * SHARE));
      found = buildModels(ev, module, named, { steps, choice: limits.configuration, isWanted, environment });
    } catch (error) {
      ev.reportError(error);
    }
  });
  const consulted = [...ev.consulted].map((each): [string, string | undefined] => [each, stateOf(each)]);
  const imported = new Map([...environment.imported(), ...consulted]);
  const hasCode = module.body.some(({ kind }) => kind === "Class" || kind === "Function");
  return {
    models: found?.models ?? [],
    problems: [...syntax, ...ev.problems, ...ev.reports.certain],
    own,
    patched: ev.patches.replaced > 0,
    imported,
    searched: environment.searched,
    standIns: found && hasCode ? new StandIns(ev, module, found.sites, found.training) : undefined,
  };
}

function withProblems(file: string, { models, problems, own, standIns }: Found): ModelFile {
  const shown = withoutCopies(models).sort(inOrder);
  const all = distinct([...problems, ...own, ...shown.flatMap((m) => m.problems)]);
  return { file, models: shown, problems: all, ...(standIns && { standIns: () => standIns.all() }) };
}

function inOrder({ place: a }: Pick<Problem, "place">, { place: b }: Pick<Problem, "place">): number {
  return (a.cell ?? 0) - (b.cell ?? 0) || a.line - b.line || a.column - b.column;
}

const isSet = (cancel: Int32Array | undefined): boolean => cancel !== undefined && Atomics.load(cancel, 0) !== 0;

interface Run {
  readonly limits: ReadLimits;
  readonly scope: Scope;
  readonly named: NamedModules;
  readonly before: ((statement: Stmt) => void) | undefined;
}

/** Runs statements at the top of the file, or of a module that the file writes. */
function runTop(ev: Evaluator, body: readonly Stmt[], { limits, scope, named, before }: Run): void {
  const share = Math.max(1, Math.floor(limits.steps * SHARE));
  const restore = ev.mark();
  for (const statement of body) {
    before?.(statement);
    try {
      const left = limits.steps - ev.stepsTaken;
      const made = ev.constructed.size;
      const { value: recorded, files } = ev.provenance.during(() =>
        ev.random.record(() =>
          ev.within(Math.max(1, Math.min(share, left)), () =>
            ev.provenance.statement(scope, statement, () => execute(ev, scope, statement)),
          ),
        ),
      );
      const { draws } = recorded;
      for (const type of files.size > 0 ? [...ev.constructed.keys()].slice(made) : [])
        ev.provenance.constructed.set(type, files);
      named.note(ev, statement, draws, scope);
    } catch (error) {
      const message = ev.reportError(error, true);
      forget(ev, scope, statement, message);
      restore();
      if (isSet(limits.cancel)) break;
    }
  }
}

/** Of a text that has no file, and in a notebook, nothing says where it is. */
function fileName({ file, segments }: Source): Value {
  return segments.length === 0 && isFile(file)
    ? resolve(file).replaceAll("\\", "/")
    : new Unknown("__file__ is not known while the file is read");
}

/** After an error, what the statement had yet to assign is unknown. */
function forget(ev: Evaluator, scope: Scope, statement: Stmt, reason: string): void {
  for (const target of assignedTargets([statement])) {
    if (target.kind === "Name" && !scope.names.has(target.id)) {
      scope.assign(target.id, new Unknown(reason, ev.source.place(statement)));
    }
  }
}

/** One problem a place and message, in the order of lines. */
function distinct(problems: readonly Problem[]): Problem[] {
  const byKey = new Map(problems.map((p) => [`${p.place.cell}:${p.place.line}:${p.place.column}:${p.message}`, p]));
  return [...byKey.values()].sort(inOrder);
}
