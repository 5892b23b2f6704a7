import { assignedTargets } from "../../syntax/assigned";
import type { Expr, Stmt } from "../../syntax/ast";
import { blocksOf, expressionsOf, namesIn, rootName, walkExpr, walkStatements } from "../../syntax/walk";

/** Methods that change a module or a parameter, and nothing else does them. */
const CHANGES = /^(requires_grad_|add_module|register_module|register_parameter)$/;

/**
 * Names whose objects the loops in a statement change by way of their items: `for p in model.parameters():
 * p.requires_grad = False`, `for name, module in model.named_children(): setattr(model, name, ...)`.
 */
export function changedInLoops(statement: Stmt, into: Set<string>): void {
  if (statement.kind === "For") {
    const { target, iterable, body } = statement;
    const changed = changedIn(body);
    for (const name of changed) into.add(name);
    if ([...namesIn(target)].some((name) => changed.has(name))) namesIn(iterable, into);
  }
  for (const block of blocksOf(statement)) for (const inner of block) changedInLoops(inner, into);
}

function changedIn(body: readonly Stmt[]): Set<string> {
  const changed = new Set<string>();
  const add = (expr: Expr | undefined): void => {
    const name = expr && rootName(expr);
    if (name !== undefined) changed.add(name);
  };
  for (const target of assignedTargets(body)) if (target.kind === "Attribute") add(target);
  walkStatements(body, (statement) => {
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        if (e.kind !== "Call") return;
        const { callee, args } = e;
        if (callee.kind === "Attribute" && CHANGES.test(callee.name)) add(callee);
        if (callee.kind === "Name" && callee.id === "setattr") add(args[0]?.value);
      });
    }
  });
  return changed;
}
