import { compareValues } from "../../evaluate/objects/comparisons";
import { isNotImplemented } from "../../evaluate/objects/operators";
import { evaluatorOf, nativeOfUnknown } from "../../values/native";
import { Unknown } from "../../values/unknown";
import { PyClass, PyError, PyNative, type Value } from "../../values/values";

type Derive = (holds: boolean, same: () => boolean) => boolean;

/** For the one comparison a class defines, in functools' order of preference: what the other three follow from. */
const DERIVED: readonly (readonly [root: string, others: Record<string, Derive>])[] = [
  ["__lt__", { __gt__: (lt, eq) => !lt && !eq(), __le__: (lt, eq) => lt || eq(), __ge__: (lt) => !lt }],
  ["__le__", { __ge__: (le, eq) => !le || eq(), __lt__: (le, eq) => le && !eq(), __gt__: (le) => !le }],
  ["__gt__", { __lt__: (gt, eq) => !gt && !eq(), __ge__: (gt, eq) => gt || eq(), __le__: (gt) => !gt }],
  ["__ge__", { __le__: (ge, eq) => !ge || eq(), __gt__: (ge, eq) => ge && !eq(), __lt__: (ge) => !ge }],
];

/** functools.total_ordering. */
export const TOTAL_ORDERING = nativeOfUnknown("total_ordering", "cls", ({ cls }) => {
  if (!(cls instanceof PyClass)) return cls!;
  const defined = (name: string): boolean => cls.mro.some((t) => t.members.has(name));
  const chosen = DERIVED.find(([root]) => defined(root));
  if (!chosen) throw new PyError("ValueError", "must define at least one ordering operation: < > <= >=");
  const [root, others] = chosen;
  for (const [name, derive] of Object.entries(others)) {
    if (defined(name)) continue;
    cls.members.set(
      name,
      new PyNative(name, "self, other", ({ self, other }, runtime): Value => {
        const ev = evaluatorOf(runtime);
        const result = ev.call(ev.getAttribute(self!, root), [other!]);
        if (isNotImplemented(result) || result instanceof Unknown) return result;
        return derive(ev.truthy(result), () => ev.truthy(compareValues(ev, "==", self!, other!)));
      }),
    );
  }
  return cls;
});
