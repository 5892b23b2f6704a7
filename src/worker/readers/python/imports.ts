import type { ImportName } from "./ast";
import type { Evaluator } from "./evaluator";
import type { Scope } from "./scope";
import { type PyNamespace, Unknown, type Value } from "./values";

function notFollowed(ev: Evaluator, name: string): Unknown {
  return new Unknown(`the import of ${name} was not followed`, ev.place);
}

/** `import a.b.c [as d]`. */
export function importModule(ev: Evaluator, scope: Scope, name: string, alias: string | undefined): void {
  const top = name.split(".")[0]!;
  scope.assign(alias ?? top, ev.resolveImport(alias ? name : top) ?? notFollowed(ev, name));
}

/** `from module import names`. */
export function importNames(
  ev: Evaluator,
  scope: Scope,
  module: string,
  names: readonly ImportName[],
  wildcard: boolean,
): void {
  const namespace = ev.resolveImport(module);
  if (wildcard) {
    if (namespace) {
      for (const [name, value] of namespace.members) if (!name.startsWith("_")) scope.assign(name, value);
    } else
      ev.problem(`the names of "from ${module} import *" are not known: ${module} was not followed`, "information");
  }
  for (const { name, alias } of names) scope.assign(alias ?? name, importedName(ev, namespace, module, name));
}

function importedName(ev: Evaluator, namespace: PyNamespace | undefined, module: string, name: string): Value {
  if (!namespace) return notFollowed(ev, `${name} from ${module}`);
  return (
    namespace.members.get(name) ??
    ev.resolveImport(`${module}.${name}`) ??
    new Unknown(`${module}.${name} is not known to the reader`, ev.place)
  );
}
