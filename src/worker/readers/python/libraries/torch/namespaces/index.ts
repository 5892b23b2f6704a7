import "../functions";
import "../layers";
import "../module/moduleMethods";
import "../module/stateDict";
import { PyNamespace } from "../../../values/values";
import { EINOPS_MODULES } from "../../einops/einops";
import { FAIRSCALE_MODULES } from "../../fairscale";
import { makeTorch } from "./torch";

/** The importable modules of torch, and of what is made of its layers, by dotted name. */

/** One object a module, as Python's sys.modules holds them. */
export const TORCH_MODULES: ReadonlyMap<string, PyNamespace> = new Map(
  [...within(makeTorch()), ...EINOPS_MODULES, ...FAIRSCALE_MODULES].map((m) => [m.name, m]),
);

/** The namespace and those in it that go by its name: all that stand in it can be imported. */
function* within(space: PyNamespace): Generator<PyNamespace> {
  yield space;
  for (const member of space.members.values())
    if (member instanceof PyNamespace && member.name.startsWith(`${space.name}.`)) yield* within(member);
}
