import type { DType } from "../../../../../formats/dtype";
import { PyDType, type Value } from "../../../values/values";

const NAMES: Readonly<Record<string, DType>> = {
  float64: "float64",
  double: "float64",
  float32: "float32",
  float: "float32",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  int64: "int64",
  long: "int64",
  int32: "int32",
  int: "int32",
  int16: "int16",
  short: "int16",
  int8: "int8",
  uint8: "uint8",
  bool: "bool",
};

const OBJECTS: ReadonlyMap<DType, PyDType> = new Map(Object.values(NAMES).map((dtype) => [dtype, new PyDType(dtype)]));

/** One object a dtype, so that `is` and `==` compare them. */
export function dtypeObject(dtype: DType): PyDType {
  return OBJECTS.get(dtype)!;
}

/** torch.float32, torch.long, ... by name. */
export function dtypeMembers(): Map<string, Value> {
  return new Map(Object.entries(NAMES).map(([name, dtype]) => [name, dtypeObject(dtype)]));
}

export function dtypeFrom(value: Value | undefined): DType | undefined {
  return value instanceof PyDType ? value.dtype : undefined;
}
