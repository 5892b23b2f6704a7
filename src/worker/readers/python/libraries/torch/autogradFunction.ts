import { builtinClass, OBJECT, PyWrapped } from "../../values/types";
import {
  PyClass,
  PyFunction,
  PyNamespace,
  PyNative,
  PyObject,
  PyTuple,
  type Runtime,
  type Value,
} from "../../values/values";

/**
 * `torch.autograd.Function`: what its forward computes. Its backward is not read, training takes the derivative of
 * forward; most such functions only save memory. One that is meant to differ, a straight-through estimator, does.
 */

/** What forward is given to keep values for backward. */
const CONTEXT = builtinClass("FunctionCtx", [OBJECT]);
for (const name of [
  "save_for_backward",
  "save_for_forward",
  "mark_dirty",
  "mark_non_differentiable",
  "set_materialize_grads",
])
  CONTEXT.members.set(name, new PyNative(name, "self, *args", () => null));

const FUNCTION = builtinClass("Function", [OBJECT]);
FUNCTION.members.set(
  "apply",
  new PyWrapped(
    "class",
    new PyNative("apply", "cls, *args", ({ cls, args }, runtime) => {
      const given = args instanceof PyTuple ? args.items : [];
      if (runtime.tracing && cls instanceof PyClass) tell(cls, runtime);
      const forward = runtime.getAttribute(cls!, "forward");
      // With a setup_context of its own, forward gets the arguments alone.
      const own = cls instanceof PyClass && cls.members.get("setup_context") instanceof PyWrapped;
      if (own) return runtime.call(forward, given);
      const context = new PyObject(CONTEXT, runtime.place);
      context.attributes.set("needs_input_grad", new PyTuple(given.map(() => true)));
      return runtime.call(forward, [context, ...given]);
    }),
  ),
);

function tell(cls: PyClass, runtime: Runtime): void {
  const backward = cls.members.get("backward");
  if (!(backward instanceof PyWrapped || backward instanceof PyFunction)) return;
  runtime.problem(
    `the backward of ${cls.name} is not read: training differentiates its forward instead`,
    "information",
  );
}

/** `torch.autograd`, and `torch.autograd.function` that a class may be taken from. */
export function autogradModules(): PyNamespace[] {
  const members: readonly (readonly [string, Value])[] = [["Function", FUNCTION]];
  const once = ["once_differentiable", new PyNative("once_differentiable", "fn", ({ fn }) => fn!)] as const;
  return [
    new PyNamespace("torch.autograd", new Map(members)),
    new PyNamespace("torch.autograd.function", new Map<string, Value>([...members, once])),
  ];
}
