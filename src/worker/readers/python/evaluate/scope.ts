import type { ClassStmt, FunctionStmt, LambdaExpr, Param, Stmt } from "../syntax/ast";
import type { Source } from "../syntax/source";
import { birth } from "../values/identity";
import { EvaluationError, type Unknown } from "../values/unknown";
import type { LazyNamespace, PyClass, PyDict, Value } from "../values/values";

/** How a statement ends. */
export type Completion = "normal" | "break" | "continue" | "return";

export type ScopeKind = "module" | "function" | "class" | "comprehension";

/** The names of one module, call, class body or comprehension, and other state of its statements. */
export class Scope {
  readonly born = birth();
  /** Names declared global or nonlocal, with the scope that holds them. */
  redirected: Map<string, Scope> | undefined;
  returned: Value = null;
  /** A `return` stood in a branch that could not be decided: whatever is returned is unknown. */
  uncertain: Unknown | undefined;
  /** The class a method stands in: what super() starts from. */
  owner: { type: PyClass | undefined } | undefined;
  /** The first positional argument of the call: the other half of super(). */
  receiver: Value | undefined;
  /** Of a call under way: the call that it was made in. */
  caller: Scope | undefined;
  /** The scope of the module that this one stands in. */
  readonly module: Scope;
  /** Of a module's own scope: the text it is evaluated from. */
  text: Source | undefined;
  /** Of a module's own scope: the package that its relative imports start from, and the folder that its name does. */
  package: { readonly root: string; readonly name: string } | undefined;
  /** Of a module's own scope: why any name may be one of it, after code that was not followed: a wildcard import, `exec`. */
  unfollowed: Unknown | undefined;
  /** Of a module's own scope: the modules of its wildcard imports that are looked into when a name is asked for. */
  starred: LazyNamespace[] | undefined;
  /** Of a module's own scope: its statements, nested ones left out. */
  statements: (() => readonly Stmt[]) | undefined;
  /** Of a module's own scope: what `globals()` gives. */
  live: PyDict | undefined;
  /** Of code that is executed in a module's names: the module's own scope. */
  origin: Scope | undefined;
  /** Stands for a part of the top of the module. */
  isTop = false;
  /** Of a module's own scope: gives a name in place of `names`, after running the statements that assign it. */
  lazy: ((name: string) => Value | undefined) | undefined;

  constructor(
    readonly kind: ScopeKind,
    /** The enclosing scope by Python's rules: a function does not see the class body around it. */
    readonly parent: Scope | undefined,
    /** For messages and qualified names: `Net.forward`. */
    readonly qualifiedName: string,
    readonly names = new Map<string, Value>(),
  ) {
    this.module = kind === "module" || !parent ? this : parent.module;
  }

  /** For code of another text that runs in these names. */
  sharing(text: Source, statements: () => readonly Stmt[]): Scope {
    const scope = new Scope("module", this.parent, this.qualifiedName, this.names);
    scope.text = text;
    scope.statements = statements;
    scope.package = this.module.package;
    scope.lazy = this.lazy;
    this.module.starred ??= [];
    scope.starred = this.module.starred;
    scope.origin = this.module.origin ?? this.module;
    return scope;
  }

  /** The text that the scope's code stands in. */
  get source(): Source | undefined {
    return this.module.text;
  }

  lookup(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const value = scope.lookupHere(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** The name in this scope alone. */
  lookupHere(name: string): Value | undefined {
    return this.redirected?.get(name)?.names.get(name) ?? (this.lazy ? this.lazy(name) : this.names.get(name));
  }

  assign(name: string, value: Value): void {
    (this.redirected?.get(name) ?? this).names.set(name, value);
  }

  delete(name: string): boolean {
    return (this.redirected?.get(name) ?? this).names.delete(name);
  }

  redirect(name: string, to: Scope): void {
    this.redirected ??= new Map();
    this.redirected.set(name, to);
  }

  /** The scope whose names an assignment expression or a function sees: comprehensions are transparent to it. */
  get enclosing(): Scope {
    let scope: Scope = this;
    while (scope.kind === "comprehension" && scope.parent) scope = scope.parent;
    return scope;
  }
}

/** What a PyFunction's `definition` is. */
export interface Definition {
  readonly node: FunctionStmt | LambdaExpr;
  readonly params: readonly Param[];
  readonly qualifiedName: string;
  readonly owner: { type: PyClass | undefined } | undefined;
  /** Set for `@x.setter` functions of a property, by the property they belong to. */
  setter?: Value;
}

/** What remembers a class statement, for the reader. */
export interface DefinedClass {
  readonly type: PyClass;
  readonly node: ClassStmt;
}

/** The reading has reached a limit; evaluated code cannot catch this. */
export class LimitError extends EvaluationError {}

/** The reading was cancelled. */
export class Cancelled extends LimitError {}
