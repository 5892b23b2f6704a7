import { memoized } from "../../memoized";
import type { CallExpr, Expr, Stmt } from "../syntax/ast";
import { blocksOf, expressionsOf, walkExpr } from "../syntax/walk";
import type { Evaluator, Opener } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import type { Scope } from "./scope";

/**
 * Code that gives a module names that cannot be listed by reading it: `exec(...)`, `globals().update(...)`, a wildcard
 * import in a branch. After such code a missing name may exist, so it is unknown and not an error.
 */

/** Calls that read from `globals()` without changing it. */
const READING = new Set("get items keys values copy __contains__ __getitem__ __len__".split(" "));
const READERS = new Set("len dict sorted list tuple set frozenset print eval exec any all iter enumerate".split(" "));
const MAGICS = new Set(["magic", "run_line_magic", "run_cell_magic"]);

const openersOf = memoized((statement: Stmt): readonly Opener[] => [...openersWithin(statement, false)]);

/** `local`: in a function or a class, whose `locals()` are no names of the module. */
function* openersWithin(statement: Stmt, local: boolean, nested = false): Generator<Opener> {
  if (statement.kind === "ImportFrom" && statement.wildcard && nested) yield statement;
  const targets = targetsOf(statement);
  if (targets.some(isBuiltinName)) yield statement;
  const reads = new Set<Expr>(statement.kind === "For" ? [statement.iterable] : []);
  const writes = new Set<Expr>(targets.map((target) => (target.kind === "Subscript" ? target.object : target)));
  for (const whole of [...expressionsOf(statement), ...targets]) {
    const calls: CallExpr[] = [];
    walkExpr(whole, (e) => {
      if (e.kind === "Call") {
        calls.push(e);
        for (const read of readBy(e)) reads.add(read);
      } else if (e.kind === "Subscript") reads.add(e.object);
      else if (e.kind === "Compare") for (const right of e.rights) reads.add(right);
    });
    for (const call of calls) {
      if (isScopeCall(call)) {
        const isModule = isNamed(call, "globals") || !local;
        if (isModule && (writes.has(call) || !reads.has(call))) yield call;
      } else if (opensNames(call)) yield call;
    }
  }
  for (const block of blocksOf(statement)) for (const inner of block) yield* openersWithin(inner, local, true);
  if (statement.kind === "Function" || statement.kind === "Class")
    for (const inner of statement.body) yield* openersWithin(inner, true, true);
}

function targetsOf(statement: Stmt): readonly Expr[] {
  if (statement.kind === "Assign" || statement.kind === "Delete") return statement.targets;
  return statement.kind === "AugAssign" || statement.kind === "AnnAssign" ? [statement.target] : [];
}

function readBy({ callee, args }: CallExpr): Expr[] {
  if (callee.kind === "Attribute") return READING.has(callee.name) ? [callee.object] : [];
  const isReader = callee.kind === "Name" && READERS.has(callee.id);
  return args.filter(({ name }) => isReader || name === "globals").map(({ value }) => value);
}

const isNamed = ({ callee }: CallExpr, name: string): boolean => callee.kind === "Name" && callee.id === name;

/** `globals()`, `locals()`, `vars()`. */
export function isScopeCall(expr: Expr): expr is CallExpr {
  return (
    expr.kind === "Call" && expr.args.length === 0 && ["globals", "locals", "vars"].some((name) => isNamed(expr, name))
  );
}

function opensNames(call: CallExpr): boolean {
  const [first, second] = call.args.map(({ value }) => value);
  // `exec(code, names)` fills a dict of its own.
  if (isNamed(call, "exec") || isNamed(call, "execfile")) return second === undefined || isScopeCall(second);
  if (isNamed(call, "setattr")) return first !== undefined && (isModuleItself(first) || isBuiltins(first));
  const { callee } = call;
  if (callee.kind !== "Attribute") return false;
  if (MAGICS.has(callee.name)) return true;
  const { object } = callee;
  return object.kind === "Attribute" && object.name === "__dict__" && isModuleItself(object.object);
}

/** `sys.modules[__name__]`. */
function isModuleItself(expr: Expr): boolean {
  const { object } = expr.kind === "Subscript" ? expr : { object: undefined };
  return object?.kind === "Attribute" && object.name === "modules";
}

const isBuiltins = (expr: Expr): boolean =>
  expr.kind === "Name" && (expr.id === "builtins" || expr.id === "__builtins__");

/** `builtins.name`, which every module has then. */
function isBuiltinName(target: Expr): boolean {
  return target.kind === "Attribute" && isBuiltins(target.object);
}

/**
 * Why a name that the scope lacks may exist all the same; undefined where it cannot. `start` is where it is used: what
 * stands below that at the top of the module comes too late.
 */
export function openName(
  ev: Evaluator,
  scope: Scope,
  name: string,
  start = Number.POSITIVE_INFINITY,
): Unknown | undefined {
  const { module } = scope;
  const isTop = scope.enclosing === module;
  for (const each of module.origin ? [module, module.origin] : [module]) {
    if (each.unfollowed) return each.unfollowed;
    for (const namespace of each.starred ?? []) {
      const why = namespace.unlisted(name);
      if (why) return why;
    }
    for (const statement of each.statements?.() ?? []) {
      if (each === module && isTop && statement.start >= start) continue;
      const opener = openersOf(statement).find((found) => !ev.followed.has(found));
      if (opener && each.text) return openedBy(each, opener);
    }
  }
  return undefined;
}

function openedBy({ text }: Scope, opener: Opener): Unknown {
  const code = text!.textOf(opener).split("\n", 1)[0]!.trim();
  const place = text!.place(opener);
  const shown = code.length > MAX_SHOWN ? `${code.slice(0, MAX_SHOWN)}…` : code;
  return new Unknown(`it may be defined by "${shown}" at line ${place.line}, which is not evaluated`, place);
}

const MAX_SHOWN = 60;

/** Why code may give its module any name; undefined where all that it gives is known. */
export function stillOpen(ev: Evaluator, scope: Scope): Unknown | undefined {
  const opener = (scope.statements?.() ?? []).flatMap(openersOf).find((found) => !ev.followed.has(found));
  return scope.unfollowed ?? (opener && openedBy(scope, opener));
}
