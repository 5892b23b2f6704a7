import type { NumberFunction } from "../../values/numberFunction";
import { type PlainFunction, PyClass, PyNative, type Value } from "../../values/values";

/** Functions of ours as plain loops call them. */

export function plainly<T extends PyNative | PyClass>(callable: T, plain: PlainFunction): T {
  callable.plain = plain;
  return callable;
}

export function plainFunctionOf(callable: Value): PlainFunction | undefined {
  return callable instanceof PyNative || callable instanceof PyClass ? callable.plain : undefined;
}

export function ofNumbers<T extends PyNative>(callable: T, numbers: NumberFunction): T {
  callable.numbers = numbers;
  return callable;
}

export function numberFunctionOf(callable: Value): NumberFunction | undefined {
  return callable instanceof PyNative ? callable.numbers : undefined;
}
