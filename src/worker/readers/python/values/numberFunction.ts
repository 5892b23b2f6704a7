/**
 * Functions of numbers alone, as columns of numbers call them: what one does with arguments that are floats or whole
 * numbers, and whether it gives floats. Undefined where the types of its results depend on more than those. It may
 * throw, whatever it likes: the function itself is asked then.
 */
export type NumberFunction = (
  floats: readonly boolean[],
) => { readonly fn: (a: number, b: number) => number; readonly float: boolean } | undefined;
