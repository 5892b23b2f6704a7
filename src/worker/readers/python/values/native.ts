import type { Evaluator } from "../evaluate/evaluator";
import { type BoundArgs, PyNative, Unknown, type Value } from "./values";

export type NativeBody = (args: Readonly<Record<string, Value>>, ev: Evaluator) => Value;

/** A builtin function: unknown in, unknown out. Every parameter of the signature is present in `args`. */
export function native(name: string, signature: string, body: NativeBody): PyNative {
  return new PyNative(name, signature, (args, runtime) => {
    for (const key in args) {
      const value = args[key];
      if (value instanceof Unknown) return value.derived();
    }
    // The evaluator is the only Runtime there is; natives of the language itself see all of it.
    return body(args, runtime as Evaluator);
  });
}

/** One that takes unknown arguments as they are. */
export function nativeOfUnknown(name: string, signature: string, body: NativeBody): PyNative {
  return new PyNative(name, signature, (args: BoundArgs, runtime) => body(args, runtime as Evaluator));
}
