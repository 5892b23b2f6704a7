import type { DType } from "../../../../../formats/dtype";
import { normalizeAxis } from "../../../../../graph/shapes";
import { typeName } from "../../../values/types";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  type BoundArgs,
  PyClass,
  PyDType,
  PyError,
  PyFloat,
  PyList,
  PyTensor,
  PyTuple,
  type Value,
} from "../../../values/values";

/** Readers of bound arguments: each gives the value in TypeScript's terms or raises PyTorch's TypeError. */

function wrong(what: string, expected: string, value: Value): PyError {
  return new PyError("TypeError", `argument '${what}' must be ${expected}, not ${typeName(value)}`);
}

export function given(args: BoundArgs, name: string): boolean {
  return args[name] !== undefined && args[name] !== null;
}

export function tensorArg(args: BoundArgs, name: string): PyTensor {
  const value = args[name];
  if (value instanceof PyTensor) return value;
  throw wrong(name, "Tensor", value ?? null);
}

export function optionalTensor(args: BoundArgs, name: string): PyTensor | undefined {
  return given(args, name) ? tensorArg(args, name) : undefined;
}

/** A tensor, or a Python number as a tensor without dimensions. */
export function tensorOrNumber(args: BoundArgs, name: string): PyTensor | number | PyFloat | boolean {
  const value = args[name];
  if (value instanceof PyTensor || isNumber(value)) return value;
  throw wrong(name, "Tensor or Number", value ?? null);
}

export function isNumber(value: Value | undefined): value is number | PyFloat | boolean {
  return typeof value === "number" || typeof value === "boolean" || value instanceof PyFloat;
}

export function numberOf(value: number | PyFloat | boolean): number {
  return value instanceof PyFloat ? value.value : Number(value);
}

/** The dtype a Python number has in type promotion. */
export function numberDType(value: number | PyFloat | boolean): DType {
  return typeof value === "boolean" ? "bool" : value instanceof PyFloat ? "float32" : "int64";
}

export function intOf(value: Value | undefined, name: string): number {
  if (typeof value === "number") return value;
  throw wrong(name, "int", value ?? null);
}

export function intArg(args: BoundArgs, name: string): number {
  return intOf(args[name], name);
}

export function optionalInt(args: BoundArgs, name: string): number | undefined {
  return given(args, name) ? intArg(args, name) : undefined;
}

export function numberArg(args: BoundArgs, name: string): number {
  const value = args[name];
  if (isNumber(value)) return numberOf(value);
  throw wrong(name, "Number", value ?? null);
}

export function optionalNumber(args: BoundArgs, name: string): number | undefined {
  return given(args, name) ? numberArg(args, name) : undefined;
}

export function boolArg(args: BoundArgs, name: string): boolean {
  const value = args[name];
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  throw wrong(name, "bool", value);
}

export function stringArg(args: BoundArgs, name: string): string {
  const value = args[name];
  if (typeof value === "string") return value;
  throw wrong(name, "str", value ?? null);
}

export function sequenceOf(value: Value | undefined): readonly Value[] | undefined {
  return value instanceof PyList || value instanceof PyTuple ? value.items : undefined;
}

export function tensorList(args: BoundArgs, name: string): PyTensor[] {
  const items = sequenceOf(args[name]);
  if (!items) throw wrong(name, "tuple of Tensors", args[name] ?? null);
  return items.map((item, i) => {
    if (item instanceof PyTensor) return item;
    throw new PyError("TypeError", `expected Tensor as element ${i} in argument '${name}', but got ${typeName(item)}`);
  });
}

/** An int or a sequence of ints. */
export function intsOf(value: Value | undefined, name: string): number[] {
  const items = sequenceOf(value);
  return items ? items.map((item) => intOf(item, name)) : [intOf(value, name)];
}

/** `f(2, 3)` and `f((2, 3))` alike: the collected `*sizes`. */
export function varInts(args: BoundArgs, name: string): number[] {
  return varValues(args, name).map((v) => intOf(v, name));
}

export function varValues(args: BoundArgs, name: string): readonly Value[] {
  const collected = sequenceOf(args[name]) ?? [];
  const first = collected.length === 1 ? sequenceOf(collected[0]) : undefined;
  return first ?? collected;
}

export function axisArg(args: BoundArgs, name: string, rank: number): number {
  return axisOf(intArg(args, name), rank);
}

/** PyTorch lets a tensor without dimensions have the axes 0 and -1; its errors are IndexErrors. */
export function axisOf(axis: number, rank: number): number {
  const size = Math.max(rank, 1);
  if (axis < -size || axis >= size) {
    throw new PyError(
      "IndexError",
      `Dimension out of range (expected to be in range of [${-size}, ${size - 1}], but got ${axis})`,
    );
  }
  return rank === 0 ? 0 : normalizeAxis(axis, rank);
}

/** Axes of a reduction: None and an empty sequence mean every axis. */
export function axesArg(args: BoundArgs, name: string, rank: number): number[] {
  if (!given(args, name)) return all(rank);
  const axes = intsOf(args[name], name).map((d) => axisOf(d, rank));
  if (new Set(axes).size !== axes.length) {
    throw new PyError(
      "RuntimeError",
      `dim ${axes.find((d, i) => axes.indexOf(d) !== i)} appears multiple times in the list of dims`,
    );
  }
  if (rank === 0) return [];
  return axes.length === 0 ? all(rank) : axes;
}

const all = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);

const PYTHON_TYPES: ReadonlyMap<string, DType> = new Map([
  ["bool", "bool"],
  ["int", "int64"],
  ["float", "float32"],
]);

export function optionalDType(args: BoundArgs, name = "dtype"): DType | undefined {
  const value = args[name];
  if (value === undefined || value === null) return undefined;
  if (value instanceof PyDType) return value.dtype;
  // torch.zeros(2, dtype=bool): Python's own types stand for PyTorch's.
  const own = value instanceof PyClass && value.builtin ? PYTHON_TYPES.get(value.name) : undefined;
  if (own) return own;
  if (value instanceof Unknown) throw new EvaluationError(`the ${name} is unknown: ${value.reason}`);
  throw wrong(name, "torch.dtype", value);
}

export function tuple(items: readonly Value[], fields?: readonly string[]): PyTuple {
  return new PyTuple(items, fields);
}
