import { dirname, relative } from "node:path";
import type { MadeElsewhere } from "../../../../protocol/model";
import { madeAt } from "../../madeElsewhere";
import type { Given } from "../evaluate/run/classes";
import type { Scope } from "../evaluate/scope";
import type { Injections } from "../handwritten/injections";
import type { Environment } from "../imports/environment";
import { ModuleSources } from "../imports/sources";
import type { Configurations } from "../models/configuration/configuration";
import type { ClassStmt, Span, Stmt } from "../syntax/ast";
import { wordsMentioned } from "../syntax/walk";
import type { Evaluator, Noted } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { PyClass, type Value } from "../values/values";
import { CallSites } from "./callSites";
import { Constructions, givenBy } from "./constructions";
import { requiredParameters } from "./constructors";
import { Factories } from "./factories";

/**
 * The arguments with which other project files construct a class: layers are in one file and the script with their
 * sizes in another, as `modeling/transformer.py` and `build_sam.py`. Their calls are evaluated as those of the file
 * itself are.
 */

/** Files looked into for one reading. */
const MAX_FILES = 16;
/** The largest number of steps from a class to its users. */
const MAX_DEPTH = 4;
/** Modules that code that reads configuration files imports. */
const READS = /\b(yaml|json|omegaconf|hydra)\b/;
const NOTHING: Given = { args: [], kwargs: new Map() };
const NOT_NOTED: Noted = { before: NOTHING, known: 0, whole: false, inMain: false };

export interface Made {
  readonly given: Given;
  /** Undefined for the file that is read. */
  readonly at: MadeElsewhere | undefined;
  /** In words: "run.py, line 4". */
  readonly where: string;
  /** The number of known arguments, if others are unknown. */
  readonly known?: number;
  /** Configuration files that give the values. */
  readonly files?: ReadonlySet<string>;
}

interface Opened {
  readonly scope: Scope;
  readonly sites: Constructions;
  readonly factories: Factories;
  readonly classes: readonly ClassStmt[];
}

/** One search: for calls whose arguments are all known, or for those that leave some open as well. */
interface Search {
  readonly partly: boolean;
  /** Classes that were looked into. */
  readonly seen: Set<PyClass>;
}

export class ProjectCallSites {
  private readonly opened = new Map<string, Opened | undefined>();
  private readonly own: Opened;
  private readonly words = new Map<ClassStmt, ReadonlySet<string>>();

  constructor(
    private readonly ev: Evaluator,
    private readonly environment: Environment,
    /** That making one model may take. */
    private readonly steps: number,
    /** The source of the classes' own defaults. */
    private readonly configurations: Configurations,
    body: readonly Stmt[],
    sites: CallSites,
    factories: Factories,
    private readonly injections: Injections,
  ) {
    this.own = this.opening(body, ev.globals, sites, factories);
  }

  /**
   * The first call, likeliest first, whose arguments are all known; unless `whole` is required, else the one with the
   * most known arguments.
   */
  construction(type: PyClass, whole: boolean): Made | undefined {
    const search: Search = { partly: !whole, seen: new Set([type]) };
    const here = better(this.inFile(type, this.own, new Set([type.name]), 0, search), this.inModels(type, search));
    if (here && here.known === undefined) return here;
    const found = better(here, this.inCallers(type, this.ev.main.file, 0, search));
    return found && found.known === undefined ? found : better(found, this.injected(type));
  }

  /** As `construction`, where configuration files give the values. Other files are looked into only if they read some. */
  fromConfigurations(type: PyClass): Made | undefined {
    const { files } = this.environment.callers(this.ev.main.file, type.name);
    const sources = this.ev.session.memory.of(ModuleSources);
    if (!files.some((file) => READS.test(sources.of(file)?.source.text ?? ""))) return undefined;
    const made = this.inCallers(type, this.ev.main.file, 0, { partly: false, seen: new Set([type]) });
    return made?.files ? made : undefined;
  }

  /** The arguments with which a function of this file constructs it when another file calls the function. */
  private injected(type: PyClass): Made | undefined {
    const { ev, environment, injections } = this;
    for (const name of injections.leadingTo(type)) {
      const { files, names } = environment.callers(ev.main.file, name);
      for (const other of files) {
        const opened = this.open(other);
        const made =
          opened && this.quietly(opened.scope, () => injections.construction(type, name, opened.sites, names));
        if (made) return this.made(made, opened, made.call);
      }
    }
    return undefined;
  }

  private made({ args, kwargs }: Given, { scope }: Opened, span: Span, by?: string, known?: number): Made {
    const { file, cell, line } = scope.text!.place(span);
    const path = relative(dirname(this.ev.main.file), file);
    const at = { file, path, ...(cell !== undefined && { cell }), line, ...(by !== undefined && { by }) };
    const isOwn = file === this.ev.main.file;
    const where = isOwn && by === undefined ? `${cell === undefined ? "" : `cell ${cell}, `}line ${line}` : madeAt(at);
    return { given: { args, kwargs }, at: isOwn ? undefined : at, where, ...(known !== undefined && { known }) };
  }

  private inCallers(type: PyClass, file: string, depth: number, search: Search): Made | undefined {
    const { files, names } = this.environment.callers(file, type.name);
    let best: Made | undefined;
    for (const other of files) {
      const opened = this.open(other);
      if (!opened) continue;
      const found = this.ev.provenance.during(() => this.inFile(type, opened, names, depth, search));
      const made = found.value && found.files.size > 0 ? { ...found.value, files: found.files } : found.value;
      best = better(best, made);
      if (best && best.known === undefined) break;
    }
    return best;
  }

