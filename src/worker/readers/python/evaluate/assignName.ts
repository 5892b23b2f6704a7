import type { Evaluator } from "../values/evaluator";
import { Unknown } from "../values/unknown";
import { LazyNamespace, type PyClass, type PyNamespace, type Value } from "../values/values";
import { isCode } from "./patches";

/** `module.name = value`, and `nn.Linear.forward = value`: what is made afterwards has it, in this reading alone. */

/** Modules whose functions torch's own layers call. */
const CALLED_BY_LAYERS = new Set(["torch.nn.functional", "torch.nn.init"]);

export function assignName(ev: Evaluator, module: PyNamespace, name: string, value: Value): void {
  const full = `${module.name}.${name}`;
  const before = ev.patches.get(module, name) ?? module.get(name);
  if (value instanceof Unknown && before !== undefined && !(before instanceof Unknown)) {
    // To lose all that uses the name would say less than to keep it and to say so.
    if (isCode(before))
      ev.certainly(
        `${full} is replaced here by an unknown value (${value.reason}); models are read without the replacement`,
      );
    return;
  }
  if (isCode(before)) ev.patches.replaced++;
  if (isCode(before) && CALLED_BY_LAYERS.has(module.name))
    ev.certainly(
      `${full} is replaced here: the code that is read uses the replacement, but PyTorch's own layers do not`,
    );
  const own = module instanceof LazyNamespace ? module.ownNames() : undefined;
  if (own) ev.patches.change(own, name, value);
  else ev.patches.set(module, name, value);
}

/** Of a class that is not of the source. */
export function assignMember(ev: Evaluator, type: PyClass, name: string, value: Value): void {
  const isFollowed =
    ev.isModuleType(type) && (name === "__init__" || !name.startsWith("__")) && !(value instanceof Unknown);
  if (!isFollowed) {
    const why = value instanceof Unknown ? `: ${value.reason}` : "";
    ev.certainly(
      `${type.name}.${name} is replaced here, which is not followed${why}; models are read without the replacement`,
    );
    return;
  }
  ev.patches.replaced++;
  ev.patches.set(type, name, value);
}
