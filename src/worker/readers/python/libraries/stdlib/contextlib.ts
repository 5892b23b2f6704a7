import type { SourcePlace } from "../../../../graph/node";
import { endsThere } from "../../evaluate/exceptions";
import { PySuspended } from "../../evaluate/run/generators";
import type { Evaluator } from "../../values/evaluator";
import { native, nativeOfUnknown } from "../../values/native";
import { builtinClass, builtinClassOf, OBJECT, PyPartial } from "../../values/types";
import { Unknown } from "../../values/unknown";
import { PyClass, type PyDict, PyError, PyObject, PyTuple, type Value } from "../../values/values";
import { named, namespace } from "./namespace";

/** The module contextlib. https://docs.python.org/3/library/contextlib.html */

const NULL_CONTEXT = builtinClass("nullcontext", [OBJECT]);
NULL_CONTEXT.members.set(
  "__init__",
  nativeOfUnknown("nullcontext", "self, enter_result=None", ({ self, enter_result }) => {
    if (self instanceof PyObject) self.attributes.set("enter_result", enter_result!);
    return null;
  }),
);
NULL_CONTEXT.members.set(
  "__enter__",
  nativeOfUnknown("__enter__", "self", (args, ev) => ev.getAttribute(args.self!, "enter_result")),
);
NULL_CONTEXT.members.set(
  "__exit__",
  nativeOfUnknown("__exit__", "self, *details", () => null),
);

class PySuppress extends PyObject {
  /** The kinds of exceptions that it ends. */
  kinds: readonly Value[] = [];
}
const SUPPRESS = builtinClassOf("suppress", [OBJECT], PySuppress);
SUPPRESS.members.set(
  "__init__",
  nativeOfUnknown("suppress", "self, *exceptions", ({ self, exceptions }) => {
    if (self instanceof PySuppress && exceptions instanceof PyTuple) self.kinds = exceptions.items;
    return null;
  }),
);
SUPPRESS.members.set(
  "__enter__",
  nativeOfUnknown("__enter__", "self", () => null),
);
SUPPRESS.members.set(
  "__exit__",
  nativeOfUnknown("__exit__", "self, type, value, traceback", ({ self, type }) => {
    const kinds = self instanceof PySuppress ? self.kinds : [];
    return type instanceof PyClass && kinds.some((kind) => type.mro.includes(kind as PyClass));
  }),
);

// @contextmanager

const MANAGER = builtinClass("_GeneratorContextManager", [OBJECT]);

/** What a decorated generator function gives. */
class PyManager extends PyObject {
  constructor(
    place: SourcePlace | undefined,
    readonly frame: PySuspended,
    /** The call that made it, for use as a decorator. */
    readonly again: () => Value,
  ) {
    super(MANAGER, place);
  }
}

function manager(ev: Evaluator, fn: Value, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
  const frame = ev.call(fn, args, kwargs);
  if (frame instanceof Unknown) return frame;
  if (!(frame instanceof PySuspended))
    throw new PyError("TypeError", "a context manager's function must be a generator");
  return new PyManager(ev.place, frame, () => manager(ev, fn, args, kwargs));
}

function managerOf(self: Value | undefined): PyManager {
  if (!(self instanceof PyManager)) throw new PyError("TypeError", "this is not the context manager of a generator");
  return self;
}

MANAGER.members.set(
  "__enter__",
  native("__enter__", "self", ({ self }) => {
    const first = managerOf(self).frame.next();
    if (first.done) throw new PyError("RuntimeError", "generator didn't yield");
    return first.value;
  }),
);
MANAGER.members.set(
  "__exit__",
  nativeOfUnknown("__exit__", "self, type, value, traceback", ({ self, type, value }, ev) => {
    const { frame } = managerOf(self);
    if (type === null) {
      if (frame.next().done) return false;
      throw new PyError("RuntimeError", "generator didn't stop");
    }
    if (!(value instanceof PyObject)) return false;
    const restore = ev.mark();
    try {
      if (frame.throw(new PyError(value.type.name, "", ev.place, value)).done) return true;
    } catch (error) {
      // The generator let it through: it goes on from the `with` itself.
      if (!(error instanceof PyError) || error.value !== value) throw error;
      restore();
      return false;
    }
    throw new PyError("RuntimeError", "generator didn't stop after throw()");
  }),
);
MANAGER.members.set(
  "__call__",
  nativeOfUnknown("__call__", "self, func", ({ self, func }) => {
    const { again } = managerOf(self);
    return nativeOfUnknown("inner", "*args, **kwargs", ({ args, kwargs }, ev) =>
      within(ev, again(), () => ev.call(func!, (args as PyTuple).items, namesOf(kwargs))),
    );
  }),
);

