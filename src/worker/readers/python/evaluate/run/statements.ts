import * as build from "../../../../graph/build";
import { rowsOneByOne, wrapNode } from "../../libraries/torch";
import { leaves } from "../../syntax/assigned";
import type { ExceptHandler, Expr, FunctionStmt, MatchCase, Stmt, TryStmt } from "../../syntax/ast";
import { dictOf, dictSet } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { MANY_TURNS } from "../../values/limits";
import { PyRange } from "../../values/types";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyDict, PyError, PyFunction, PyGenerator, PyTensor, type Value } from "../../values/values";
import { deliberately } from "../errors";
import { endsThere, raise } from "../exceptions";
import { importModule, importNames } from "../imports";
import { truthyOf } from "../objects/iteration";
import { deleteItem } from "../objects/subscripts";
import { str } from "../objects/text";
import { openName } from "../openNames";
import { runPlainLoop } from "../plain/plainLoops";
import { type Completion, LimitError, type Scope } from "../scope";
import { augment, augmentationOf } from "./augmentation";
import { assignment, assignSafely, undecided } from "./branches";
import { makeClass } from "./classes";
import { assignTarget, evaluate, evaluateSafely, makeFunction, safely } from "./expressions";
import { handlingOf } from "./handlers";
import { matches } from "./patterns";
import { dataCondition, predicated, quietly, skipsTurn } from "./predication";

/** What these do to names and modules is not observed where modules are made from others like them. */
const UNOBSERVED: ReadonlySet<Stmt["kind"]> = new Set<Stmt["kind"]>([
  "Class",
  "Global",
  "Import",
  "ImportFrom",
  "Match",
  "Nonlocal",
  "With",
]);

/** Runs a function's body. */
export function executeBody(ev: Evaluator, scope: Scope, body: readonly Stmt[]): void {
  executeBlock(ev, scope, body);
}

export function executeBlock(ev: Evaluator, scope: Scope, body: readonly Stmt[]): Completion {
  for (const statement of body) {
    const completion = execute(ev, scope, statement);
    if (completion !== "normal") return completion;
  }
  return "normal";
}

/**
 * Runs one statement. Anything that the evaluator does not support becomes a problem and an unknown value, and the next
 * statement runs. Python's own exceptions and limits are thrown.
 */
export function execute(ev: Evaluator, scope: Scope, statement: Stmt): Completion {
  ev.span = statement;
  ev.step();
  if (scope.kind === "module" || UNOBSERVED.has(statement.kind)) ev.alike.forget();
  switch (statement.kind) {
    case "Expr":
      if (statement.value.kind !== "Constant") evaluateSafely(ev, scope, statement.value);
      return "normal";
    case "Assign": {
      const value = evaluateSafely(ev, scope, statement.value);
      for (const target of statement.targets) assignSafely(ev, scope, target, value);
      return "normal";
    }
    case "AnnAssign":
      annotate(scope, statement.target, statement.annotation);
      if (statement.value) assignSafely(ev, scope, statement.target, evaluateSafely(ev, scope, statement.value));
      return "normal";
    case "AugAssign": {
      const augmentation = augmentationOf(ev, scope, statement);
      augment(ev, scope, augmentation, evaluateSafely(ev, scope, statement.value));
      return "normal";
    }
    case "Return":
      scope.returned = statement.value ? evaluateSafely(ev, scope, statement.value) : null;
      return "return";
    case "If":
      return executeIf(ev, scope, statement.test, statement.body, statement.otherwise);
    case "For":
      return executeFor(ev, scope, statement);
    case "While":
      return executeWhile(ev, scope, statement);
    case "With":
      return executeWith(ev, scope, statement);
    case "Try":
      return executeTry(ev, scope, statement);
    case "Raise": {
      const value = statement.value ? evaluate(ev, scope, statement.value) : scope.lookup("*handled");
      ev.span = statement;
      if (value === undefined) throw new PyError("RuntimeError", "No active exception to reraise", ev.place);
      throw deliberately(raise(ev, value));
    }
    case "Assert": {
      const truth = truthyOf(ev, evaluateSafely(ev, scope, statement.test));
      // An assertion on an unknown value is assumed to hold.
      if (truth === false) {
        const message = statement.message ? str(ev, evaluate(ev, scope, statement.message)) : "";
        ev.span = statement;
        throw deliberately(new PyError("AssertionError", typeof message === "string" ? message : "", ev.place));
      }
      return "normal";
    }
    case "Function":
      scope.assign(statement.name, decorate(ev, scope, statement));
      return "normal";
    case "Class": {
      let value: Value = makeClass(ev, scope, statement, (body) => executeBlock(ev, body, statement.body));
      for (const decorator of [...statement.decorators].reverse()) value = applyDecorator(ev, scope, decorator, value);
      scope.assign(statement.name, value);
      return "normal";
    }
    case "Import":
      for (const { name, alias } of statement.names) importModule(ev, scope, name, alias);
      return "normal";
    case "ImportFrom":
      importNames(ev, scope, statement.module, statement.names, statement.wildcard);
      if (statement.wildcard) ev.followed.add(statement);
      return "normal";
    case "Global":
      for (const name of statement.names) scope.redirect(name, scope.module);
      return "normal";
    case "Nonlocal":
      for (const name of statement.names) {
        let outer = scope.parent;
        while (outer && !outer.names.has(name)) outer = outer.parent;
        if (outer) scope.redirect(name, outer);
      }
      return "normal";
    case "Delete":
      for (const target of statement.targets) {
        safely(ev, () => {
          executeDelete(ev, scope, target);
          return null;
        });
      }
      return "normal";
    case "Pass":
      return "normal";
    case "Break":
      return "break";
    case "Continue":
      return "continue";
    case "Match":
      return executeMatch(ev, scope, statement.subject, statement.cases);
    case "Unsupported":
      ev.problem(`${statement.what} is not supported`, "error");
      return "normal";
    case "Invalid":
      return "normal";
  }
}

