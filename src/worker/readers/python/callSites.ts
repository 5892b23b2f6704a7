import type { CallExpr, Expr, FunctionStmt, Stmt } from "./ast";
import type { Evaluator } from "./evaluator";
import { evaluateArguments, evaluateSafely } from "./expressions";
import { Scope } from "./scope";
import { type PyClass, PyObject, Unknown, type Value } from "./values";

/**
 * Calls in code that is not executed, `if __name__ == "__main__":` and the bodies of functions: how the file's author
 * makes a model and what is fed to it. Arguments are evaluated on demand, each from the assignment it depends on.
 */

/** Statements that run together: the file's top level, a main guard, or one function's body. */
interface Region {
  readonly fn: FunctionStmt | undefined;
  readonly outer: Region | undefined;
  /** In source order, blocks flattened. */
  readonly assignments: Extract<Stmt, { kind: "Assign" | "AnnAssign" }>[];
  readonly calls: CallExpr[];
}

export interface CallSite {
  readonly call: CallExpr;
  readonly region: Region;
}

export interface EvaluatedCall {
  readonly call: CallExpr;
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
}

const MAX_CHAIN = 40;

export class CallSites {
  private readonly regions: Region[] = [];
  private readonly byName = new Map<string, CallSite[]>();

  constructor(
    private readonly ev: Evaluator,
    body: readonly Stmt[],
  ) {
    const top = this.region(undefined, undefined);
    this.visit(body, top);
    for (const region of this.regions) {
      for (const call of region.calls) {
        const { callee } = call;
        if (callee.kind !== "Name") continue;
        const sites = this.byName.get(callee.id) ?? [];
        sites.push({ call, region });
        this.byName.set(callee.id, sites);
      }
    }
  }

  /** Calls of the class outside of class bodies, with arguments that could all be evaluated. */
  constructions(type: PyClass): EvaluatedCall[] {
    return (this.byName.get(type.name) ?? []).flatMap((site) => this.evaluated(site));
  }

  /** Calls of an instance of the class: `model(x)`, `Net()(x)`, `model.forward(x)`. */
  invocations(type: PyClass): EvaluatedCall[] {
    return this.regions.flatMap((region) =>
      region.calls
        .filter((call) => this.isInstance(calleeOf(call), region, call.start, type, 0))
        .flatMap((call) => this.evaluated({ call, region })),
    );
  }

  private evaluated({ call, region }: CallSite): EvaluatedCall[] {
    let found: EvaluatedCall | undefined;
    // What cannot be evaluated here is no problem of the file: another way is tried.
    this.ev.collect(() => {
      const restore = this.ev.mark();
      try {
        const scope = this.scopeFor(
          call.args.map((a) => a.value),
          region,
          call.start,
          0,
        );
        const { args, kwargs } = evaluateArguments(this.ev, scope, call);
        if (args instanceof Unknown) return;
        if (![...args, ...kwargs.values()].some((v) => v instanceof Unknown)) found = { call, args, kwargs };
      } catch (error) {
        this.ev.reportError(error);
        restore();
      }
    });
    return found ? [found] : [];
  }

  private scopeFor(exprs: readonly Expr[], region: Region, position: number, depth: number): Scope {
    const scope = new Scope("function", this.ev.globals, region.fn?.name ?? "");
    const names = new Set<string>();
    for (const expr of exprs) walkExpr(expr, (e) => e.kind === "Name" && names.add(e.id));
    for (const name of names) {
      const value = this.resolve(name, region, position, depth);
      if (value !== undefined) scope.names.set(name, value);
    }
    return scope;
  }

  /** The value a name has at a position; undefined leaves it to the file's own names. */
  private resolve(name: string, region: Region, position: number, depth: number): Value | undefined {
    if (depth > MAX_CHAIN) return new Unknown("its value depends on too many others");
    const all = region.assignments.filter((a) => targetsOf(a).some((t) => binds(t, name)));
    const isTop = region.fn === undefined && region.outer === undefined;
    if (isTop && all.length < 2) return undefined;
    const assignment = all.filter((a) => a.start < position).at(-1);
    if (assignment?.value) {
      const scope = this.scopeFor([assignment.value], region, assignment.start, depth + 1);
      const value = evaluateSafely(this.ev, scope, assignment.value);
      const target = targetsOf(assignment).find((t) => binds(t, name))!;
      return target.kind === "Name" ? value : this.element(target, name, value);
    }
    const param = region.fn?.params.find((p) => p.name === name);
    if (param) {
      return param.default
        ? evaluateSafely(this.ev, this.ev.globals, param.default)
        : new Unknown(`${name} is an argument of ${region.fn?.name}`);
    }
    return region.outer ? this.resolve(name, region.outer, Number.POSITIVE_INFINITY, depth + 1) : undefined;
  }

  private element(target: Expr, name: string, value: Value): Value {
    if (target.kind !== "Tuple" && target.kind !== "List") return value;
    if (value instanceof Unknown) return value;
    const at = target.items.findIndex((item) => item.kind === "Name" && item.id === name);
    return [...this.ev.iterate(value)][at] ?? new Unknown(`${name} is not assigned a known value`);
  }