const namesOf = (kwargs: Value | undefined): ReadonlyMap<string, Value> =>
  new Map([...(kwargs as PyDict).entries.values()].map((e) => [String(e.key), e.value]));

/** `with manager: body`. */
function within(ev: Evaluator, object: Value, body: () => Value): Value {
  ev.call(ev.getAttribute(object, "__enter__"), []);
  const exit = ev.getAttribute(object, "__exit__");
  const restore = ev.mark();
  let result: Value;
  try {
    result = body();
  } catch (thrown) {
    const error = ev.understood(thrown);
    if (!(error instanceof PyError)) throw error;
    restore();
    if (!endsThere(ev, exit, error)) throw error;
    return null;
  }
  ev.call(exit, [null, null, null]);
  return result;
}

// ExitStack

class PyExitStack extends PyObject {
  /** What is to be called at the end, the last first. */
  readonly exits: Value[] = [];
}
const EXIT_STACK = builtinClassOf("ExitStack", [OBJECT], PyExitStack);

function stackOf(self: Value | undefined): Value[] {
  if (!(self instanceof PyExitStack)) throw new PyError("TypeError", "this is not an ExitStack");
  return self.exits;
}

const ignoring = (callback: Value): Value =>
  nativeOfUnknown("callback", "type, value, traceback", (_args, ev) => {
    ev.call(callback, []);
    return false;
  });

for (const method of [
  native("__enter__", "self", ({ self }) => self!),
  nativeOfUnknown("enter_context", "self, cm", ({ self, cm }, ev) => {
    const value = ev.call(ev.getAttribute(cm!, "__enter__"), []);
    stackOf(self).push(ev.getAttribute(cm!, "__exit__"));
    return value;
  }),
  nativeOfUnknown("push", "self, exit", ({ self, exit }, ev) => {
    stackOf(self).push(ev.tryAttribute(exit!, "__exit__") ?? exit!);
    return exit!;
  }),
  nativeOfUnknown("callback", "self, callback, /, *args, **kwargs", ({ self, callback, args, kwargs }) => {
    stackOf(self).push(ignoring(new PyPartial(callback!, (args as PyTuple).items, namesOf(kwargs))));
    return callback!;
  }),
  nativeOfUnknown("close", "self", ({ self }, ev) => {
    for (const exit of stackOf(self).splice(0).reverse()) ev.call(exit, [null, null, null]);
    return null;
  }),
  nativeOfUnknown("__exit__", "self, type, value, traceback", ({ self, type, value }, ev) => {
    let pending: readonly Value[] = [type!, value!, null];
    for (const exit of stackOf(self).splice(0).reverse()) {
      if (ev.truthy(ev.call(exit, pending)) && type !== null) pending = [null, null, null];
    }
    return type !== null && pending[0] === null;
  }),
]) {
  EXIT_STACK.members.set(method.name, method);
}

export const CONTEXTLIB = namespace("contextlib", [
  ["nullcontext", NULL_CONTEXT],
  ["suppress", SUPPRESS],
  ["ExitStack", EXIT_STACK],
  ["ContextDecorator", builtinClass("ContextDecorator", [OBJECT])],
  ["AbstractContextManager", builtinClass("AbstractContextManager", [OBJECT])],
  ...named([
    nativeOfUnknown("contextmanager", "func", ({ func }) =>
      nativeOfUnknown("contextmanager", "*args, **kwargs", ({ args, kwargs }, ev) =>
        manager(ev, func!, (args as PyTuple).items, namesOf(kwargs)),
      ),
    ),
  ]),
]);
