import type {
  CallExpr,
  ComprehensionClause,
  ComprehensionExpr,
  Expr,
  FormattedPart,
  LambdaExpr,
} from "../../syntax/ast";
import { dictSet, setOf } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { MAX_NESTING } from "../../values/limits";
import { EvaluationError, Unknown } from "../../values/unknown";
import { PyDict, PyError, PyFunction, PyList, PySlice, PyTuple, type Value } from "../../values/values";
import { compareValues } from "../objects/comparisons";
import { truthyOf } from "../objects/iteration";
import { binaryOperation, unaryOperation } from "../objects/operators";
import { index as indexValue, setItem } from "../objects/subscripts";
import { applyFormat, repr, str } from "../objects/text";
import { openName } from "../openNames";
import { plainItems } from "../plain/plainLoops";
import { type Definition, LimitError, Scope } from "../scope";
import { PySuspended } from "./generators";
import { scopeCall } from "./scopeCalls";
import { superOf } from "./superCall";

/** The value of an expression. */
export function evaluate(ev: Evaluator, scope: Scope, expr: Expr): Value {
  switch (expr.kind) {
    case "Name": {
      const value = scope.lookup(expr.id);
      if (value !== undefined) return value;
      ev.span = expr;
      const open = openName(ev, scope, expr.id, expr.start);
      if (open) return open;
      throw new PyError("NameError", `name '${expr.id}' is not defined`);
    }
    case "Constant":
      return expr.value;
    case "Attribute": {
      const object = evaluate(ev, scope, expr.object);
      ev.span = expr;
      return ev.getAttribute(object, expr.name);
    }
    case "Call":
      return evaluateCall(ev, scope, expr);
    case "Subscript": {
      const object = evaluate(ev, scope, expr.object);
      const key = evaluate(ev, scope, expr.index);
      ev.span = expr;
      ev.step();
      return indexValue(ev, object, key);
    }
    case "Slice":
      return new PySlice(
        expr.lower ? evaluate(ev, scope, expr.lower) : null,
        expr.upper ? evaluate(ev, scope, expr.upper) : null,
        expr.step ? evaluate(ev, scope, expr.step) : null,
      );
    case "Binary": {
      enter(ev, expr);
      const left = evaluate(ev, scope, expr.left);
      const right = evaluate(ev, scope, expr.right);
      ev.nesting--;
      ev.span = expr;
      ev.step();
      return binaryOperation(ev, expr.op, left, right);
    }
    case "Unary": {
      const operand = evaluate(ev, scope, expr.operand);
      ev.span = expr;
      return unaryOperation(ev, expr.op, operand);
    }
    case "Bool": {
      const left = evaluate(ev, scope, expr.left);
      ev.span = expr.left;
      const truth = truthyOf(ev, left);
      if (truth instanceof Unknown) return truth;
      return truth === (expr.op === "or") ? left : evaluate(ev, scope, expr.right);
    }
    case "Compare":
      return evaluateCompare(ev, scope, expr);
    case "Conditional": {
      const test = evaluate(ev, scope, expr.test);
      ev.span = expr.test;
      const truth = truthyOf(ev, test);
      if (truth instanceof Unknown) return truth;
      return evaluate(ev, scope, truth ? expr.whenTrue : expr.otherwise);
    }
    case "List":
      return new PyList(evaluateItems(ev, scope, expr.items));
    case "Tuple":
      return new PyTuple(evaluateItems(ev, scope, expr.items));
    case "Set":
      return setOf(evaluateItems(ev, scope, expr.items));
    case "Dict": {
      const dict = new PyDict();
      for (const entry of expr.entries) {
        const value = evaluate(ev, scope, entry.value);
        if (entry.key) dictSet(dict, evaluate(ev, scope, entry.key), value);
        else if (value instanceof PyDict) for (const [key, e] of value.entries) dict.entries.set(key, { ...e });
        else if (value instanceof Unknown) return value;
        else throw new PyError("TypeError", "the value after ** must be a mapping");
      }
      return dict;
    }
    case "FString":
      return formatted(ev, scope, expr.parts);
    case "Lambda":
      return makeFunction(ev, scope, expr, "<lambda>");
    case "Comprehension":
      return comprehension(ev, scope, expr);
    case "Walrus": {
      const value = evaluate(ev, scope, expr.value);
      if (scope.enclosing.kind === "module") ev.alike.forget();
      scope.enclosing.assign(expr.name, value);
      const named = { start: expr.start, end: expr.start + expr.name.length };
      if (ev.inMain) ev.recorder?.assigned(ev.source, scope.enclosing, named, expr.name, value);
      return value;
    }
    case "Yield":
      // A generator's body is run by suspended.ts, which gets to every yield that can suspend it.
      throw new EvaluationError("a yield is not allowed here", ev.source.place(expr));
    case "Starred":
      ev.span = expr;
      throw new EvaluationError("a starred expression is not allowed here", ev.place);
    case "Unsupported":
      ev.span = expr;
      throw new EvaluationError(`${expr.what} is not supported`, ev.place);
  }
}

