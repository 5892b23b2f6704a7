import { builtinClass } from "../../../values/types";
import { PyDict, PyNamespace, PyNative, PyObject, PyTuple, type Value } from "../../../values/values";
import { torchFunctions } from "../registry/table";

/** What namespaces are made of. */

export function namespace(name: string, members: Iterable<readonly [string, Value]>): PyNamespace {
  return new PyNamespace(name, new Map(members));
}

/** Functions of torch under their names, those that are known. */
export function picked(...names: readonly string[]): (readonly [string, Value])[] {
  return names.flatMap((name) => {
    const entry = torchFunctions.get(name);
    return entry ? [[name, entry] as const] : [];
  });
}

/** Functions that keep what they are given: torch.compile, torch.jit.script, autocast and no_grad as decorators. */
export const identity = (name: string): PyNative =>
  new PyNative(
    name,
    "obj=None, *args, **kwargs",
    (args) => args.obj ?? new PyNative(name, "obj", (inner) => inner.obj ?? null),
  );

/** A context manager without effect, also usable as a decorator: `with torch.no_grad()`, `@torch.no_grad()`. */
export function transparent(name: string): PyNative {
  const type = builtinClass(name, []);
  type.members.set("__enter__", new PyNative("__enter__", "self", (args) => args.self ?? null));
  type.members.set("__exit__", new PyNative("__exit__", "self, *args", () => false));
  type.members.set("__call__", new PyNative("__call__", "self, function", (args) => args.function ?? null));
  return new PyNative(name, "*args, **kwargs", (args, runtime) => {
    const first = args.args instanceof PyTuple ? args.args.items[0] : undefined;
    if (name === "autocast" && args.kwargs instanceof PyDict && autocasts(args.kwargs)) {
      runtime.problem("autocast: its half-precision operations are computed in float32 here", "information");
    }
    const called = first !== undefined && first !== null && typeof first === "object" && "definition" in first;
    return called ? first : new PyObject(type, runtime.place);
  });
}

function autocasts(kwargs: PyDict): boolean {
  return ![...kwargs.entries.values()].some(({ key, value }) => key === "enabled" && value === false);
}
