import type { SourcePlace } from "../../../graph/node";
import { Scope } from "../evaluate/scope";
import type { Module, Stmt } from "../syntax/ast";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { LazyNamespace, type Value } from "../values/values";
import type { Home } from "./roots";

/**
 * Modules that cells of a notebook write: `%%writefile model.py`. Their statements stand in the notebook's own text. A
 * module is what its file held when it was first imported, as in Python, or when it was last loaded again.
 */

/** A cell that writes a file of Python. */
export interface WrittenPart {
  readonly cell: number;
  /** With "/", below the notebook's folder. */
  readonly path: string;
  /** It adds to what is there. */
  readonly append: boolean;
}

export interface Written {
  readonly parts: readonly WrittenPart[];
  /** Modules whose files have changed are loaded again before each cell. */
  readonly reloads: boolean;
}

interface Part extends WrittenPart {
  readonly body: readonly Stmt[];
}

/** Runs the statements at the top of a module. */
export type RunTop = (scope: Scope, body: readonly Stmt[]) => void;

/** Steps that loading one may take. */
const STEPS = 1_000_000;

export class WrittenModules {
  private readonly files = new Map<string, WrittenModule>();
  /** The cell whose statements are being run; all have run in the end. */
  private now = 0;
  /** The module's statements that no such file has. */
  readonly main: readonly Stmt[];

  constructor(
    ev: Evaluator,
    { body }: Module,
    private readonly written: Written,
    home: Home,
    run: RunTop,
  ) {
    const writing = new Map(written.parts.map((part) => [part.cell, part]));
    const bodies = new Map(written.parts.map(({ cell }): [number, Stmt[]] => [cell, []]));
    const main: Stmt[] = [];
    for (const statement of body) (bodies.get(ev.main.place(statement).cell ?? 0) ?? main).push(statement);
    this.main = main;
    const parts = new Map<string, Part[]>();
    for (const [cell, part] of writing) {
      const known = parts.get(part.path);
      const own = { ...part, body: bodies.get(cell)! };
      if (known) known.push(own);
      else parts.set(part.path, [own]);
    }
    for (const [path, own] of parts) this.files.set(path, new WrittenModule(ev, this, path, own, home, run));
  }

  /** To be called before a statement of the notebook's own is run. */
  reach(cell: number): void {
    if (cell === this.now) return;
    this.now = cell;
    if (this.written.reloads) for (const file of this.files.values()) file.renew();
  }

  get cell(): number {
    return this.now;
  }

  /** The module of that dotted name below the notebook's folder, once a cell has written it. */
  find(name: string): LazyNamespace | undefined {
    const path = name.replaceAll(".", "/");
    const file = this.files.get(`${path}/__init__.py`) ?? this.files.get(`${path}.py`);
    if (file) return file.isThere ? file : undefined;
    const isFolder = [...this.files].some(([each, { isThere }]) => isThere && each.startsWith(`${path}/`));
    return isFolder ? new WrittenFolder(this, name) : undefined;
  }

  /** In whatever folder it is, and also one that only a later cell writes: an earlier run has left it there. */
  findAnywhere(name: string): LazyNamespace | undefined {
    const path = name.replaceAll(".", "/");
    for (const end of [`${path}/__init__.py`, `${path}.py`]) {
      for (const [each, file] of this.files) if (each === end || each.endsWith(`/${end}`)) return file;
    }
    return undefined;
  }

  /** Loads what no cell imports, after all cells: it is run as a program, or by another notebook. */
  loadRest(): void {
    this.now = Number.POSITIVE_INFINITY;
    for (const file of this.files.values()) file.loadLast();
  }

  /** The modules as they were loaded. */
  loaded(): { readonly scope: Scope; readonly body: readonly Stmt[] }[] {
    return [...this.files.values()].flatMap((file) => file.loaded());
  }
}

/** Its versions are numbered by their last part. */
export class WrittenModule extends LazyNamespace {
  private readonly versions = new Map<number, Scope>();
  private current: number | undefined;
  private readonly home: Home;
  private readonly isPackage: boolean;