/** A dataclass's fields are its annotated names, in order. */
function annotate(scope: Scope, target: Expr, annotation: string): void {
  if (scope.kind !== "class" || target.kind !== "Name") return;
  const held = scope.names.get("__annotations__");
  const annotations = held instanceof PyDict ? held : dictOf([]);
  if (annotations !== held) scope.names.set("__annotations__", annotations);
  dictSet(annotations, target.id, annotation);
}

function decorate(ev: Evaluator, scope: Scope, statement: FunctionStmt): Value {
  let value: Value = makeFunction(ev, scope, statement, statement.name);
  for (const decorator of [...statement.decorators].reverse()) value = applyDecorator(ev, scope, decorator, value);
  return value;
}

/** An unknown decorator is assumed to return the object that it decorates, as nearly all do. */
function applyDecorator(ev: Evaluator, scope: Scope, expr: Expr, value: Value): Value {
  if (expr.kind === "Attribute" && (expr.name === "setter" || expr.name === "getter" || expr.name === "deleter")) {
    const property = evaluateSafely(ev, scope, expr.object);
    return ev.call(ev.getAttribute(property, expr.name), [value]);
  }
  const decorator = evaluateSafely(ev, scope, expr);
  ev.span = expr;
  if (decorator instanceof Unknown || decorator === null) return value;
  const result = imported(ev, decorator) ? undisturbed(ev, decorator, value) : ev.call(decorator, [value]);
  return result instanceof Unknown ? value : result;
}

function imported(ev: Evaluator, decorator: Value): boolean {
  return !ev.inMain || (decorator instanceof PyFunction && (decorator.scope as Scope).source !== ev.main);
}

/** A library's decorator that cannot be evaluated, because it reads signatures and documentation, is ignored. */
function undisturbed(ev: Evaluator, decorator: Value, value: Value): Value {
  const { value: result, error } = ev.attempt(() => ev.call(decorator, [value]));
  if (error instanceof LimitError) throw error;
  return error ? value : (result ?? null);
}

