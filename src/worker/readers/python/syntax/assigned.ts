import type { Expr, Pattern, Stmt } from "./ast";

/**
 * Everything a block may assign or change: names, attributes such as `self.fc`, and names it defines or imports. What is
 * changed by another name, `entry = table[i]; entry[key] = value`, is changed, too.
 */
export function assignedTargets(block: readonly Stmt[]): Expr[] {
  const targets: Expr[] = [];
  /** Names whose objects the block changes, and the values that the block gives the names. */
  const changed = new Set<string>();
  const sources = new Map<string, Expr[]>();
  const change = (object: Expr): void => {
    if (object.kind === "Name") changed.add(object.id);
    target(object);
  };
  const alias = (to: Expr, value: Expr): void => {
    if (to.kind !== "Name") return;
    const known = sources.get(to.id);
    if (known) known.push(value);
    else sources.set(to.id, [value]);
  };
  const name = (id: string, at: Stmt): void => {
    targets.push({ kind: "Name", id, start: at.start, end: at.end });
  };
  const target = (expr: Expr): void => {
    if (expr.kind === "Tuple" || expr.kind === "List") expr.items.forEach(target);
    else if (expr.kind === "Starred") target(expr.value);
    else if (expr.kind === "Subscript") change(expr.object);
    else if (expr.kind === "Name" || expr.kind === "Attribute") targets.push(expr);
  };
  const pattern = (p: Pattern, at: Stmt): void => {
    if (p.kind === "capture") name(p.name, at);
    else if (p.kind === "star") {
      if (p.name) name(p.name, at);
    } else if (p.kind === "mapping") {
      for (const entry of p.entries) pattern(entry.pattern, at);
      if (p.rest) name(p.rest, at);
    } else if (p.kind === "class") {
      for (const inner of [...p.positional, ...p.named.map((n) => n.pattern)]) pattern(inner, at);
    } else if (p.kind === "as") {
      name(p.name, at);
      pattern(p.pattern, at);
    } else if (p.kind === "sequence") for (const item of p.items) pattern(item, at);
    else if (p.kind === "or") for (const option of p.options) pattern(option, at);
  };
  const visit = (statements: readonly Stmt[]): void => {
    for (const s of statements) {
      switch (s.kind) {
        case "Assign":
          for (const to of s.targets) {
            target(to);
            alias(to, s.value);
          }
          break;
        case "AnnAssign":
          if (s.value) target(s.target);
          break;
        case "AugAssign":
          target(s.target);
          break;
        case "Expr":
          mutated(s.value, change);
          break;
        case "If":
          visit(s.body);
          visit(s.otherwise);
          break;
        case "For":
          target(s.target);
          alias(s.target, s.iterable);
          visit(s.body);
          visit(s.otherwise);
          break;
        case "While":
          visit(s.body);
          visit(s.otherwise);
          break;
        case "With":
          for (const item of s.items) if (item.target) target(item.target);
          visit(s.body);
          break;
        case "Try":
          visit(s.body);
          for (const handler of s.handlers) visit(handler.body);
          visit(s.otherwise);
          visit(s.finalizer);
          break;
        case "Match":
          for (const c of s.cases) {
            pattern(c.pattern, s);
            visit(c.body);
          }
          break;
        case "Function":
        case "Class":
          name(s.name, s);
          break;
        case "Import":
          for (const n of s.names) name(n.alias ?? n.name.split(".")[0]!, s);
          break;
        case "ImportFrom":
          for (const n of s.names) name(n.alias ?? n.name, s);
          break;
      }
    }
  };
  visit(block);
  for (const name of changed) for (const source of sources.get(name) ?? []) partly(source, change);
  return targets;
}

/** What an expression gives a part of, itself included: `table` of `table[i]`. */
function partly(expr: Expr, found: (object: Expr) => void): void {
  if (expr.kind === "Name" || expr.kind === "Attribute") found(expr);
  else if (expr.kind === "Subscript") partly(expr.object, found);
  else if (expr.kind === "Call" && expr.callee.kind === "Attribute" && PARTS.has(expr.callee.name))
    partly(expr.callee.object, found);
}

const PARTS = new Set(["get", "setdefault", "values", "items"]);

const MUTATORS = new Set(["append", "extend", "insert", "add", "update", "pop", "remove", "clear", "setdefault"]);

/**
 * `layers.append(...)` changes what `layers` is as much as an assignment does, and so does `x.add_(...)`, whose name
 * ends as those of torch's in-place methods do.
 */
function mutated(expr: Expr, change: (object: Expr) => void): void {
  if (expr.kind !== "Call") return;
  for (const { name, value } of expr.args) if (name === "out") change(value);
  if (expr.callee.kind !== "Attribute") return;
  const { name, object } = expr.callee;
  if (MUTATORS.has(name) || /[^_]_$/.test(name)) change(object);
}

/** Whether a block may leave the loop or the function around it. */
export function leaves(block: readonly Stmt[]): { loop: boolean; function: boolean } {
  let loop = false;
  let fn = false;
  const visit = (statements: readonly Stmt[], inLoop: boolean): void => {
    for (const s of statements) {
      switch (s.kind) {
        case "Break":
        case "Continue":
          loop ||= !inLoop;
          break;
        case "Return":
          fn = true;
          break;
        case "If":
          visit(s.body, inLoop);
          visit(s.otherwise, inLoop);
          break;
        case "For":
        case "While":
          visit(s.body, true);
          visit(s.otherwise, inLoop);
          break;
        case "With":
          visit(s.body, inLoop);
          break;
        case "Try":
          for (const b of [s.body, s.otherwise, s.finalizer, ...s.handlers.map((h) => h.body)]) visit(b, inLoop);
          break;
        case "Match":
          for (const c of s.cases) visit(c.body, inLoop);
          break;
      }
    }
  };
  visit(block, false);
  return { loop, function: fn };
}