  constructor(
    private readonly ev: Evaluator,
    private readonly all: WrittenModules,
    private readonly path: string,
    private readonly parts: readonly Part[],
    { root }: Home,
    private readonly run: RunTop,
  ) {
    const isPackage = /(^|\/)__init__\.py$/.test(path);
    const name = path.replace(/\/?__init__\.py$|\.py$/i, "").replaceAll("/", ".");
    super(name);
    this.isPackage = isPackage;
    this.home = { root, name: isPackage ? name : name.split(".").slice(0, -1).join(".") };
  }

  /** A cell has written it. */
  get isThere(): boolean {
    return this.current !== undefined || this.parts[0]!.cell <= this.all.cell;
  }

  override get(name: string): Value | undefined {
    const value = this.scope().lookupHere(name);
    return value ?? (this.isPackage ? this.all.find(`${this.name}.${name}`) : undefined);
  }

  override ownNames(): Map<string, Value> {
    return this.scope().names;
  }

  override exported(name: string): Value | undefined {
    const scope = this.scope();
    const listed = scope.lookupHere("__all__");
    if (listed === undefined || listed instanceof Unknown)
      return name.startsWith("_") ? undefined : scope.lookupHere(name);
    for (const item of this.ev.iterate(listed)) if (item === name) return scope.lookupHere(name);
    return undefined;
  }

  /** importlib.reload, and IPython's %autoreload for a module that is loaded. */
  renew(): void {
    if (this.current !== undefined) this.current = this.latest();
  }

  loadLast(): void {
    const last = this.parts.length - 1;
    this.version(last);
    this.current ??= last;
    for (const [i, { cell, append }] of this.parts.entries()) {
      const isRead = [...this.versions.keys()].some((version) => this.first(version) <= i && i <= version);
      const by = this.parts.find((later) => later.cell > cell && !later.append);
      if (isRead || append || !by) continue;
      const place: SourcePlace = { file: this.ev.main.file, cell, line: 1, column: 1, endLine: 1, endColumn: 1 };
      this.ev.problem(
        `${this.path} is written again in cell ${by.cell}; that text is the one that is read`,
        "information",
        place,
      );
    }
  }

  loaded(): { readonly scope: Scope; readonly body: readonly Stmt[] }[] {
    return [...this.versions].map(([version, scope]) => ({ scope, body: this.body(version) }));
  }

  private scope(): Scope {
    this.current ??= this.latest();
    return this.version(this.current);
  }

  /** What the cells so far have written; all of it where none has. */
  private latest(): number {
    const last = this.parts.findLastIndex(({ cell }) => cell <= this.all.cell);
    return last < 0 ? this.parts.length - 1 : last;
  }

  /** The part that a version begins with. */
  private first(version: number): number {
    return Math.max(
      0,
      this.parts.slice(0, version + 1).findLastIndex(({ append }) => !append),
    );
  }

  private body(version: number): readonly Stmt[] {
    return this.parts.slice(this.first(version), version + 1).flatMap(({ body }) => body);
  }

  private version(version: number): Scope {
    const known = this.versions.get(version);
    if (known) return known;
    const { ev, home, name, run } = this;
    const scope = new Scope("module", ev.builtins, "");
    scope.text = ev.main;
    scope.package = home;
    scope.names.set("__name__", name);
    scope.names.set("__file__", this.path);
    this.versions.set(version, scope);
    let problems: ReturnType<Evaluator["collect"]> = [];
    ev.aside(scope, STEPS, () => {
      problems = ev.collect(() => run(scope, this.body(version)));
      return null;
    });
    // They stand in the notebook.
    for (const { message, severity, place } of problems) ev.problem(message, severity, place);
    return scope;
  }
}

/** A folder of such files. */
class WrittenFolder extends LazyNamespace {
  constructor(
    private readonly all: WrittenModules,
    name: string,
  ) {
    super(name);
  }

  override get(name: string): Value | undefined {
    return this.all.find(`${this.name}.${name}`);
  }

  override exported(): undefined {
    return undefined;
  }
}
