import type { Evaluator } from "./evaluator";
import { Unknown } from "./unknown";
import { type BoundArgs, PyNative, type Runtime, type Value } from "./values";

/** What builtin functions of the language receive: the evaluator is the only Runtime, and they see all of it. */
export const evaluatorOf = (runtime: Runtime): Evaluator => runtime as Evaluator;

export type NativeBody = (args: Readonly<Record<string, Value>>, ev: Evaluator) => Value;

/** A builtin function: unknown in, unknown out. Every parameter of the signature is present in `args`. */
export function native(name: string, signature: string, body: NativeBody): PyNative {
  return new PyNative(name, signature, (args, runtime) => {
    for (const key in args) {
      const value = args[key];
      if (value instanceof Unknown) return value.derived();
    }
    return body(args, evaluatorOf(runtime));
  });
}

/** One that takes unknown arguments as they are. */
export function nativeOfUnknown(name: string, signature: string, body: NativeBody): PyNative {
  return new PyNative(name, signature, (args: BoundArgs, runtime) => body(args, evaluatorOf(runtime)));
}
