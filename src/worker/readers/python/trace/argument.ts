import type { InputSpec } from "../../inputSpec";
import type { Value } from "../values/values";

/** What is given to a parameter of `forward`. */

/** A tensor is described by its InputSpec, a tuple or list of them by its items; any other argument is passed as it is. */
export type Argument =
  | InputSpec
  | { readonly items: readonly Argument[]; readonly type: "tuple" | "list" }
  | { readonly constant: Value };

/** The tensors of an argument. */
export function specsOf(argument: Argument): readonly InputSpec[] {
  if ("shape" in argument) return [argument];
  return "items" in argument ? argument.items.flatMap(specsOf) : [];
}

/** The argument with its tensors changed. */
export function mapSpecs(argument: Argument, change: (spec: InputSpec) => InputSpec): Argument {
  if ("shape" in argument) return change(argument);
  return "items" in argument ? { ...argument, items: argument.items.map((item) => mapSpecs(item, change)) } : argument;
}