  private isInstance(expr: Expr, region: Region, position: number, type: PyClass, depth: number): boolean {
    if (depth > MAX_CHAIN) return false;
    if (expr.kind === "Call") {
      const { callee } = expr;
      if (callee.kind === "Name") return callee.id === type.name;
      // model.to(device), Net().eval(), torch.compile(model)
      if (callee.kind !== "Attribute") return false;
      if (callee.name === "compile" && expr.args[0])
        return this.isInstance(expr.args[0].value, region, position, type, depth + 1);
      return CHAINED.has(callee.name) && this.isInstance(callee.object, region, position, type, depth + 1);
    }
    if (expr.kind !== "Name") return false;
    const assignment = region.assignments
      .filter((a) => a.start < position && targetsOf(a).some((t) => t.kind === "Name" && t.id === expr.id))
      .at(-1);
    if (assignment?.value) return this.isInstance(assignment.value, region, assignment.start, type, depth + 1);
    if (region.fn?.params.some((p) => p.name === expr.id)) return false;
    if (region.outer) return this.isInstance(expr, region.outer, Number.POSITIVE_INFINITY, type, depth + 1);
    const value = this.ev.globals.lookup(expr.id);
    return value instanceof PyObject && value.type === type;
  }

  private region(fn: FunctionStmt | undefined, outer: Region | undefined): Region {
    const region: Region = { fn, outer, assignments: [], calls: [] };
    this.regions.push(region);
    return region;
  }

  private visit(body: readonly Stmt[], region: Region): void {
    for (const statement of body) {
      switch (statement.kind) {
        case "Function":
          this.visit(statement.body, this.region(statement, region));
          continue;
        case "Class":
          continue;
        case "If":
          if (isMainGuard(statement.test)) {
            this.visit(statement.body, this.region(undefined, region));
            continue;
          }
          break;
        case "Assign":
        case "AnnAssign":
          region.assignments.push(statement);
          break;
      }
      for (const expr of expressionsOf(statement)) {
        walkExpr(expr, (e) => {
          if (e.kind === "Call") region.calls.push(e);
        });
      }
      for (const block of blocksOf(statement)) this.visit(block, region);
    }
  }
}

const CHAINED = new Set(["to", "cuda", "cpu", "eval", "train", "half", "float", "double", "requires_grad_"]);

/** What is called, without a trailing `.forward`. */
function calleeOf(call: CallExpr): Expr {
  const { callee } = call;
  return callee.kind === "Attribute" && callee.name === "forward" ? callee.object : callee;
}

export function isMainGuard(test: Expr): boolean {
  return test.kind === "Compare" && test.left.kind === "Name" && test.left.id === "__name__";
}

function targetsOf(statement: Extract<Stmt, { kind: "Assign" | "AnnAssign" }>): readonly Expr[] {
  return statement.kind === "Assign" ? statement.targets : [statement.target];
}

function binds(target: Expr, name: string): boolean {
  if (target.kind === "Name") return target.id === name;
  return (target.kind === "Tuple" || target.kind === "List") && target.items.some((item) => binds(item, name));
}

function blocksOf(s: Stmt): (readonly Stmt[])[] {
  switch (s.kind) {
    case "If":
    case "For":
    case "While":
      return [s.body, s.otherwise];
    case "With":
      return [s.body];
    case "Try":
      return [s.body, ...s.handlers.map((h) => h.body), s.otherwise, s.finalizer];
    case "Match":
      return s.cases.map((c) => c.body);
    default:
      return [];
  }
}

function expressionsOf(s: Stmt): Expr[] {
  switch (s.kind) {
    case "Expr":
    case "Assign":
    case "AugAssign":
      return [s.value];
    case "AnnAssign":
    case "Return":
      return s.value ? [s.value] : [];
    case "If":
    case "While":
      return [s.test];
    case "For":
      return [s.iterable];
    case "With":
      return s.items.map((item) => item.value);
    case "Assert":
      return [s.test];
    default:
      return [];
  }
}

/** Calls `visit` for the expression and all those in it. */
function walkExpr(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const child of childrenOf(expr)) walkExpr(child, visit);
}

function childrenOf(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case "Attribute":
      return [e.object];
    case "Subscript":
      return [e.object, e.index];
    case "Slice":
      return [e.lower, e.upper, e.step].filter((x) => x !== undefined);
    case "Call":
      return [e.callee, ...e.args.map((a) => a.value)];
    case "Binary":
    case "Bool":
      return [e.left, e.right];
    case "Unary":
      return [e.operand];
    case "Compare":
      return [e.left, ...e.rights];
    case "Conditional":
      return [e.test, e.whenTrue, e.otherwise];
    case "List":
    case "Tuple":
    case "Set":
      return e.items;
    case "Dict":
      return e.entries.flatMap((entry) => (entry.key ? [entry.key, entry.value] : [entry.value]));
    case "Starred":
    case "Walrus":
      return [e.value];
    case "Lambda":
      return [e.body];
    case "Comprehension":
      return [
        ...(e.key ? [e.key] : []),
        e.value,
        ...e.clauses.flatMap((c) => (c.type === "for" ? [c.iterable] : [c.test])),
      ];
    case "FString":
      return e.parts.flatMap((p) => (typeof p === "string" ? [] : [p.value]));
    default:
      return [];
  }
}
