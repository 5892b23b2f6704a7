import { memoized } from "../../memoized";
import type { CallExpr, Expr, Stmt } from "./ast";

/** Walks over the syntax tree. */

/** The blocks of a compound statement; those of functions and classes are scopes of their own and not among them. */
export function blocksOf(s: Stmt): (readonly Stmt[])[] {
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

/** What a statement evaluates itself, without its blocks. */
export function expressionsOf(s: Stmt): Expr[] {
  switch (s.kind) {
    case "Expr":
    case "Assign":
    case "AugAssign":
      return [s.value];
    case "AnnAssign":
    case "Return":
    case "Raise":
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
    case "Match":
      return [s.subject, ...s.cases.flatMap((c) => (c.guard ? [c.guard] : []))];
    default:
      return [];
  }
}

/** Calls `visit` for the expression and all those in it. */
export function walkExpr(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const child of childrenOf(expr)) walkExpr(child, visit);
}

/** Calls of the block and of the blocks in it, without those of functions and classes. */
export function walkStatements(block: readonly Stmt[], visit: (statement: Stmt) => void): void {
  for (const statement of block) {
    visit(statement);
    for (const inner of blocksOf(statement)) walkStatements(inner, visit);
  }
}

/** Names an expression mentions. */
export function namesIn(expr: Expr, into: Set<string> = new Set()): Set<string> {
  walkExpr(expr, (e) => e.kind === "Name" && into.add(e.id));
  return into;
}

/** Names a statement mentions, functions and classes in it included. */
export function namesMentioned(statement: Stmt, into: Set<string> = new Set()): Set<string> {
  walkWhole(statement, (e) => e.kind === "Name" && into.add(e.id));
  return into;
}

/** The same with names of attributes: `lora` and `Embedding` of `lora.Embedding(...)`. */
export function wordsMentioned(statement: Stmt): Set<string> {
  const words = new Set<string>();
  walkWhole(statement, (e) => {
    if (e.kind === "Name") words.add(e.id);
    else if (e.kind === "Attribute") words.add(e.name);
  });
  return words;
}

/** Calls `visit` for all expressions of a statement, those of functions and classes in it included. */
export function walkWhole(statement: Stmt, visit: (expr: Expr) => void): void {
  for (const expr of expressionsOf(statement)) walkExpr(expr, visit);
  switch (statement.kind) {
    case "Assign":
      for (const target of statement.targets) walkExpr(target, visit);
      break;
    case "AugAssign":
    case "AnnAssign":
      walkExpr(statement.target, visit);
      break;
    case "Function":
      for (const expr of statement.decorators) walkExpr(expr, visit);
      for (const param of statement.params) if (param.default) walkExpr(param.default, visit);
      for (const inner of statement.body) walkWhole(inner, visit);
      break;
    case "Class":
      for (const expr of statement.decorators) walkExpr(expr, visit);
      for (const base of statement.bases) walkExpr(base.value, visit);
      for (const inner of statement.body) walkWhole(inner, visit);
      break;
  }
  for (const block of blocksOf(statement)) for (const inner of block) walkWhole(inner, visit);
}

/** The same of a statement at the top, which outlives the reading when its file is open. */
export const namesMentionedBy = memoized<Stmt, ReadonlySet<string>>(namesMentioned);

/** `resnet18`, `models.resnet18`. */
export function isDotted(expr: Expr): boolean {
  return expr.kind === "Name" || (expr.kind === "Attribute" && isDotted(expr.object));
}

/** The name an attribute, subscript or method call starts from: `parser` of `parser.add_argument(...)`. */
export function rootName(expr: Expr): string | undefined {
  switch (expr.kind) {
    case "Name":
      return expr.id;
    case "Attribute":
    case "Subscript":
      return rootName(expr.object);
    case "Call":
      return rootName(expr.callee);
    default:
      return undefined;
  }
}

/** Methods called in an expression: each may change what it is called on. */
export function methodCallsIn(expr: Expr): CallExpr[] {
  const calls: CallExpr[] = [];
  walkExpr(expr, (e) => {
    if (e.kind === "Call" && e.callee.kind === "Attribute") calls.push(e);
  });
  return calls;
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
