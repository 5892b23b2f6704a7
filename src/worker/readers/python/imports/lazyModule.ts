import { executedBy } from "../evaluate/exec";
import { openName } from "../evaluate/openNames";
import type { Overlay } from "../evaluate/patches";
import { isPatch, isPatcher } from "../evaluate/run/patchStatements";
import { execute } from "../evaluate/run/statements";
import { Scope } from "../evaluate/scope";
import { assignedTargets } from "../syntax/assigned";
import type { Expr, Stmt } from "../syntax/ast";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { LazyNamespace, PyFunction, type PyNamespace, type Value } from "../values/values";
import { adaptLibrary, libraryName } from "./replaced";
import type { ModuleSource } from "./sources";

/** Steps that one statement at the top of an imported module may take. */
const STATEMENT_STEPS = 200_000;

interface Statement {
  readonly run: () => readonly Stmt[];
  /** `from module import *`: the module. */
  readonly wildcard: string | undefined;
  /** The name of a class or function. */
  readonly defines: string | undefined;
  /** Of anything else. */
  readonly statement: Stmt | undefined;
  state: "waiting" | "running" | "done";
}

/** What a module needs of the environment that it was found in. */
export interface Surroundings {
  /** A module that this one imports, by the name that it writes. */
  imported(name: string): PyNamespace | undefined;
  /** A module below this one, when it is a package. */
  below(name: string): PyNamespace | undefined;
  /** Whether a package can be imported. */
  installed(name: string): boolean;
}

/**
 * An imported module. Only the statements that assign requested names are evaluated, in their order, each once: a model
 * uses only a small part of a library.
 */
export class LazyModule extends LazyNamespace {
  readonly scope: Scope;
  private indexed:
    | { statements: Statement[]; byName: Map<string, readonly Statement[]>; wildcards: Statement[] }
    | undefined;
  /** Statements under way, the innermost last: a name has the value that the statements above it gave. */
  private readonly running: number[] = [];
  private readonly searching = new Set<string>();
  private asked = false;
  /** Names of modules as they were when this one was imported: its statements ran then. */
  private before: Overlay;
  private patched = false;

  constructor(
    private readonly ev: Evaluator,
    name: string,
    home: { readonly root: string; readonly name: string },
    private readonly module: ModuleSource,
    private readonly surroundings: (importer: Scope) => Surroundings,
  ) {
    super(name);
    this.before = ev.patches.overlay;
    this.scope = new Scope("module", ev.builtins, "");
    this.scope.text = module.source;
    this.scope.package = home;
    for (const [defined, value] of module.defined) this.scope.names.set(defined, value);
    this.scope.unfollowed = module.unfollowed;
    this.scope.names.set("__name__", name);
    this.scope.names.set("__file__", module.source.file.replaceAll("\\", "/"));
    this.scope.names.set("__package__", home.name);
    this.scope.lazy = (wanted) => this.own(wanted);
    this.scope.statements = () => (MAY_OPEN.test(module.source.text) ? this.body : []);
  }

  /** The whole text's statements, which takes all of them to be parsed. */
  get body(): readonly Stmt[] {
    return this.module.statements.flatMap(({ statements }) => statements());
  }

  override get(name: string): Value | undefined {
    return (
      this.ev.patches.get(this, name) ??
      this.library(name) ??
      this.assigned(name) ??
      this.namesake(name) ??
      this.surroundings(this.scope).below(name) ??
      this.own(name) ??
      this.fromHook(name)
    );
  }

  override exported(name: string): Value | undefined {
    const patched = this.ev.patches.get(this, name);
    if (patched !== undefined) return patched;
    if (this.indexed === undefined && !this.mayGive(name)) return undefined;
    const { byName } = this.index;
    if (byName.has("__all__") && !this.surely(name)) return undefined;
    return name.startsWith("_") && !byName.has("__all__") ? undefined : this.scope.lookupHere(name);
  }

  override unlisted(name: string): Unknown | undefined {
    // A package that lacks a name is of another version.
    if (this.asked || /[\\/](site|dist)-packages[\\/]/.test(this.module.source.file)) return undefined;
    // Modules may take names over from each other.
    this.asked = true;
    try {
      return openName(this.ev, this.scope, name) ?? this.takenOver(name);
    } finally {
      this.asked = false;
    }
  }

  private takenOver(name: string): Unknown | undefined {
    for (const { wildcard } of this.index.wildcards) {
      const from = this.surroundings(this.scope).imported(wildcard!);
      const why = from instanceof LazyNamespace ? from.unlisted(name) : undefined;
      if (why) return why;
    }
    return undefined;
  }

