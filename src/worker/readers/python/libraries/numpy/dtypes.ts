import { type DType, isFloating } from "../../../../formats/dtype";
import type { Evaluator } from "../../values/evaluator";
import { evaluatorOf } from "../../values/native";
import { isNumeric, numberOf } from "../../values/numbers";
import { builtinClass, OBJECT } from "../../values/types";
import { EvaluationError } from "../../values/unknown";
import { PyClass, PyDType, type Value } from "../../values/values";
import { ARRAY, converted, scalar, stored, toArray } from "./array";

/** NumPy's scalar types: called, they convert; given as `dtype`, they name an array's. */

const GENERIC = builtinClass("generic", [OBJECT]);
const NUMBER = builtinClass("number", [GENERIC]);
export const INTEGER = builtinClass("integer", [NUMBER]);
export const FLOATING = builtinClass("floating", [NUMBER]);

const NAMES: readonly (readonly [name: string, dtype: DType])[] = [
  ["float64", "float64"],
  ["float32", "float32"],
  ["float16", "float16"],
  ["int64", "int64"],
  ["int32", "int32"],
  ["int16", "int16"],
  ["int8", "int8"],
  ["uint8", "uint8"],
  ["bool_", "bool"],
];

const TYPES = new Map<PyClass, DType>();
const CLASSES = new Map<DType, PyClass>();
for (const [name, dtype] of NAMES) {
  const base = dtype === "bool" ? GENERIC : isFloating(dtype) ? FLOATING : INTEGER;
  const type = builtinClass(name, [base], ([value = 0], _kwargs, runtime) => {
    if (isNumeric(value)) return scalar(stored(numberOf(value), dtype), dtype);
    const array = converted(evaluatorOf(runtime), toArray(evaluatorOf(runtime), value), dtype);
    return array.shape.length === 0 ? scalar(array.memory[0]!, dtype) : array;
  });
  TYPES.set(type, dtype);
  CLASSES.set(dtype, type);
}

export function dtypeClass(dtype: DType): Value {
  return CLASSES.get(dtype) ?? new PyDType(dtype);
}

const ALIASES: Readonly<Record<string, DType>> = {
  float: "float64",
  double: "float64",
  single: "float32",
  half: "float16",
  int: "int64",
  int_: "int64",
  intp: "int64",
  long: "int64",
  longlong: "int64",
  intc: "int32",
  bool: "bool",
};

/** What a `dtype` argument names; undefined for None. */
export function dtypeArg(ev: Evaluator, value: Value | undefined): DType | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof PyDType) return value.dtype;
  const named =
    value instanceof PyClass
      ? (TYPES.get(value) ?? ALIASES[value.name])
      : typeof value === "string"
        ? (NAMES.find(([name]) => name === value)?.[1] ?? ALIASES[value])
        : undefined;
  if (named) return named;
  throw new EvaluationError("arrays of this dtype are not evaluated", ev.place);
}

export const DTYPES: readonly (readonly [string, Value])[] = [
  ...[...TYPES].map(([type]) => [type.name, type] as const),
  ...Object.entries(ALIASES)
    .filter(([name]) => name !== "float")
    .map(([name, dtype]) => [name, CLASSES.get(dtype)!] as const),
  ["generic", GENERIC],
  ["number", NUMBER],
  ["integer", INTEGER],
  ["floating", FLOATING],
  ["ndarray", ARRAY],
];