  private open(file: string): Opened | undefined {
    if (this.opened.has(file)) return this.opened.get(file);
    if (this.opened.size >= MAX_FILES) return undefined;
    const { ev, steps } = this;
    const module = this.environment.module(ev, file);
    let opened: Opened | undefined;
    if (module) {
      const { body, scope } = module;
      const sites = new CallSites(ev, body, scope);
      this.quietly(scope, () => sites.defineGuardNames());
      opened = this.opening(body, scope, sites, new Factories(ev, body, steps, scope));
    }
    this.opened.set(file, opened);
    return opened;
  }

  private opening(body: readonly Stmt[], scope: Scope, sites: CallSites, factories: Factories): Opened {
    const classes = body.filter((statement): statement is ClassStmt => statement.kind === "Class");
    return { scope, sites: new Constructions(this.ev, sites, body, scope), factories, classes };
  }

  /**
   * A call in a script or a function; what a class makes in its constructor; what a function makes that needs nothing.
   * `names` are what the class may be called there.
   */
  private inFile(
    type: PyClass,
    opened: Opened,
    names: ReadonlySet<string>,
    depth: number,
    search: Search,
  ): Made | undefined {
    const { sites, scope } = opened;
    const { partly, seen } = search;
    const { whole, partly: part } = this.quietly(scope, () => sites.of(type, names)) ?? {};
    if (whole) return this.made(whole, opened, whole.call);
    let best = partly && part ? this.made(givenBy(type, part), opened, part.call, undefined, part.known) : undefined;
    this.ev.watched.add(type);
    for (const node of depth < MAX_DEPTH ? opened.classes : []) {
      if (!this.mentions(node, names)) continue;
      const holder = this.quietly(scope, () => scope.lookup(node.name));
      // Models of the file that is read are built by themselves.
      const isModel = opened === this.own && holder instanceof PyClass && this.ev.isModuleType(holder);
      if (!(holder instanceof PyClass) || isModel || seen.has(holder) || holder === type) continue;
      seen.add(holder);
      const given = this.argumentsOf(holder, opened, depth + 1, search);
      if (!given) continue;
      this.quietly(scope, () => this.ev.call(holder, given.args, given.kwargs));
      best = better(best, this.noted(type, opened, node, search));
      if (best && best.known === undefined) return best;
    }
    const made = this.quietly(scope, () => opened.factories.construct(type, names));
    return made ? this.made(made, opened, made.by, made.by.name) : best;
  }

  /** What another model of the file that is read has made of it, or what derives from it. */
  private inModels(type: PyClass, { partly }: Search): Made | undefined {
    const { before: given, known, whole, inMain } = this.ev.noted.get(type) ?? NOT_NOTED;
    if (!inMain) return undefined;
    const where = "another class of this file";
    return whole || (partly && known > 0) ? { given, at: undefined, where, ...(!whole && { known }) } : undefined;
  }

  /** What the class's constructor was called with while the holder was made. */
  private noted(type: PyClass, opened: Opened, { name, nameSpan }: ClassStmt, search: Search): Made | undefined {
    const whole = this.ev.constructed.get(type)?.before;
    if (whole) return this.made(whole, opened, nameSpan, name);
    const noted = this.ev.noted.get(type);
    if (!noted || !(noted.whole || search.partly)) return undefined;
    return this.made(noted.before, opened, nameSpan, name, noted.whole ? undefined : noted.known);
  }

  private mentions(node: ClassStmt, names: ReadonlySet<string>): boolean {
    let words = this.words.get(node);
    if (!words) {
      words = wordsMentioned(node);
      this.words.set(node, words);
    }
    return [...names].some((name) => words.has(name));
  }

  /** The arguments for constructing a class of another file, which in turn constructs the class. */
  private argumentsOf(type: PyClass, opened: Opened, depth: number, search: Search): Given | undefined {
    const here = this.inFile(type, opened, new Set([type.name]), depth, search);
    if (here && here.known === undefined) return here.given;
    const required = requiredParameters({ type });
    if (required.length === 0) return NOTHING;
    const there = this.inCallers(type, opened.scope.text!.file, depth, search);
    if (there && there.known === undefined) return there.given;
    const defaults = this.configurations.fromDefaults({ type });
    if (defaults || !search.partly) return defaults;
    const open = (name: string): [string, Value] => [name, new Unknown(`no call gives ${type.name} its ${name}`)];
    return better(here, there)?.given ?? { args: [], kwargs: new Map(required.map(open)) };
  }

  /** Errors there are not problems of the file that is read. */
  private quietly<T>(scope: Scope, body: () => T): T | undefined {
    let result: T | undefined;
    this.ev.patches.trial(() =>
      this.ev.aside(scope, this.steps, () => {
        result = body();
        return null;
      }),
    );
    return result;
  }
}

/** The complete one, else the one with more known arguments; of equals the first. */
export function better(a: Made | undefined, b: Made | undefined): Made | undefined {
  const claim = (made: Made | undefined) => (made ? (made.known ?? Number.POSITIVE_INFINITY) : -1);
  return claim(b) > claim(a) ? b : a;
}
