import type { SourcePlace } from "../../../../graph/node";
import type { Evaluator } from "../../values/evaluator";
import { nativeOfUnknown } from "../../values/native";
import { builtinClass, OBJECT } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { type PyDict, PyNamespace, PyObject, type PyTuple, type Value } from "../../values/values";
import { namespace } from "./namespace";

/**
 * unittest.mock.patch: for as long as a `with` lasts, a call, or from start() to stop(), a name of a module or of an
 * object stands for something else. https://docs.python.org/3/library/unittest.mock.html#the-patchers
 */

interface Patcher {
  readonly target: (ev: Evaluator) => Value;
  readonly name: string;
  readonly replacement: Value;
  /** What the name stood for. */
  before?: Value;
}

const PATCHER = builtinClass("_patch", [OBJECT]);

class PyPatcher extends PyObject {
  constructor(
    place: SourcePlace | undefined,
    readonly patcher: Patcher,
  ) {
    super(PATCHER, place);
  }
}

/** Stands for an argument that is left out. */
const DEFAULT = new Unknown("a mock replaces it");

function enter(ev: Evaluator, self: Value | undefined): Value {
  const patcher = patcherOf(self);
  if (!patcher) return null;
  const target = patcher.target(ev);
  if (target instanceof Unknown) {
    ev.certainly(`the target of patch() is unknown here (${target.reason}); models are read without the replacement`);
    return patcher.replacement;
  }
  patcher.before = ev.getAttribute(target, patcher.name);
  ev.setAttribute(target, patcher.name, patcher.replacement);
  return patcher.replacement;
}

function exit(ev: Evaluator, self: Value | undefined): void {
  const patcher = patcherOf(self);
  if (patcher?.before === undefined) return;
  ev.setAttribute(patcher.target(ev), patcher.name, patcher.before);
  delete patcher.before;
}

function patcherOf(self: Value | undefined): Patcher | undefined {
  return self instanceof PyPatcher ? self.patcher : undefined;
}

for (const method of [
  ...["__enter__", "start"].map((name) => nativeOfUnknown(name, "self", ({ self }, ev) => enter(ev, self))),
  nativeOfUnknown("__exit__", "self, *details", ({ self }, ev) => {
    exit(ev, self);
    return false;
  }),
  nativeOfUnknown("stop", "self", ({ self }, ev) => {
    exit(ev, self);
    return null;
  }),
  nativeOfUnknown("__call__", "self, func", ({ self, func }) =>
    nativeOfUnknown("patched", "*args, **kwargs", ({ args, kwargs }, ev) => {
      const replacement = enter(ev, self);
      const given = (args as PyTuple).items;
      const named = [...(kwargs as PyDict).entries.values()].map((e): [string, Value] => [String(e.key), e.value]);
      // Where no replacement is given, the function gets the mock.
      const all = replacement === DEFAULT ? [...given, replacement] : given;
      const result = ev.call(func!, all, new Map(named));
      exit(ev, self);
      return result;
    }),
  ),
])
  PATCHER.members.set(method.name, method);

/** What a dotted name leads to: modules as far as they go, attributes after that. */
function found(ev: Evaluator, name: string): Value {
  const parts = name.split(".");
  for (let length = parts.length; length > 0; length--) {
    const module = ev.resolveImport(parts.slice(0, length).join("."));
    if (!(module instanceof PyNamespace)) continue;
    return parts.slice(length).reduce<Value>((value, part) => ev.getAttribute(value, part), module);
  }
  return new Unknown(`the module of ${name} was not followed`, ev.place);
}

const PATCH = builtinClass("patch", [OBJECT]);
for (const method of [
  nativeOfUnknown("__call__", "self, target, new=None, *args, **kwargs", (args, ev) => {
    const { target } = args;
    if (typeof target !== "string") return new Unknown("the target of patch() is not known", ev.place);
    const dot = target.lastIndexOf(".");
    return new PyPatcher(ev.place, {
      target: (now) => found(now, target.slice(0, Math.max(0, dot))),
      name: target.slice(dot + 1),
      replacement: args.new ?? DEFAULT,
    });
  }),
  nativeOfUnknown("object", "self, target, attribute, new=None, *args, **kwargs", (args, ev) => {
    const { target, attribute } = args;
    return new PyPatcher(ev.place, {
      target: () => target!,
      name: String(attribute),
      replacement: args.new ?? DEFAULT,
    });
  }),
  ...["dict", "multiple"].map((name) =>
    nativeOfUnknown(name, "self, *args, **kwargs", (_args, ev) => {
      ev.certainly(`patch.${name} is not followed; models are read without the replacement`);
      return new PyObject(PATCHER, ev.place);
    }),
  ),
])
  PATCH.members.set(method.name, method);

const MOCK = namespace("unittest.mock", [["patch", new PyObject(PATCH, undefined)]]);

export const UNITTEST: readonly PyNamespace[] = [namespace("unittest", [["mock", MOCK]]), MOCK];