/** Counts nesting; paired with `ev.nesting--` when nothing was thrown (`mark` restores it otherwise). */
function enter(ev: Evaluator, expr: Expr): void {
  if (++ev.nesting > MAX_NESTING) {
    ev.span = expr;
    throw ev.tooDeep();
  }
}

function evaluateItems(ev: Evaluator, scope: Scope, items: readonly Expr[]): Value[] {
  const values: Value[] = [];
  ev.step(items.length);
  for (const item of items) {
    if (item.kind !== "Starred") values.push(evaluate(ev, scope, item));
    else for (const value of ev.iterate(evaluate(ev, scope, item.value))) values.push(value);
  }
  return values;
}

const NO_KWARGS: ReadonlyMap<string, Value> = new Map();

export function evaluateCall(ev: Evaluator, scope: Scope, expr: CallExpr): Value {
  enter(ev, expr);
  const { callee: calleeExpr } = expr;
  if (calleeExpr.kind === "Name" && calleeExpr.id === "super") {
    const found = superOf(ev, scope, expr, (argument) => evaluate(ev, scope, argument));
    if (found) {
      ev.nesting--;
      return found;
    }
  }
  const callee = evaluate(ev, scope, calleeExpr);
  const { args, kwargs } = evaluateArguments(ev, scope, expr);
  ev.span = expr;
  if (args instanceof Unknown) {
    ev.nesting--;
    return args;
  }
  const result = scopeCall(ev, scope, expr, callee, args) ?? ev.call(callee, args, kwargs);
  ev.nesting--;
  return result;
}

/** As of `Sequential(*layers)`; beyond it they are counted like a list. */
const MANY_ARGUMENTS = 1000;

export function evaluateArguments(
  ev: Evaluator,
  scope: Scope,
  expr: CallExpr,
): { args: Value[] | Unknown; kwargs: ReadonlyMap<string, Value> } {
  if (expr.simple) {
    const args: Value[] = [];
    for (const argument of expr.args) args.push(evaluate(ev, scope, argument.value));
    return { args, kwargs: NO_KWARGS };
  }
  const args: Value[] = [];
  const kwargs = new Map<string, Value>();
  for (const argument of expr.args) {
    const value = evaluate(ev, scope, argument.value);
    ev.span = argument.value;
    switch (argument.type) {
      case "positional":
        args.push(value);
        break;
      case "keyword":
        kwargs.set(argument.name!, value);
        break;
      case "star":
        if (value instanceof Unknown) return { args: value, kwargs };
        for (const item of ev.iterate(value)) args.push(item);
        if (args.length > MANY_ARGUMENTS) ev.allot(args.length, "a list of arguments");
        break;
      case "doubleStar":
        if (value instanceof Unknown) return { args: value, kwargs };
        if (!(value instanceof PyDict)) throw new PyError("TypeError", "argument after ** must be a mapping");
        ev.alike.reads(value);
        for (const { key, value: item } of value.entries.values()) {
          if (typeof key !== "string") throw new PyError("TypeError", "keywords must be strings");
          kwargs.set(key, item);
        }
        break;
    }
  }
  return { args, kwargs };
}

function evaluateCompare(ev: Evaluator, scope: Scope, expr: Extract<Expr, { kind: "Compare" }>): Value {
  let left = evaluate(ev, scope, expr.left);
  let result: Value = true;
  for (let i = 0; i < expr.ops.length; i++) {
    const right = evaluate(ev, scope, expr.rights[i]!);
    ev.span = expr;
    ev.step();
    result = compareValues(ev, expr.ops[i]!, left, right);
    if (i === expr.ops.length - 1) return result;
    const truth = truthyOf(ev, result);
    if (truth instanceof Unknown) return truth;
    if (!truth) return result;
    left = right;
  }
  return result;
}

