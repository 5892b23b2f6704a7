import type { ClassStmt } from "../../syntax/ast";
import { expressionsOf, walkExpr, walkStatements } from "../../syntax/walk";
import { dictGet } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { PyDict, type Value } from "../../values/values";

/** Names that the class reads of its parameter: `config.width`, `config["width"]`, `self.config.width`. */
export function namesReadOf(node: ClassStmt, parameter: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const method of node.body) {
    if (method.kind !== "Function") continue;
    walkStatements(method.body, (statement) => {
      for (const expr of expressionsOf(statement)) {
        walkExpr(expr, (e) => {
          if (e.kind !== "Attribute" && e.kind !== "Subscript") return;
          const { object } = e;
          const isParameter =
            (object.kind === "Name" && object.id === parameter) ||
            (object.kind === "Attribute" && object.name === parameter);
          if (!isParameter) return;
          if (e.kind === "Attribute") found.add(e.name);
          else if (e.index.kind === "Constant" && typeof e.index.value === "string") found.add(e.index.value);
        });
      }
    });
  }
  return found;
}

/** Whether the value has at least half of the names, so that one it lacks is a mistake. */
export function answers(ev: Evaluator, value: Value, names: ReadonlySet<string>): boolean {
  const has = [...names].filter((name) =>
    value instanceof PyDict ? dictGet(value, name) !== undefined : ev.tryAttribute(value, name) !== undefined,
  );
  return has.length > 0 && 2 * has.length >= names.size;
}
