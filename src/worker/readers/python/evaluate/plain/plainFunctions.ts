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

/**
 * Functions of numbers alone, as columns of numbers call them: what one does with arguments that are floats or whole
 * numbers, and whether it gives floats. Undefined where the types of its results depend on more than those. It may
 * throw, whatever it likes: the function itself is asked then.
 */
export type NumberFunction = (
  floats: readonly boolean[],
) => { readonly fn: (a: number, b: number) => number; readonly float: boolean } | undefined;

const OF_NUMBERS = new WeakMap<object, NumberFunction>();

export function ofNumbers<T extends object>(callable: T, numbers: NumberFunction): T {
  OF_NUMBERS.set(callable, numbers);
  return callable;
}

export function numberFunctionOf(callable: Value): NumberFunction | undefined {
  return typeof callable === "object" && callable !== null ? OF_NUMBERS.get(callable) : undefined;
}
