import type { CallExpr, Expr, Stmt } from "../syntax/ast";
import { blocksOf, expressionsOf, namesIn, walkExpr } from "../syntax/walk";

/**
 * Whether code chooses the parameters that are trained: it freezes some, gives an optimizer part of them, or passes the
 * model to unknown code whose name says so. Comments and unused names say nothing.
 */

/** What one file's code says about training. */
export interface TrainingCode {
  /** Calls by their last name, to tell which functions run. */
  readonly called: Set<string>;
  /** Names of functions and classes that the code defines. */
  readonly defined: Set<string>;
  /** Functions around each place that chooses; "" at the top. */
  readonly choices: (readonly string[])[];
  /** Last names of callees that may choose. */
  readonly likely: Set<string>;
  /** What names are assigned. */
  readonly assigned: Map<string, Expr[]>;
  /** What optimizers are given, by the functions around. */
  readonly optimized: { readonly given: Expr; readonly around: readonly string[] }[];
}

/** @param isNothing of an assignment to `requires_grad`: that it was seen to freeze nothing. */
export function trainingCode(body: readonly Stmt[], isNothing: (statement: Stmt) => boolean): TrainingCode {
  const found: TrainingCode = {
    called: new Set(),
    defined: new Set(),
    choices: [],
    likely: new Set(),
    assigned: new Map(),
    optimized: [],
  };
  visitBlock(body, { around: [], modules: new Set() }, found, isNothing);
  for (const { given, around } of found.optimized) if (!isAllParameters(given, found, 0)) found.choices.push(around);
  return found;
}

/** Where a statement stands. */
interface Position {
  readonly around: readonly string[];
  /** Names that a loop over modules gives them. */
  readonly modules: ReadonlySet<string>;
}

/**
 * What files that work together train: "chosen" parameters, "all" of them, as given to an optimizer, or unknown. A
 * function that chooses and that none of them calls does so for code that is not here, unless there is an optimizer.
 */
export function whatTrains(
  files: readonly TrainingCode[],
  isCalledElsewhere: (name: string) => boolean,
): "chosen" | "all" | undefined {
  const called = (name: string) => RUN_BY_ITSELF.has(name) || files.some((file) => file.called.has(name));
  const defined = (name: string) => files.some((file) => file.defined.has(name));
  const training = new Set(files.flatMap(({ optimized }) => optimized.flatMap(({ around }) => around)));
  const isLive = (around: readonly string[]) =>
    around.every((name) => called(name) || training.has(name) || isCalledElsewhere(name));
  if (files.some(({ choices, likely }) => choices.some(isLive) || [...likely].some((name) => !defined(name))))
    return "chosen";
  if (files.some(({ optimized }) => optimized.length > 0)) return "all";
  return files.some(({ choices }) => choices.length > 0) ? "chosen" : undefined;
}

/** Methods that no code calls by name. */
const RUN_BY_ITSELF = new Set(["__init__", "__post_init__", "__new__", "__call__", "forward"]);
const LIKELY = /freez|trainable|requires_grad$|only_lora|lora_only|lora_param/i;
const OPTIMIZERS = /^(\w*Adam\w*|SGD|RMSprop|Adagrad|Adadelta|Rprop|ASGD|LBFGS|Lion|Adafactor|Muon|\w*Optimizer)$/;

function visitBlock(
  body: readonly Stmt[],
  position: Position,
  found: TrainingCode,
  isNothing: (statement: Stmt) => boolean,
): void {
  const { around, modules } = position;
  for (const statement of body) {
    if (chooses(statement, position) && !isNothing(statement)) found.choices.push(around);
    for (const expr of expressionsOf(statement)) visitExpression(expr, around, found);
    let inner = position;
    if (statement.kind === "Function") {
      found.defined.add(statement.name);
      for (const decorator of statement.decorators) visitExpression(decorator, around, found);
      visitBlock(statement.body, { around: [...around, statement.name], modules }, found, isNothing);
    } else if (statement.kind === "Class") {
      found.defined.add(statement.name);
      // Its methods are called by their own names.
      visitBlock(statement.body, position, found, isNothing);
    } else if (statement.kind === "Assign") {
      for (const target of statement.targets) {
        if (target.kind !== "Name") continue;
        const values = found.assigned.get(target.id) ?? [];
        found.assigned.set(target.id, [...values, statement.value]);
      }
    } else if (statement.kind === "For" && isModules(statement.iterable)) {
      inner = { around, modules: new Set([...modules, ...namesIn(statement.target)]) };
    }
    for (const block of blocksOf(statement)) visitBlock(block, inner, found, isNothing);
  }
}

