import type { ImportName } from "../syntax/ast";
import type { Evaluator, NotFollowed } from "../values/evaluator";
import { Unfound, Unimported, Unknown } from "../values/unknown";
import { LazyNamespace, PyError, PyNamespace, type Value } from "../values/values";
import type { Scope } from "./scope";

/** The value of a name whose import could not be followed. Code that handles the failure gets Python's exception. */
function notFollowed(ev: Evaluator, module: string, what: string, { why, absent, unfound }: NotFollowed): Unknown {
  if (absent && ev.importErrors > 0) throw new PyError("ModuleNotFoundError", `No module named '${module}'`);
  const reason = `the import of ${what} was not followed${why && `: ${why}`}`;
  return unfound ? new Unfound(reason, ev.place, why) : new Unimported(reason, ev.place);
}

/** `import a.b.c [as d]`. */
export function importModule(ev: Evaluator, scope: Scope, name: string, alias: string | undefined): void {
  const top = name.split(".")[0]!;
  const wanted = alias ? name : top;
  const found = ev.resolveImport(wanted, scope);
  // What lies below is imported for what its code does.
  if (wanted !== name) ev.resolveImport(name, scope);
  scope.assign(alias ?? top, found instanceof PyNamespace ? found : notFollowed(ev, wanted, wanted, found));
}

/** `from module import names`. */
export function importNames(
  ev: Evaluator,
  scope: Scope,
  module: string,
  names: readonly ImportName[],
  wildcard: boolean,
): void {
  const namespace = ev.resolveImport(module, scope);
  if (wildcard) importAll(ev, scope, module, namespace);
  for (const { name, alias } of names) scope.assign(alias ?? name, importedName(ev, scope, namespace, module, name));
}

function importAll(ev: Evaluator, scope: Scope, module: string, namespace: PyNamespace | NotFollowed): void {
  if (!(namespace instanceof PyNamespace)) {
    const { why } = namespace;
    scope.module.unfollowed ??= new Unknown(
      `it may be one of "from ${module} import *", which was not followed${why && `: ${why}`}`,
      ev.place,
    );
    ev.problem(
      `the names of "from ${module} import *" are not known: ${module} was not followed${why && `: ${why}`}`,
      "information",
    );
  } else if (namespace instanceof LazyNamespace) {
    // Its names are looked up when they are used, so that nothing else of the module is evaluated.
    const own = scope.module;
    const earlier = own.lazy ?? ((name) => own.names.get(name));
    const { overlay } = ev.patches;
    own.lazy = (name) => earlier(name) ?? ev.patches.at(overlay, () => namespace.exported(name));
    own.starred ??= [];
    own.starred.push(namespace);
  } else {
    for (const [name, value] of namespace.members)
      if (!name.startsWith("_")) scope.assign(name, ev.patches.get(namespace, name) ?? value);
  }
}

function importedName(
  ev: Evaluator,
  scope: Scope,
  namespace: PyNamespace | NotFollowed,
  module: string,
  name: string,
): Value {
  if (!(namespace instanceof PyNamespace)) return notFollowed(ev, module, `${name} from ${module}`, namespace);
  const member = ev.patches.get(namespace, name) ?? namespace.get(name);
  if (member !== undefined) return member;
  const full = module.endsWith(".") ? `${module}${name}` : `${module}.${name}`;
  const below = ev.resolveImport(full, scope);
  if (below instanceof PyNamespace) return below;
  const unlisted = namespace instanceof LazyNamespace ? namespace.unlisted(name) : undefined;
  if (unlisted) return unlisted;
  if (namespace instanceof LazyNamespace && ev.importErrors > 0)
    throw new PyError("ImportError", `cannot import name '${name}' from '${module}'`);
  return new Unknown(`${full} is not known to the reader`, ev.place);
}