// f-strings

function formatted(ev: Evaluator, scope: Scope, parts: readonly (string | FormattedPart)[]): Value {
  let text = "";
  for (const part of parts) {
    if (typeof part === "string") {
      text += part;
      continue;
    }
    const value = evaluate(ev, scope, part.value);
    ev.span = part.value;
    if (value instanceof Unknown) return value;
    ev.alike.readsWhole(value);
    const format = part.format.length > 0 ? formatted(ev, scope, part.format) : "";
    if (format instanceof Unknown) return format;
    const useRepr = part.conversion === "r" || (part.selfText && !part.conversion && format === "");
    const shown = useRepr ? repr(ev, value) : part.conversion ? str(ev, value) : value;
    if (shown instanceof Unknown) return shown;
    const result = applyFormat(ev, shown, format as string);
    if (result instanceof Unknown) return result;
    text += `${part.selfText ?? ""}${result}`;
    ev.allot(text.length, "a string");
  }
  return text;
}

// Functions and comprehensions

export function makeFunction(
  ev: Evaluator,
  scope: Scope,
  node: Definition["node"] | LambdaExpr,
  name: string,
): PyFunction {
  const defaults = new Map<string, Value>();
  for (const param of node.params)
    if (param.default) defaults.set(param.name, evaluateSafely(ev, scope, param.default));
  const inClass = scope.kind === "class";
  const prefix = scope.qualifiedName && (inClass ? `${scope.qualifiedName}.` : `${scope.qualifiedName}.<locals>.`);
  const definition: Definition = {
    node,
    params: node.params,
    qualifiedName: `${prefix}${name}`,
    owner: inClass ? scope.owner : undefined,
  };
  return new PyFunction(name, definition, inClass ? scope.parent : scope, defaults);
}

/**
 * Anything that cannot be evaluated becomes a problem and an unknown value; Python's own errors and limits are thrown.
 */
export function evaluateSafely(ev: Evaluator, scope: Scope, expr: Expr): Value {
  // Nothing can go wrong with one.
  if (expr.kind === "Constant") return expr.value;
  return safely(ev, () => evaluate(ev, scope, expr));
}

export function safely(ev: Evaluator, body: () => Value): Value {
  const restore = ev.mark();
  try {
    return body();
  } catch (error) {
    const known = ev.understood(error);
    if (!(known instanceof EvaluationError) || known instanceof LimitError) throw known;
    ev.reportError(known);
    restore();
    // An error costs far more than a step: a loop that makes one each time round has to end as soon.
    ev.step(200);
    return new Unknown(known.message, known.place);
  }
}

function comprehension(ev: Evaluator, scope: Scope, expr: ComprehensionExpr): Value {
  const first = expr.clauses[0];
  if (first?.type !== "for") throw new EvaluationError("a comprehension without a for", ev.source.place(expr));
  // Python evaluates the first iterable at once, in the enclosing scope.
  const iterable = evaluate(ev, scope, first.iterable);
  if (iterable instanceof Unknown) {
    if (scope.enclosing.kind !== "module") {
      ev.problem(`this loop is skipped: ${iterable.reason}`, "warning", ev.source.place(first.iterable));
    }
    return iterable;
  }
  // Like a function, it does not see the names of the class body around it.
  const around = scope.kind === "class" && scope.parent ? scope.parent : scope;
  const inner = new Scope("comprehension", around, scope.qualifiedName);
  inner.owner = undefined;
  ev.span = first.iterable;
  if (expr.type === "generator") return new PySuspended(ev, inner, values(ev, inner, expr, iterable));
  const flow: Flow = {};
  if (expr.type === "dict") {
    const dict = new PyDict();
    for (const { key, value } of pairsOf(ev, inner, expr, iterable, flow)) dictSet(dict, key!, value);
    return flow.unknown ?? dict;
  }
  const plain = plainItems(ev, inner, expr, iterable);
  if (plain) return expr.type === "set" ? setOf(new PyList(plain).items) : new PyList(plain);
  const items: Value[] = [];
  for (const { value } of pairsOf(ev, inner, expr, iterable, flow)) items.push(value);
  return flow.unknown ?? (expr.type === "set" ? setOf(items) : new PyList(items));
}

