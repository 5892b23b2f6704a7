import type { ConfigurationFile } from "../../../../protocol/model";
import type { Tensor } from "../../../formats/tensor";
import type { SourcePlace } from "../../../graph/node";
import type { GivenInputs } from "../../givenInputs";
import { memoized } from "../../memoized";
import type {
  ConfigurationOption,
  LoadedPart,
  LoraCode,
  Model,
  ModuleInfo,
  ObservedShapes,
  ParameterInfo,
  Pretrained,
  Problem,
  SearchedFolder,
  Traced,
  TraceOptions,
} from "../../model";
import { type Imported, stateOf } from "../imports/sources";
import { assignedTargets } from "../syntax/assigned";
import type { ClassStmt, Module, Stmt } from "../syntax/ast";
import type { Source } from "../syntax/source";
import { namesMentionedBy, rootName } from "../syntax/walk";
import { movedTree } from "./repeated";

/**
 * Models that a keystroke does not affect. A model of an open file is built again if it is connected to the change: if
 * it mentions changed names or is mentioned by changed code, directly or through others. The others are kept, with
 * their places moved.
 */

export interface Reading {
  readonly source: Source;
  readonly module: Module;
  readonly packages: readonly string[] | undefined;
  readonly models: readonly Model[];
  /** Names of modules were given other classes or functions, to which no name of the file leads. */
  readonly patched: boolean;
  /** Problems of building the models that belong to none of them. */
  readonly own: readonly Problem[];
  readonly imported: Imported;
  readonly searched: SearchedFolder | undefined;
}

/** Code that reaches names without mentioning them. */
const REFLECTION = new Set("globals locals vars dir eval exec compile __import__ importlib inspect sys".split(" "));

/** Which of the new module's classes a change concerns, and the models of the others. */
export interface Unchanged {
  readonly concerns: (definition: ClassStmt) => boolean;
  /** Models of the classes that are not concerned. `whole` gives all of the file's, read as if for the first time. */
  readonly models: (whole: () => readonly Model[]) => Model[];
  /** Files that these were read from, and folders in which no others were found. */
  readonly imported: Imported;
  readonly searched: SearchedFolder | undefined;
}

/** The file that was read last: somebody types in one file at a time. */
export class LastReading {
  private last: Reading | undefined;

  remember(reading: Reading): void {
    this.last = reading;
  }

  /** Undefined where everything has to be read again. */
  unchangedSince(source: Source, module: Module, packages: readonly string[] | undefined): Unchanged | undefined {
    const before = this.last;
    // A text that is the same is read again because something else is not.
    if (before?.source.file !== source.file || before.source.text === source.text) return undefined;
    if (before.patched || source.segments.length > 0 || before.own.length > 0 || `${before.packages}` !== `${packages}`)
      return undefined;
    if ([...before.imported].some(([file, state]) => stateOf(file) !== state)) return undefined;
    const [old, now] = [new Set(before.module.body), new Set(module.body)];
    const stayed = module.body.filter((statement) => old.has(statement));
    // Of two that changed places each may have run before the other.
    if (before.module.body.filter((s) => now.has(s)).some((statement, i) => statement !== stayed[i])) return undefined;
    const changed = [...module.body, ...before.module.body].filter((s) => !old.has(s) || !now.has(s));
    const all = [...stayed, ...changed];
    if (all.some((statement) => [...namesOf(statement).all].some((name) => REFLECTION.has(name)))) return undefined;
    const defined = new Set(all.flatMap((statement) => [...namesOf(statement).defined]));
    const concerned = connected([...changed, ...configured(before.models, stayed)], stayed, defined);
    const kept = new Set(stayed.filter((s): s is ClassStmt => s.kind === "Class" && !concerned.has(s)));
    const names = new Set([...kept].map(({ name }) => name));
    const move = mover(before.source, source);
    return {
      imported: before.imported,
      searched: before.searched,
      concerns: (definition) => !kept.has(definition),
      models: (whole) =>
        before.models
          .filter(({ className }) => names.has(className))
          .map((model) => new KeptModel(model, move, () => find(whole(), model.className))),
    };
  }
}

function find(models: readonly Model[], className: string): Model {
  const model = models.find((m) => m.className === className);
  if (!model) throw new Error(`${className} is not found when its file is read as a whole`);
  return model;
}

/**
 * A configuration may come from whatever the file makes, and what other files of the project construct from whatever
 * they import of it: no name leads there.
 */
