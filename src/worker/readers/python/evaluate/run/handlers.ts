import type { Stmt, TryStmt } from "../../syntax/ast";
import type { Evaluator } from "../../values/evaluator";
import { type PyError, PyTuple } from "../../values/values";
import { classOfError, errorValue } from "../exceptions";
import type { Scope } from "../scope";
import { evaluate } from "./expressions";

/** What `except` does, in a body that runs through and in one that stands still at its yields. */

interface Handling {
  readonly body: readonly Stmt[];
  /** Forgets the exception, however the body ends. */
  end(): void;
}

/** What the handler that takes the exception does, the exception's name bound. */
export function handlingOf(ev: Evaluator, scope: Scope, statement: TryStmt, error: PyError): Handling | undefined {
  const type = classOfError(ev, error);
  for (const handler of statement.handlers) {
    if (handler.type) {
      const wanted = evaluate(ev, scope, handler.type);
      const options = wanted instanceof PyTuple ? wanted.items : [wanted];
      // An exception class that is not known, from an import that was not followed, is not the one we raised.
      if (!options.some((option) => type.mro.includes(option as typeof type))) continue;
    }
    const value = errorValue(ev, error);
    const outer = scope.names.get("*handled");
    scope.names.set("*handled", value);
    const { body, name } = handler;
    if (name) scope.assign(name, value);
    const end = () => {
      if (outer === undefined) scope.names.delete("*handled");
      else scope.names.set("*handled", outer);
      if (name) scope.delete(name);
    };
    return { body, end };
  }
  return undefined;
}