function chooses(statement: Stmt, { around, modules }: Position): boolean {
  switch (statement.kind) {
    case "Assign": {
      const { targets, value } = statement;
      return targets.some((t) => isRequiresGrad(t) && !isOneOf(t.object, modules)) && !isConstant(value, true);
    }
    case "For":
      return isNamedParameters(statement.iterable) && statement.body.some((s) => s.kind === "If" && isChoice(s.test));
    case "With": {
      // What runs in it gets no gradient; what evaluates or merges does not train anyway.
      const isForward = /forward/i.test(around.at(-1) ?? "");
      return (
        isForward && statement.items.some(({ value }) => value.kind === "Call" && lastName(value.callee) === "no_grad")
      );
    }
    default:
      return false;
  }
}

const isOneOf = (expr: Expr, names: ReadonlySet<string>): boolean => expr.kind === "Name" && names.has(expr.id);

/** Loops over modules, whose `requires_grad` is an attribute like any other. */
function isModules(expr: Expr): boolean {
  const call = expr.kind === "Call" && lastName(expr.callee) === "list" ? expr.args[0]?.value : expr;
  return call?.kind === "Call" && /^(named_)?(modules|children)$/.test(lastName(call.callee) ?? "");
}

function visitExpression(expr: Expr, around: readonly string[], found: TrainingCode): void {
  walkExpr(expr, (each) => {
    if (each.kind === "Lambda" || each.kind === "Name") return;
    if (each.kind === "Comprehension") {
      const named = each.clauses.some((c) => c.type === "for" && isNamedParameters(c.iterable));
      if (named && each.clauses.some((c) => c.type === "if" && isChoice(c.test))) found.choices.push(around);
      return;
    }
    if (each.kind !== "Call") return;
    const name = lastName(each.callee);
    if (name === undefined) return;
    found.called.add(name);
    if (OPTIMIZERS.test(name) && each.args[0]) found.optimized.push({ given: each.args[0].value, around });
    if (callChooses(name, each)) found.choices.push(around);
    else if (LIKELY.test(name) && name !== "requires_grad_") found.likely.add(name);
    // What is handed on may be called there: model.apply(freeze).
    for (const { value } of each.args) {
      const handed = lastName(value);
      if (handed !== undefined) found.called.add(handed);
    }
  });
}

function callChooses(name: string, { args }: CallExpr): boolean {
  const [first, second, third] = args;
  if (name === "requires_grad_") return !(first && isConstant(first.value, true)) && args.length > 0;
  if (name !== "setattr" || !second || !isConstant(second.value, "requires_grad")) return false;
  return !(third && isConstant(third.value, true));
}

/** `model.parameters()`, also as a list, under a name, or those that train anyway. */
function isAllParameters(expr: Expr, found: TrainingCode, depth: number): boolean {
  if (depth > 8) return false;
  const isAll = (inner: Expr | undefined) => inner !== undefined && isAllParameters(inner, found, depth + 1);
  if (expr.kind === "Name") {
    const values = found.assigned.get(expr.id) ?? [];
    return values.length > 0 && values.every(isAll);
  }
  if (expr.kind === "Comprehension") {
    const [first, ...rest] = expr.clauses;
    return first?.type === "for" && isAll(first.iterable) && rest.every((c) => c.type === "if" && !isChoice(c.test));
  }
  if (expr.kind !== "Call") return false;
  const [first, second] = expr.args;
  switch (lastName(expr.callee)) {
    case "list":
    case "tuple":
      return isAll(first?.value);
    case "filter":
      return first?.value.kind === "Lambda" && !isChoice(first.value.body) && isAll(second?.value);
    case "parameters":
      return expr.callee.kind === "Attribute" && expr.args.length === 0;
    default:
      return false;
  }
}

function isNamedParameters(expr: Expr): boolean {
  return expr.kind === "Call" && lastName(expr.callee) === "named_parameters";
}

/** Not of what trains already: `if p.requires_grad` counts or prints. */
function isChoice(test: Expr): boolean {
  return !isRequiresGrad(test);
}

function isRequiresGrad(expr: Expr): expr is Extract<Expr, { kind: "Attribute" }> {
  return expr.kind === "Attribute" && expr.name === "requires_grad";
}

function isConstant(expr: Expr, value: unknown): boolean {
  return expr.kind === "Constant" && expr.value === value;
}

function lastName(expr: Expr): string | undefined {
  if (expr.kind === "Name") return expr.id;
  return expr.kind === "Attribute" ? expr.name : undefined;
}
