import type { Value } from "../../values/values";

/**
 * Functions of ours as plain loops call them: on numbers, strings and containers of them. Undefined is for any other
 * arguments, which the function itself has to see.
 */
export type PlainFunction = (args: readonly Value[]) => Value | undefined;

const PLAIN = new WeakMap<object, PlainFunction>();

export function plainly<T extends object>(callable: T, plain: PlainFunction): T {
  PLAIN.set(callable, plain);
  return callable;
}

export function plainFunctionOf(callable: Value): PlainFunction | undefined {
  return typeof callable === "object" && callable !== null ? PLAIN.get(callable) : undefined;
}