interface Flow {
  unknown?: Unknown;
}

function* values(ev: Evaluator, scope: Scope, expr: ComprehensionExpr, iterable: Value): Generator<Value, Value> {
  const flow: Flow = {};
  for (const { value } of pairsOf(ev, scope, expr, iterable, flow)) yield value;
  if (flow.unknown)
    throw new EvaluationError(`a generator's condition is unknown: ${flow.unknown.reason}`, flow.unknown.place);
  return null;
}

function* pairsOf(
  ev: Evaluator,
  scope: Scope,
  expr: ComprehensionExpr,
  firstIterable: Value,
  flow: Flow,
  depth = 0,
): Generator<{ key: Value | undefined; value: Value }> {
  const clause: ComprehensionClause | undefined = expr.clauses[depth];
  if (!clause) {
    ev.step();
    const key = expr.key && evaluate(ev, scope, expr.key);
    yield { key, value: evaluate(ev, scope, expr.value) };
    return;
  }
  if (clause.type === "if") {
    const test = evaluate(ev, scope, clause.test);
    ev.span = clause.test;
    const truth = truthyOf(ev, test);
    if (truth instanceof Unknown) flow.unknown ??= truth;
    else if (truth) yield* pairsOf(ev, scope, expr, firstIterable, flow, depth + 1);
    return;
  }
  const iterable = depth === 0 ? firstIterable : evaluate(ev, scope, clause.iterable);
  ev.span = clause.iterable;
  if (iterable instanceof Unknown) {
    flow.unknown ??= iterable;
    return;
  }
  for (const item of ev.iterate(iterable)) {
    ev.span = clause.iterable;
    ev.step();
    assignTarget(ev, scope, clause.target, item);
    yield* pairsOf(ev, scope, expr, firstIterable, flow, depth + 1);
    if (flow.unknown) return;
  }
}

// Assignment targets

/** Binds a value to a target: a name, attribute, subscript, or a pattern of them. */
export function assignTarget(ev: Evaluator, scope: Scope, target: Expr, value: Value): void {
  switch (target.kind) {
    case "Name":
      scope.assign(target.id, value);
      if (ev.inMain) ev.recorder?.assigned(ev.source, scope, target, target.id, value);
      return;
    case "Attribute": {
      const object = evaluate(ev, scope, target.object);
      ev.span = target;
      ev.setAttribute(object, target.name, value);
      return;
    }
    case "Subscript": {
      const object = evaluate(ev, scope, target.object);
      const key = evaluate(ev, scope, target.index);
      ev.span = target;
      setItem(ev, object, key, value);
      return;
    }
    case "Tuple":
    case "List":
      unpack(ev, scope, target.items, target, value);
      return;
    case "Starred":
      assignTarget(ev, scope, target.value, value);
      return;
    default:
      throw new EvaluationError("this cannot be assigned to", ev.source.place(target));
  }
}

function unpack(ev: Evaluator, scope: Scope, targets: readonly Expr[], whole: Expr, value: Value): void {
  if (value instanceof Unknown) {
    for (const target of targets) assignTarget(ev, scope, target, value);
    return;
  }
  ev.span = whole;
  const items: Value[] = [];
  const star = targets.findIndex((t) => t.kind === "Starred");
  for (const item of ev.iterate(value)) {
    ev.step();
    items.push(item);
    if (star < 0 && items.length > targets.length) {
      throw new PyError("ValueError", `too many values to unpack (expected ${targets.length})`);
    }
  }
  const least = star < 0 ? targets.length : targets.length - 1;
  if (items.length < least) {
    const expected = star < 0 ? `${least}` : `at least ${least}`;
    throw new PyError("ValueError", `not enough values to unpack (expected ${expected}, got ${items.length})`);
  }
  if (star < 0) {
    targets.forEach((target, i) => {
      assignTarget(ev, scope, target, items[i]!);
    });
    return;
  }
  const after = targets.length - star - 1;
  for (let i = 0; i < star; i++) assignTarget(ev, scope, targets[i]!, items[i]!);
  assignTarget(ev, scope, targets[star]!, new PyList(items.slice(star, items.length - after)));
  for (let i = 0; i < after; i++) assignTarget(ev, scope, targets[star + 1 + i]!, items[items.length - after + i]!);
}
