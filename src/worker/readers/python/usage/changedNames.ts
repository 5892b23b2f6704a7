import { assignedTargets } from "../syntax/assigned";
import type { Stmt } from "../syntax/ast";
import { expressionsOf, rootName, walkExpr, walkStatements } from "../syntax/walk";

/** Methods of a module by which its parts are gone through, or changed. */
const WALKS = /^(named_)?(parameters|modules|children)$/;
const CHANGES = /^(requires_grad_|add_module|register_module|register_parameter|append|insert|extend|pop|apply)$/;
/** How functions are called that change the model they are given. */
export const CHANGERS =
  /lora|adapt|freez|replace|inject|wrap|patch|convert|quant|prun|swap|trainable|head|setattr|delattr/i;

/**
 * Names whose modules a block seems to change after they are made: a part is assigned to, a loop goes through the parts,
 * or a function is given the module whose name says that it changes it. Training and printing leave a module as it is.
 */
export function changedNames(block: readonly Stmt[]): Set<string> {
  const changed = new Set<string>();
  const add = (name: string | undefined): void => {
    if (name !== undefined) changed.add(name);
  };
  for (const target of assignedTargets(block)) if (target.kind === "Attribute") add(rootName(target));
  walkStatements(block, (statement) => {
    for (const expr of expressionsOf(statement)) {
      walkExpr(expr, (e) => {
        if (e.kind !== "Call") return;
        const { callee, args } = e;
        const isLoop = statement.kind === "For" && statement.iterable === expr;
        if (callee.kind === "Attribute" && (CHANGES.test(callee.name) || (isLoop && WALKS.test(callee.name))))
          add(rootName(callee));
        const name = callee.kind === "Name" ? callee.id : callee.kind === "Attribute" ? callee.name : "";
        if (CHANGERS.test(name)) for (const { value } of args) add(rootName(value));
      });
    }
  });
  return changed;
}