function configured(models: readonly Model[], stayed: readonly Stmt[]): Stmt[] {
  const taking = new Set(
    models.filter((m) => m.configuration || m.lacksConfiguration || m.madeElsewhere).map((m) => m.className),
  );
  return stayed.filter((s) => s.kind === "Class" && taking.has(s.name));
}

interface Names {
  /** At the top of the module. */
  readonly defined: ReadonlySet<string>;
  /** Defined and mentioned. */
  readonly all: ReadonlySet<string>;
}

/** A statement that stays is the same object after each keystroke. */
const namesOf = memoized((statement: Stmt): Names => {
  const roots = assignedTargets([statement]).map(rootName);
  const defined = new Set(roots.filter((name) => name !== undefined));
  return { defined, all: new Set([...defined, ...namesMentionedBy(statement)]) };
});

/**
 * The statements that are tied to the first ones by names of the module, to and fro. Imports tie nothing together: what
 * two classes both import is changed by neither.
 */
function connected(first: readonly Stmt[], stayed: readonly Stmt[], defined: ReadonlySet<string>): Set<Stmt> {
  const own = stayed.filter((s) => s.kind !== "Import" && s.kind !== "ImportFrom");
  const assigned = new Set([...own, ...first].flatMap((s) => [...namesOf(s).defined]));
  const mentioning = new Map<string, Stmt[]>();
  for (const statement of own) {
    for (const name of namesOf(statement).all) {
      if (!defined.has(name)) continue;
      const statements = mentioning.get(name);
      if (statements) statements.push(statement);
      else mentioning.set(name, [statement]);
    }
  }
  const found = new Set(first);
  for (const statement of found) {
    for (const name of namesOf(statement).all) {
      if (assigned.has(name)) for (const other of mentioning.get(name) ?? []) found.add(other);
    }
  }
  return found;
}

type Move = (place: SourcePlace) => SourcePlace;

/** Where a place of the text before is now. Code that stayed moved by whole lines; undefined where none has. */
function mover(before: Source, now: Source): Move | undefined {
  const lines = now.pieceLines();
  const pieces = [...before.pieceLines()].map(([base, line]) => ({ line, shift: (lines.get(base) ?? line) - line }));
  if (pieces.every(({ shift }) => shift === 0)) return undefined;
  return (place) => {
    if (place.file !== before.file) return place;
    const { shift } = pieces.findLast((piece) => piece.line <= place.line) ?? pieces[0]!;
    return shift === 0 ? place : { ...place, line: place.line + shift, endLine: place.endLine + shift };
  };
}

function movedProblem(problem: Problem, move: Move): Problem {
  const { related } = problem;
  return {
    ...problem,
    place: move(problem.place),
    ...(related && { related: related.map((each) => ({ ...each, place: move(each.place) })) }),
  };
}

/** A model whose code has only moved. Anything beyond its layers is read again when requested. */
export class KeptModel implements Model {
  readonly className: string;
  readonly file: string;
  readonly place: SourcePlace;
  readonly root: ModuleInfo;
  readonly problems: readonly Problem[];
  readonly part: boolean;
  readonly configurationFiles: readonly ConfigurationFile[] | undefined;
  readonly pretrained: Pretrained | undefined;
  readonly checkpoints: readonly LoadedPart[];
  private given: GivenInputs | undefined;

  constructor(
    model: Model,
    move: Move | undefined,
    private readonly read: () => Model,
  ) {
    this.className = model.className;
    this.file = model.file;
    this.place = move ? move(model.place) : model.place;
    this.root = move ? movedTree(model.root, move) : model.root;
    this.part = model.part ?? false;
    this.configurationFiles = model.configurationFiles;
    this.pretrained = model.pretrained;
    this.checkpoints = model.checkpoints ?? [];
    this.problems = move ? model.problems.map((problem) => movedProblem(problem, move)) : model.problems;
  }

  get modelType(): string | undefined {
    return this.fresh().modelType;
  }

  useInputs(inputs: GivenInputs): void {
    this.given = inputs;
  }

  private fresh(): Model {
    const model = this.read();
    if (this.given) model.useInputs(this.given);
    return model;
  }

  get stateDict(): readonly ParameterInfo[] {
    return this.fresh().stateDict;
  }

  configurations(): readonly ConfigurationOption[] {
    return this.fresh().configurations?.() ?? [];
  }

  trace(options?: TraceOptions): Traced {
    return this.fresh().trace(options);
  }

  get code(): LoraCode | undefined {
    return this.fresh().code;
  }

  shapes(): ObservedShapes {
    return this.fresh().shapes!();
  }

  initialize(seed: number): Map<string, Tensor> {
    return this.fresh().initialize(seed);
  }
}
