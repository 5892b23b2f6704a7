import { memoized } from "../../../memoized";
import { assignedTargets } from "../../syntax/assigned";
import type { Expr, Param, Stmt } from "../../syntax/ast";
import { blocksOf, rootName } from "../../syntax/walk";

/**
 * Statements that may assign to a name of an imported module: `lit.model.Attention = LoRAAttention`, `setattr(nn,
 * "Linear", LoRALinear)`, `apply_patches()`. No name that a block uses leads to them.
 */

/** How functions are called that replace what is in modules. */
const PATCHERS = /patch|hijack|monkey|replace|override|inject|swap/i;

export function isPatcher(name: string): boolean {
  return PATCHERS.test(name);
}

/** The block's own; those in functions and classes are not run with it. */
export function patchStatements(body: readonly Stmt[], params = NO_PARAMS): ReadonlySet<Stmt> {
  return patchesOf(body)(params);
}

const NO_PARAMS: readonly Param[] = [];
/** A block that stays is the same object after each keystroke, and so are its function's parameters. */
const patchesOf = memoized((body: readonly Stmt[]) =>
  memoized((params: readonly Param[]) => findPatches(body, params)),
);

function findPatches(body: readonly Stmt[], params: readonly Param[]): ReadonlySet<Stmt> {
  const local = new Set(params.map(({ name }) => name));
  const imported = new Set<string>();
  const note = (statements: readonly Stmt[]): void => {
    for (const statement of statements) {
      for (const target of statement.kind === "Import" || statement.kind === "ImportFrom"
        ? assignedTargets([statement])
        : [])
        if (target.kind === "Name") imported.add(target.id);
      for (const block of blocksOf(statement)) note(block);
    }
  };
  note(body);
  for (const target of assignedTargets(body))
    if (target.kind === "Name" && !imported.has(target.id)) local.add(target.id);
  return new Set(body.filter((statement) => isPatch(statement, local)));
}

/** @param local names of the block itself. */
export function isPatch(statement: Stmt, local: ReadonlySet<string>): boolean {
  const isOutside = (expr: Expr | undefined): boolean => {
    const root = expr && rootName(expr);
    return root !== undefined && !local.has(root);
  };
  switch (statement.kind) {
    case "Assign":
      return statement.targets.some((target) => isDotted(target) && isOutside(target));
    case "Expr": {
      const call = statement.value;
      if (call.kind !== "Call") return false;
      const { callee, args } = call;
      if (callee.kind === "Name" && callee.id === "setattr") return isOutside(args[0]?.value);
      const name = callee.kind === "Name" ? callee.id : callee.kind === "Attribute" ? callee.name : "";
      return isPatcher(name) && isOutside(callee);
    }
    case "If":
    case "Try":
      return blocksOf(statement).some((block) => block.some((inner) => isPatch(inner, local)));
    default:
      return false;
  }
}

function isDotted(expr: Expr): boolean {
  return expr.kind === "Attribute" && (expr.object.kind === "Name" || isDotted(expr.object));
}