function executeIf(
  ev: Evaluator,
  scope: Scope,
  test: Expr,
  body: readonly Stmt[],
  otherwise: readonly Stmt[],
): Completion {
  let value: Value = null;
  if (ev.tracing) {
    const note = ev.collect(() => {
      value = evaluateSafely(ev, scope, test);
    });
    const condition = dataCondition(ev, scope, test, value);
    const ends = condition ? leaves([...body, ...otherwise]) : undefined;
    if (condition && !ends?.loop && !ends?.function) {
      predicated(ev, scope, condition, () => executeBlock(ev, scope, body));
      if (otherwise.length > 0)
        predicated(ev, scope, build.unary("not", condition), () => executeBlock(ev, scope, otherwise));
      return "normal";
    }
    for (const { message, severity, place } of note) ev.problem(message, severity, place);
  } else {
    value = evaluateSafely(ev, scope, test);
  }
  ev.span = test;
  const truth = truthyOf(ev, value);
  if (truth instanceof Unknown) return undecided(ev, scope, "if", truth, [body, otherwise], test);
  return executeBlock(ev, scope, truth ? body : otherwise);
}

/** One turn of a loop: after `if ...: continue` the rest depends on the condition. */
function executeTurn(ev: Evaluator, scope: Scope, body: readonly Stmt[]): Completion {
  for (const [i, statement] of body.entries()) {
    if (ev.tracing && skipsTurn(statement)) {
      const skipped = dataCondition(ev, scope, statement.test, quietly(ev, scope, statement.test));
      if (skipped) {
        return predicated(ev, scope, build.unary("not", skipped), () => executeTurn(ev, scope, body.slice(i + 1)));
      }
    }
    const completion = execute(ev, scope, statement);
    if (completion !== "normal") return completion;
  }
  return "normal";
}

function executeFor(ev: Evaluator, scope: Scope, statement: Extract<Stmt, { kind: "For" }>): Completion {
  const { target, iterable: source, body, otherwise } = statement;
  const iterable = evaluateSafely(ev, scope, source);
  ev.span = source;
  if (iterable instanceof Unknown) {
    undecided(ev, scope, "loop", iterable, [[assignment(target)], body, otherwise], source);
    return "normal";
  }
  const rows = iterable instanceof PyTensor && iterable.node ? rowsOneByOne(iterable.node) : undefined;
  if (rows) {
    for (const { row, selected } of rows) {
      predicated(ev, scope, selected, () => {
        assignSafely(ev, scope, target, wrapNode(row));
        return executeTurn(ev, scope, body);
      });
    }
    return executeBlock(ev, scope, otherwise);
  }
  const plain = runPlainLoop(ev, scope, statement, iterable, (part) => execute(ev, scope, part));
  if (plain) return plain;
  const { endless } = ev;
  // The number of its turns is known.
  let left = iterable instanceof PyGenerator && !(iterable instanceof PyRange) ? MANY_TURNS : Number.POSITIVE_INFINITY;
  for (const item of ev.iterate(iterable)) {
    ev.span = statement;
    ev.step();
    if (left-- === 0) ev.endless++;
    assignSafely(ev, scope, target, item);
    const completion = executeTurn(ev, scope, body);
    if (completion === "return" || completion === "break") {
      ev.endless = endless;
      return completion === "return" ? completion : "normal";
    }
    // What the next item raises stands where the items come from.
    ev.span = source;
  }
  ev.endless = endless;
  return executeBlock(ev, scope, otherwise);
}

function executeWhile(ev: Evaluator, scope: Scope, statement: Extract<Stmt, { kind: "While" }>): Completion {
  ev.endless++;
  const completion = turnWhile(ev, scope, statement);
  ev.endless--;
  return completion;
}

function turnWhile(ev: Evaluator, scope: Scope, statement: Extract<Stmt, { kind: "While" }>): Completion {
  for (;;) {
    const value = evaluateSafely(ev, scope, statement.test);
    ev.span = statement.test;
    const truth = truthyOf(ev, value);
    if (truth instanceof Unknown) {
      undecided(ev, scope, "loop", truth, [statement.body, statement.otherwise], statement.test);
      return "normal";
    }
    if (!truth) return executeBlock(ev, scope, statement.otherwise);
    ev.step();
    const completion = executeBlock(ev, scope, statement.body);
    if (completion === "return") return completion;
    if (completion === "break") return "normal";
  }
}

