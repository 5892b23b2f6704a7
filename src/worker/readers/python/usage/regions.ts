import type { CallExpr, Expr, FunctionStmt, Stmt } from "../syntax/ast";
import { blocksOf, expressionsOf, walkExpr, walkStatements } from "../syntax/walk";

/** Statements that run together: the file's top level, a main guard, or one function's body. */
export interface Region {
  readonly fn: FunctionStmt | undefined;
  readonly outer: Region | undefined;
  readonly body: readonly Stmt[];
  /** In source order, blocks flattened. */
  readonly assignments: Extract<Stmt, { kind: "Assign" | "AnnAssign" }>[];
  readonly returns: Extract<Stmt, { kind: "Return" }>[];
  readonly calls: CallExpr[];
  /** The function is a method. */
  readonly method?: true;
}

/** The regions of a file, its top level first, in source order. */
export function regionsOf(body: readonly Stmt[]): Region[] {
  return regionsWithin(body, { fn: undefined, outer: undefined });
}

/** Those of the methods of classes, without constructors: what these make depends on what they are given. */
export function methodsOf(body: readonly Stmt[], top: Region | undefined): Region[] {
  const found: Region[] = [];
  walkStatements(body, (statement) => {
    if (statement.kind !== "Class") return;
    for (const fn of statement.body) {
      if (fn.kind !== "Function" || fn.name === "__init__") continue;
      found.push(...regionsWithin(fn.body, { fn, outer: top, method: true }));
    }
  });
  return found;
}

/** The first of them is the body's own. */
function regionsWithin(body: readonly Stmt[], own: Pick<Region, "fn" | "outer" | "method">): Region[] {
  const regions: Region[] = [];
  const region = (of: typeof own, inner: readonly Stmt[]): Region => {
    const made: Region = { ...of, body: inner, assignments: [], returns: [], calls: [] };
    regions.push(made);
    return made;
  };
  visit(body, region(own, body));
  return regions;

  function visit(block: readonly Stmt[], within: Region): void {
    for (const statement of block) {
      switch (statement.kind) {
        case "Function":
          visit(statement.body, region({ fn: statement, outer: within }, statement.body));
          continue;
        case "Class":
          continue;
        case "If":
          if (isMainGuard(statement.test)) {
            visit(statement.body, region({ fn: undefined, outer: within }, statement.body));
            continue;
          }
          break;
        case "Assign":
        case "AnnAssign":
          within.assignments.push(statement);
          break;
        case "Return":
          within.returns.push(statement);
          break;
      }
      for (const expr of expressionsOf(statement)) {
        walkExpr(expr, (e) => {
          if (e.kind === "Call") within.calls.push(e);
        });
      }
      for (const inner of blocksOf(statement)) visit(inner, within);
    }
  }
}

function isMainGuard(test: Expr): boolean {
  return test.kind === "Compare" && test.left.kind === "Name" && test.left.id === "__name__";
}

export function isWithin(region: Region, outer: Region): boolean {
  for (let r: Region | undefined = region; r; r = r.outer) if (r === outer) return true;
  return false;
}

export function assignmentsOf(region: Region, name: string): Region["assignments"] {
  return region.assignments.filter((a) => targetsOf(a).some((t) => binds(t, name)));
}

export function targetsOf(statement: Extract<Stmt, { kind: "Assign" | "AnnAssign" }>): readonly Expr[] {
  return statement.kind === "Assign" ? statement.targets : [statement.target];
}

function binds(target: Expr, name: string): boolean {
  if (target.kind === "Name") return target.id === name;
  return (target.kind === "Tuple" || target.kind === "List") && target.items.some((item) => binds(item, name));
}

/** Arguments by the parameter they are for; what stars give is left out. */
export function argumentsByParameter(fn: FunctionStmt, call: CallExpr): [string, Expr][] {
  const positional = fn.params.filter((p) => p.kind === "normal" || p.kind === "positionalOnly");
  const pairs: [string, Expr][] = [];
  let counting = true;
  call.args.forEach(({ type, name, value }, i) => {
    if (type === "keyword" && name !== undefined) pairs.push([name, value]);
    else if (type === "positional" && counting && positional[i]) pairs.push([positional[i].name, value]);
    else if (type === "star") counting = false;
  });
  return pairs;
}
