import { nativeOfUnknown } from "../native";
import { builtinClass, OBJECT } from "../types";
import { PyClass, PyObject, PyTuple } from "../values";
import { namespace } from "./namespace";

/** Of the module contextlib: the context managers that need no generator. */

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

const SUPPRESS = builtinClass("suppress", [OBJECT]);
const suppressed = new WeakMap<PyObject, PyTuple>();
SUPPRESS.members.set(
  "__init__",
  nativeOfUnknown("suppress", "self, *exceptions", ({ self, exceptions }) => {
    if (self instanceof PyObject && exceptions instanceof PyTuple) suppressed.set(self, exceptions);
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
    const kinds = self instanceof PyObject ? suppressed.get(self) : undefined;
    return type instanceof PyClass && (kinds?.items.some((kind) => type.mro.includes(kind as PyClass)) ?? false);
  }),
);

export const CONTEXTLIB = namespace("contextlib", [
  ["nullcontext", NULL_CONTEXT],
  ["suppress", SUPPRESS],
]);