function executeWith(ev: Evaluator, scope: Scope, statement: Extract<Stmt, { kind: "With" }>, at = 0): Completion {
  const item = statement.items[at];
  if (!item) return executeBlock(ev, scope, statement.body);
  const manager = evaluateSafely(ev, scope, item.value);
  const enter = ev.special(manager, "__enter__");
  const exit = ev.special(manager, "__exit__");
  const value = enter ? ev.call(enter, []) : manager;
  const restore = ev.mark();
  let completion: Completion;
  try {
    if (item.target) assignTarget(ev, scope, item.target, value);
    completion = executeWith(ev, scope, statement, at + 1);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (error instanceof LimitError || !exit) throw error;
    if (!endsThere(ev, exit, error)) throw error;
    restore();
    return "normal";
  }
  if (exit) ev.call(exit, [null, null, null]);
  return completion;
}

const IMPORT_ERRORS = new Set(["ImportError", "ModuleNotFoundError", "Exception", "BaseException"]);

function handlesImportError({ type }: ExceptHandler): boolean {
  const types = type?.kind === "Tuple" ? type.items : [type];
  return types.some((t) => t === undefined || (t.kind === "Name" && IMPORT_ERRORS.has(t.id)));
}

function executeTry(ev: Evaluator, scope: Scope, statement: TryStmt): Completion {
  const restore = ev.mark();
  let completion: Completion;
  try {
    completion = executeGuarded(ev, scope, statement);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (error instanceof LimitError || statement.finalizer.length === 0) throw error;
    restore();
    // A `return`, `break` or `continue` in `finally` drops the exception.
    const last = executeBlock(ev, scope, statement.finalizer);
    if (last !== "normal") return last;
    throw error;
  }
  const { returned } = scope;
  const last = executeBlock(ev, scope, statement.finalizer);
  if (last !== "normal") return last;
  scope.returned = returned;
  return completion;
}

/** `try`, its handlers and its `else`, whose own exceptions the handlers do not see. */
function executeGuarded(ev: Evaluator, scope: Scope, statement: TryStmt): Completion {
  const restore = ev.mark();
  const { importErrors } = ev;
  let completion: Completion;
  try {
    if (statement.handlers.some(handlesImportError)) ev.importErrors++;
    completion = executeBlock(ev, scope, statement.body);
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (!(error instanceof PyError)) throw error;
    ev.importErrors = importErrors;
    restore();
    const handling = handlingOf(ev, scope, statement, error);
    if (!handling) throw error;
    try {
      return executeBlock(ev, scope, handling.body);
    } finally {
      handling.end();
    }
  } finally {
    ev.importErrors = importErrors;
  }
  return completion === "normal" ? executeBlock(ev, scope, statement.otherwise) : completion;
}

function executeDelete(ev: Evaluator, scope: Scope, target: Expr): void {
  switch (target.kind) {
    case "Name":
      if (!scope.delete(target.id) && !openName(ev, scope, target.id, target.start)) {
        ev.span = target;
        throw new PyError("NameError", `name '${target.id}' is not defined`);
      }
      return;
    case "Attribute": {
      const object = evaluate(ev, scope, target.object);
      ev.span = target;
      ev.deleteAttribute(object, target.name);
      return;
    }
    case "Subscript": {
      const object = evaluate(ev, scope, target.object);
      const key = evaluate(ev, scope, target.index);
      ev.span = target;
      deleteItem(ev, object, key);
      return;
    }
    case "Tuple":
    case "List":
      for (const item of target.items) executeDelete(ev, scope, item);
      return;
    default:
      throw new EvaluationError("this cannot be deleted", ev.source.place(target));
  }
}

// match

function executeMatch(ev: Evaluator, scope: Scope, subject: Expr, cases: readonly MatchCase[]): Completion {
  const value = evaluateSafely(ev, scope, subject);
  const bodies = cases.map((c) => c.body);
  if (value instanceof Unknown) return undecided(ev, scope, "match", value, bodies, subject);
  for (const { pattern, guard, body } of cases) {
    const matched = matches(ev, scope, pattern, value);
    if (matched instanceof Unknown) return undecided(ev, scope, "match", matched, bodies, subject);
    if (!matched) continue;
    const accepted = guard ? truthyOf(ev, evaluateSafely(ev, scope, guard)) : true;
    if (accepted instanceof Unknown) return undecided(ev, scope, "match", accepted, bodies, subject);
    if (accepted) return executeBlock(ev, scope, body);
  }
  return "normal";
}
