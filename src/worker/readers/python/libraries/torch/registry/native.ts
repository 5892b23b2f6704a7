import { at } from "../../../../../graph/build";
import { Unknown } from "../../../values/unknown";
import { type BoundArgs, PyList, PyNative, PyTuple, type Runtime, type Value } from "../../../values/values";
import { UnknownResult } from "../tensor/tensor";

export interface NativeOptions {
  /** The body looks at Unknown arguments itself; otherwise one of them is the result. */
  readonly takesUnknown?: boolean;
}

export type Body = (args: BoundArgs, runtime: Runtime) => Value;

/** A function of torch: unknown in, unknown out; the nodes it makes carry the place of the call. */
export function native(name: string, signature: string, body: Body, options: NativeOptions = {}): PyNative {
  return new PyNative(name, signature, (args, runtime) => {
    if (!options.takesUnknown) {
      const unknown = firstUnknown(Object.values(args));
      if (unknown) return unknown;
    }
    return guarded(runtime, () => body(args, runtime));
  });
}

/** Runs `body` with nodes placed at the expression being evaluated and unknown tensors as its result. */
export function guarded<T extends Value>(runtime: Runtime, body: () => T): T | Unknown {
  try {
    return at(runtime.place, body);
  } catch (error) {
    if (error instanceof UnknownResult) return error.unknown;
    throw error;
  }
}

/** The first Unknown among values and the lists and tuples in them. */
export function firstUnknown(values: readonly Value[]): Unknown | undefined {
  for (const value of values) {
    if (value instanceof Unknown) return value.derived();
    if (value instanceof PyList || value instanceof PyTuple) {
      const inner = firstUnknown(value.items);
      if (inner) return inner;
    }
  }
  return undefined;
}
