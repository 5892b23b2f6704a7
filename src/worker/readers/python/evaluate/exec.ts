import { basename, dirname, join } from "node:path";
import { isFile } from "../imports/look";
import { isBelow } from "../imports/project";
import { homeOf, projectOf, rootsOf, within } from "../imports/roots";
import { ModuleSources } from "../imports/sources";
import { assignedTargets } from "../syntax/assigned";
import type { CallExpr, Expr, Stmt } from "../syntax/ast";
import { MAX_SOURCE_LENGTH, parsePart } from "../syntax/parse";
import { Source } from "../syntax/source";
import { dictSet } from "../values/equality";
import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { PyDict, type Value } from "../values/values";
import { stillOpen } from "./openNames";
import { evaluateSafely } from "./run/expressions";
import { execute } from "./run/statements";
import { Scope } from "./scope";

/**
 * `exec` of code that is known: a text, or a file of the project as `exec(open("configurator.py").read())` has it. It is
 * evaluated as all code is, in the names at hand; Python executes nothing of it.
 */

/** Steps that one statement of it may take. */
const STATEMENT_STEPS = 200_000;

interface Code {
  /** In messages: "configurator.py". */
  readonly name: string;
  readonly source: Source;
  readonly statements: readonly Stmt[];
}

export function executeCode(ev: Evaluator, scope: Scope, call: CallExpr, args: readonly Value[]): Value {
  const [expr] = call.args;
  const [given, globals = null, locals = null] = args;
  const code = given === undefined ? new Unknown("nothing is given to exec") : codeOf(ev, scope, expr!.value, given);
  const { module, enclosing } = scope;
  const isOwn = globals === null || (module.live !== undefined && globals === module.live);
  if (!isOwn) {
    ev.followed.add(call);
    const into = locals instanceof PyDict ? locals : globals;
    if (!(code instanceof Unknown) && into instanceof PyDict) return inDict(ev, code, into);
    // What the dict holds from here on is not known.
    const target = call.args[locals === null ? 1 : 2]?.value;
    const why = code instanceof Unknown ? code : new Unknown("the namespace that exec is given is not known");
    if (target?.kind === "Name") scope.assign(target.id, why);
    return null;
  }
  // In a function the names that it gives are lost, but for those of the module.
  const space = globals === null ? enclosing : module;
  if (!(space === module || space.isTop)) return null;
  if (code instanceof Unknown) {
    ev.problem(`the names that this exec defines or changes are not known: ${code.reason}`, "information");
    return null;
  }
  const inner = space.sharing(code.source, () => code.statements);
  const failed = run(ev, inner, code.statements);
  space.unfollowed ??= inner.unfollowed;
  space.lazy = inner.lazy;
  const open = failed ?? stillOpen(ev, inner);
  if (open) {
    module.unfollowed ??= new Unknown(`it may be defined by ${code.name}, which is evaluated only in part`, open.place);
    ev.problem(`${code.name} may define or change unknown names: ${asName(open.reason)}`, "information");
  }
  ev.followed.add(call);
  return null;
}

/** `names = {}; exec(code, names)`. */
function inDict(ev: Evaluator, code: Code, into: PyDict): Value {
  const inner = new Scope("module", ev.builtins, "");
  inner.text = code.source;
  inner.statements = () => code.statements;
  for (const { key, value } of into.entries.values()) if (typeof key === "string") inner.names.set(key, value);
  run(ev, inner, code.statements);
  for (const [name, value] of inner.names) dictSet(into, name, value);
  return null;
}

/** Turns a reason for one name into a reason for any name. */
const asName = (reason: string): string => reason.replace(/^it may be/, "any may be");

/** Runs the statements as far as possible; returns the reason why the rest is not known. */
function run(ev: Evaluator, scope: Scope, statements: readonly Stmt[]): Unknown | undefined {
  let failed: Unknown | undefined;
  for (const statement of statements) {
    const result = ev.aside(scope, STATEMENT_STEPS, () => {
      execute(ev, scope, statement);
      return null;
    });
    if (!(result instanceof Unknown)) continue;
    failed ??= result;
    for (const target of assignedTargets([statement]))
      if (target.kind === "Name" && !scope.names.has(target.id)) scope.names.set(target.id, result);
  }
  return failed;
}

function codeOf(ev: Evaluator, scope: Scope, expr: Expr, given: Value): Code | Unknown {
  if (typeof given === "string") {
    if (given.length > MAX_SOURCE_LENGTH) return new Unknown("the code given to exec is too long to be read");
    ev.step(100 + given.length);
    return { name: "code given to exec", source: new Source("<exec>", given), statements: parsePart(given, given, 0) };
  }
  const written = pathIn(expr);
  if (!written) return given instanceof Unknown ? given : new Unknown("the code given to exec is not known");
  const path = evaluateSafely(ev, scope, written);
  if (typeof path !== "string")
    return path instanceof Unknown ? path : new Unknown("the path given to open is not known");
  const file = projectFile(ev, path);
  const found = file === undefined ? undefined : ev.session.memory.of(ModuleSources).of(file);
  if (!file || !found) return new Unknown(`${path} is not a file of the project that can be read`);
  ev.consulted.add(file);
  const statements = found.statements.flatMap((each) => each.statements());
  return { name: basename(file), source: found.source, statements };
}

/** Of `open(path).read()`, `Path(path).read_text()`, and either in `compile(...)`; undefined for other expressions. */
function pathIn(expr: Expr): Expr | undefined {
  if (expr.kind !== "Call") return undefined;
  const { callee, args } = expr;
  if (callee.kind === "Name") return callee.id === "compile" && args[0] ? pathIn(args[0].value) : undefined;
  if (callee.kind !== "Attribute" || callee.object.kind !== "Call") return undefined;
  const { callee: opener, args: opened } = callee.object;
  const name = opener.kind === "Name" ? opener.id : opener.kind === "Attribute" ? opener.name : undefined;
  const reads = (name === "open" && callee.name === "read") || (name === "Path" && callee.name === "read_text");
  return reads ? opened[0]?.value : undefined;
}

/** The statements of the file that the expression executes, where its path is written out. */
export function executedBy(ev: Evaluator, expr: Expr): readonly Stmt[] {
  if (expr.kind !== "Call" || expr.callee.kind !== "Name" || expr.callee.id !== "exec" || !expr.args[0]) return [];
  const path = writtenPath(expr.args[0].value);
  const file = path === undefined ? undefined : projectFile(ev, path);
  return (
    (file &&
      ev.session.memory
        .of(ModuleSources)
        .of(file)
        ?.statements.flatMap((each) => each.statements())) ||
    []
  );
}

function writtenPath(expr: Expr): string | undefined {
  const found = pathIn(expr);
  return found?.kind === "Constant" && typeof found.value === "string" ? found.value : undefined;
}

/** A path as a script that is started in its own folder or the project's has it; nothing outside of these. */
export function projectFile(ev: Evaluator, path: string): string | undefined {
  const { file } = ev.main;
  const home = homeOf(file);
  for (const folder of [dirname(file), projectOf(dirname(file)) ?? home.root, ...rootsOf(file, home)]) {
    const candidate = join(folder, path);
    const root = projectOf(dirname(file)) ?? folder;
    if (isBelow(root, candidate) && isFile(candidate)) return within(root, candidate);
  }
  return undefined;
}
