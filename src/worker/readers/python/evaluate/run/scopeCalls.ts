import type { CallExpr } from "../../syntax/ast";
import { dictSet } from "../../values/equality";
import type { Evaluator } from "../../values/evaluator";
import { liveDict } from "../../values/liveDict";
import { Unknown } from "../../values/unknown";
import { PyDict, PyNative, type Value } from "../../values/values";
import { isScopeCall, openName } from "../openNames";
import type { Scope } from "../scope";

/** `locals()`, `globals()`, `vars()` and `exec(...)` need the scope of the call. */
export function scopeCall(
  ev: Evaluator,
  scope: Scope,
  call: CallExpr,
  callee: Value,
  args: readonly Value[],
): Value | undefined {
  const { callee: expr } = call;
  if (expr.kind !== "Name" || !(callee instanceof PyNative)) return undefined;
  if (expr.id === "exec") return ev.execute(scope, call, args);
  if (!isScopeCall(call)) return undefined;
  ev.alike.forget();
  const { module, enclosing } = scope;
  if (expr.id !== "globals" && enclosing !== module) {
    const dict = new PyDict();
    for (const [name, value] of enclosing.names) dictSet(dict, name, value);
    return dict;
  }
  // What is stored in it is a name of the module.
  ev.followed.add(call);
  module.live ??= liveDict(module.names, () => true, {
    opened: (why) => {
      module.unfollowed ??= new Unknown(`it may be stored in globals() under a name that is not known: ${why.reason}`);
    },
    missing: (name) => openName(ev, scope, name),
  });
  return module.live;
}