  /**
   * Runs the statements at its top that may assign to names of other modules: importing it has that effect, though
   * nobody asks for a name of it.
   */
  patch(): void {
    if (this.patched || !MAY_PATCH.test(this.module.source.text)) return;
    this.patched = true;
    const { statements } = this.index;
    const own = new Set(
      statements.flatMap(({ statement, defines }) => {
        if (defines !== undefined) return isPatcher(defines) ? [] : [defines];
        const isImport = statement?.kind === "Import" || statement?.kind === "ImportFrom";
        const targets = statement && !isImport ? assignedTargets([statement]) : [];
        return targets.flatMap((target) => (target.kind === "Name" ? [target.id] : []));
      }),
    );
    for (const [i, one] of statements.entries())
      if (one.state === "waiting" && one.statement && isPatch(one.statement, own)) this.run(one, i, true);
    // What it imports from now on is what it has changed.
    this.before = this.ev.patches.overlay;
  }

  /** Before the text is parsed: whether the name occurs in it, or in modules whose names it takes over. */
  private mayGive(name: string): boolean {
    const { text } = this.module.source;
    return text.includes(name) || /import\s*\(?\s*\*/.test(text);
  }

  private surely(name: string): boolean {
    const all = this.own("__all__");
    // What cannot be evaluated does not hide names.
    if (all === undefined || all instanceof Unknown) return true;
    for (const item of this.ev.iterate(all)) if (item === name) return true;
    return false;
  }

  /** `def __getattr__(name)` at the top of a module. */
  private fromHook(name: string): Value | undefined {
    if (name.startsWith("__")) return undefined;
    const hook = this.own("__getattr__");
    return hook instanceof PyFunction
      ? this.ev.aside(this.scope, STATEMENT_STEPS, () => this.ev.call(hook, [name]))
      : undefined;
  }

  private assigned(name: string): Value | undefined {
    const { statements, byName } = this.index;
    const assigning = byName.get(name);
    if (assigning) this.settle(name, assigning, statements);
    this.ev.provenance.mention(this.scope, [name]);
    return this.scope.names.get(name);
  }

  /** `from .googlenet import *` imports the module below and then gives its name to the function of that name. */
  private namesake(name: string): Value | undefined {
    const own = this.index.wildcards.filter(({ wildcard }) => wildcard === `.${name}`);
    return own.length > 0 ? this.ev.patches.at(this.before, () => this.fromWildcards(name, own)) : undefined;
  }

  private library(name: string): Value | undefined {
    return libraryName(this.ev.session, this.name, name, (wanted) => this.surroundings(this.scope).installed(wanted));
  }

  private own(name: string): Value | undefined {
    const value = this.ev.patches.get(this, name) ?? this.library(name) ?? this.assigned(name);
    const { wildcards } = this.index;
    if (value !== undefined || wildcards.length === 0) return value;
    // Wildcard imports do not replace builtins in practice, and each search would go through all of them.
    if (name.startsWith("__") || this.ev.builtins.names.has(name) || this.searching.has(name)) return undefined;
    this.searching.add(name);
    try {
      return this.ev.patches.at(this.before, () => this.fromWildcards(name, wildcards));
    } finally {
      this.searching.delete(name);
    }
  }

  /** Runs what assigns the name: above the statement that is running, or all when that leaves it without a value. */
  private settle(name: string, assigning: readonly Statement[], statements: readonly Statement[]): void {
    const now = this.running.at(-1) ?? statements.length;
    for (const statement of assigning) {
      const index = statements.indexOf(statement);
      if (statement.state === "waiting" && (index < now || !this.scope.names.has(name))) this.run(statement, index);
    }
    if (assigning.every((s) => s.state === "done")) this.index.byName.set(name, NONE);
  }

  /** @param lasting what it assigns to names of other modules stays. */
  private run(statement: Statement, index: number, lasting = false): void {
    statement.state = "running";
    this.running.push(index);
    const body = statement.run();
    const run = () =>
      this.ev.aside(this.scope, STATEMENT_STEPS, () => {
        for (const one of body) this.ev.provenance.statement(this.scope, one, () => execute(this.ev, this.scope, one));
        return null;
      });
    const failed = lasting ? run() : this.ev.patches.at(this.before, run);
    this.running.pop();
    statement.state = "done";
    for (const one of body) {
      const value = one.kind === "Class" ? this.scope.names.get(one.name) : undefined;
      if (value !== undefined && one.kind === "Class") adaptLibrary(this.name, one.name, value);
    }
    if (!(failed instanceof Unknown)) return;
    for (const name of namesOf(body)) if (!this.scope.names.has(name)) this.scope.names.set(name, failed);
  }

  /** A package lists its modules by the hundred: one whose name, or whose initials, begin the wanted one is tried first. */
  private fromWildcards(name: string, wildcards: readonly Statement[]): Value | undefined {
    const lower = name.replaceAll("_", "").toLowerCase();
    const likely = ({ wildcard }: Statement) => beginnings(wildcard!).some((begin) => lower.startsWith(begin));
    const inOrder = [...wildcards].reverse();
    for (const { wildcard } of [...inOrder.filter(likely), ...inOrder.filter((s) => !likely(s))]) {
      const from = this.surroundings(this.scope).imported(wildcard!);
      if (!from) {
        const why = `it may be one of "from ${wildcard} import *" in ${this.name}, which was not followed`;
        this.scope.unfollowed ??= new Unknown(why);
      }
      const value =
        from instanceof LazyNamespace ? from.exported(name) : name.startsWith("_") ? undefined : from?.get(name);
      if (value === undefined) continue;
      this.scope.names.set(name, value);
      return value;
    }
    return undefined;
  }

  private get index() {
    this.indexed ??= this.makeIndex();
    return this.indexed;
  }

  private makeIndex() {
    const statements: Statement[] = [];
    const byName = new Map<string, Statement[]>();
    const wildcards: Statement[] = [];
    const add = (
      names: Iterable<string>,
      run: () => readonly Stmt[],
      { wildcard, defines, statement: one }: Partial<Statement> = {},
    ): void => {
      const statement: Statement = { run, wildcard, defines, statement: one, state: "waiting" };
      if (wildcard !== undefined) wildcards.push(statement);
      statements.push(statement);
      for (const name of names) {
        const known = byName.get(name);
        if (known) known.push(statement);
        else byName.set(name, [statement]);
      }
    };
    const addBody = (body: readonly Stmt[]): void => {
      for (const one of body) {
        if (one.kind === "If" && isTypeChecking(one.test) && replacesModule(one.otherwise)) addBody(one.body);
        else if (one.kind === "Try" && isOptional(one.body, one.handlers.length)) addBody(one.otherwise);
        else if (one.kind === "ImportFrom" && one.wildcard)
          add([], () => [one], { wildcard: one.module, statement: one });
        else if (one.kind === "Expr")
          add([...namesOf([one]), ...namesOf(executedBy(this.ev, one.value))], () => [one], { statement: one });
        else add(namesOf([one]), () => [one], { statement: one });
      }
    };
    for (const { name, statements: own } of this.module.statements) {
      if (name === undefined) addBody(own());
      else add([name], own, { defines: name });
    }
    return { statements, byName, wildcards };
  }
}

const NONE: readonly Statement[] = [];

/** Code without any of these gives its module no names but those that it assigns. */
const MAY_OPEN =
  /\bexec|\b(globals|locals|vars)\(\)|\bimport\s*\(?\s*\*|\bbuiltins|\bsetattr|__dict__|_magic\b|\.magic\b/;
/** Whether the text has such a statement, before it is parsed. */
const MAY_PATCH =
  /^(?:[a-z_]\w*\.[\w.]*\w[ \t]*=(?!=)|setattr\(|[\w.]*(?:patch|hijack|monkey|replace|override|inject|swap)\w*\()/im;

function namesOf(body: readonly Stmt[]): Set<string> {
  const names = new Set<string>();
  for (const target of assignedTargets(body)) {
    let base: Expr = target;
    while (base.kind === "Attribute" || base.kind === "Subscript") base = base.object;
    if (base.kind === "Name") names.add(base.id);
  }
  return names;
}

/** How names of a module begin: `Ernie4_5_MoeModel` of ernie4_5_moe, `ASTModel` of audio_spectrogram_transformer. */
function beginnings(module: string): string[] {
  const words = module.toLowerCase().split(/[._]/);
  const initials = words.map((word) => word.slice(0, 1)).join("");
  return [words.join(""), ...(initials.length > 1 ? [initials] : [])];
}

function isTypeChecking(test: Expr): boolean {
  return (
    (test.kind === "Name" && test.id === "TYPE_CHECKING") ||
    (test.kind === "Attribute" && test.name === "TYPE_CHECKING")
  );
}

/**
 * `sys.modules[__name__] = ...`: the module gives its names through an object that imports them when they are asked
 * for, as those of transformers and diffusers do. What it gives is written for type checkers, as imports.
 */
function replacesModule(body: readonly Stmt[]): boolean {
  return body.some(
    (s) =>
      s.kind === "Assign" &&
      s.targets.some((t) => t.kind === "Subscript" && t.object.kind === "Attribute" && t.object.name === "modules"),
  );
}

/**
 * In such a module: `try: if not is_torch_available(): raise ... except ...: pass else: from .modeling import ...`.
 * A package that is there to be read is taken to be installed whole.
 */
function isOptional(body: readonly Stmt[], handlers: number): boolean {
  return (
    handlers > 0 &&
    body.length === 1 &&
    body[0]!.kind === "If" &&
    body[0]!.body.every((s) => s.kind === "Raise") &&
    body[0]!.otherwise.length === 0
  );
}
