import { dirname, relative } from "node:path";
import type { MadeElsewhere } from "../../../protocol/model";
import type { ClassStmt, Span } from "./ast";
import { CallSites, type EvaluatedCall } from "./callSites";
import type { Given } from "./classes";
import type { Configurations } from "./configuration";
import { requiredParameters } from "./constructors";
import type { Environment } from "./environment/environment";
import type { LazyModule } from "./environment/lazyModule";
import { moduleSource } from "./environment/sources";
import type { Evaluator } from "./evaluator";
import { Factories } from "./factories";
import { PyClass } from "./values";
import { namesMentionedBy } from "./walk";

/**
 * What other files of the project construct a class with: layers stand in one file and the script that says their sizes
 * in another, as `modeling/transformer.py` and `build_sam.py`. Their calls are evaluated as those of the file itself are.
 */

/** Files looked into for one reading. */
const MAX_FILES = 16;
/** From a layer to what is made of it, and so on. */
const MAX_DEPTH = 4;
/** What code that reads configuration files imports. */
const READS = /\b(yaml|json|omegaconf|hydra)\b/;
const NOTHING: Given = { args: [], kwargs: new Map() };

export interface Made {
  readonly given: Given;
  readonly at: MadeElsewhere;
  /** Configuration files that the values are of. */
  readonly files?: ReadonlySet<string>;
}

interface Opened {
  readonly module: LazyModule;
  readonly sites: CallSites;
  readonly factories: Factories;
  readonly classes: readonly ClassStmt[];
}

export class Elsewhere {
  private readonly opened = new Map<string, Opened | undefined>();

  constructor(
    private readonly ev: Evaluator,
    private readonly environment: Environment,
    /** That making one model may take. */
    private readonly steps: number,
    /** Of which the classes' own defaults are asked for. */
    private readonly configurations: Configurations,
  ) {}

  /** The first call in likely order whose arguments are all known. */
  construction(type: PyClass): Made | undefined {
    return this.inCallers(type, this.ev.main.file, 0, new Set([type]));
  }

  /** As `construction`, where configuration files give the values. Other files are looked into only if they read some. */
  fromConfigurations(type: PyClass): Made | undefined {
    const callers = this.environment.callers(this.ev.main.file, type.name);
    if (!callers.some((file) => READS.test(moduleSource(file)?.source.text ?? ""))) return undefined;
    const made = this.construction(type);
    return made?.files ? made : undefined;
  }

  private made({ args, kwargs }: Given, { scope }: LazyModule, at: Span, by?: string): Made {
    const { file, line } = scope.text!.place(at);
    const path = relative(dirname(this.ev.main.file), file);
    return { given: { args, kwargs }, at: { file, path, line, ...(by !== undefined && { by }) } };
  }

  private inCallers(type: PyClass, file: string, depth: number, seen: Set<PyClass>): Made | undefined {
    for (const other of this.environment.callers(file, type.name)) {
      const opened = this.open(other);
      if (!opened) continue;
      const { value: made, files } = this.ev.provenance.during(() => this.inFile(type, opened, depth, seen));
      if (made) return files.size > 0 ? { ...made, files } : made;
    }
    return undefined;
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
      this.quietly(module, () => sites.defineGuardNames());
      const classes = body.filter((statement): statement is ClassStmt => statement.kind === "Class");
      opened = { module, sites, factories: new Factories(ev, body, steps, scope), classes };
    }
    this.opened.set(file, opened);
    return opened;
  }

  /** A call in a script or a function; what a class makes in its constructor; what a function makes that needs nothing. */
  private inFile(type: PyClass, opened: Opened, depth: number, seen: Set<PyClass>): Made | undefined {
    const { module, sites, factories, classes } = opened;
    const { ev } = this;
    const call = this.quietly(module, (): EvaluatedCall | undefined => sites.constructionBy(type));
    if (call) return this.made(call, module, call.call);
    ev.watched.add(type);
    for (const node of depth < MAX_DEPTH ? classes : []) {
      if (!namesMentionedBy(node).has(type.name)) continue;
      const holder = this.quietly(module, () => module.scope.lookup(node.name));
      if (!(holder instanceof PyClass) || seen.has(holder) || holder === type) continue;
      seen.add(holder);
      const whole = this.argumentsOf(holder, module.scope.text!.file, opened, depth + 1, seen);
      if (!whole) continue;
      this.quietly(module, () => ev.call(holder, whole.args, whole.kwargs));
      const given = ev.constructed.get(type)?.before;
      if (given) return this.made(given, module, node, node.name);
    }
    const given = this.quietly(module, () => factories.construct(type));
    return given && this.made(given, module, given.by, given.by.name);
  }

  /** What to make a class of another file with, for the sake of what that makes. */
  private argumentsOf(
    type: PyClass,
    file: string,
    opened: Opened,
    depth: number,
    seen: Set<PyClass>,
  ): Given | undefined {
    return (
      this.inFile(type, opened, depth, seen)?.given ??
      (requiredParameters({ type }).length === 0 ? NOTHING : undefined) ??
      this.inCallers(type, file, depth, seen)?.given ??
      this.configurations.fromDefaults({ type })
    );
  }

  /** What goes wrong there is no problem of the file that is read. */
  private quietly<T>({ scope }: LazyModule, body: () => T): T | undefined {
    let result: T | undefined;
    this.ev.aside(scope, this.steps, () => {
      result = body();
      return null;
    });
    return result;
  }
}
