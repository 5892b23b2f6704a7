import { type PlainFunction, PyClass, PyNative, type Value } from "../../values/values";

/** Functions of ours as plain loops call them. */

export function plainly<T extends PyNative | PyClass>(callable: T, plain: PlainFunction): T {
  callable.plain = plain;
  return callable;
}

export function plainFunctionOf(callable: Value): PlainFunction | undefined {
  return callable instanceof PyNative || callable instanceof PyClass ? callable.plain : undefined;
}
