import type { ReadLimits } from "../../model";

/** Limits of a reading, so that no file can block the reader. */

export const DEFAULT_LIMITS: ReadLimits = { steps: 5_000_000, depth: 200 };
/** Elements of one list, characters of one string. A model's own data is far smaller; a typo like `[0] * 10**12` is not. */
export const MAX_ITEMS = 1_000_000;
/** Steps between two looks at whether the reading was cancelled. */
export const CANCEL_EVERY = 1024;
/** Iterations of a loop over an iterator of unknown length after which it may be endless. */
export const MANY_TURNS = 10_000;
/** A tensor's operation makes nodes of a graph, which every later pass goes through: some 20 times an expression's work. */
export const TENSOR_STEPS = 20;
/** Nested evaluations, over all calls on the stack. Ours is about 1 MB and one takes about 300 bytes of it. */
export const MAX_NESTING = 1500;

/** Why evaluation stops; `modules` is the number made so far, if no loop may be endless. */
export function tooManySteps(steps: number, modules: number | undefined): string {
  const [most, made] = [steps, modules ?? 0].map((n) => n.toLocaleString("en-US"));
  if (modules === undefined) return `evaluation stopped here after ${most} steps: is this an endless loop?`;
  const so = modules > 1 ? ` and ${made} modules` : "";
  return `evaluation stopped here after ${most} steps${so}: this takes more steps than the reader allows`;
}
