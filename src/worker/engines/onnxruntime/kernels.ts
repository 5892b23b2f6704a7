import type { DType } from "../../formats/dtype";

/**
 * The element types ONNX Runtime's CPU kernels take, by operator, found by asking version 1.30 to make a session of
 * each pair. What is missing is computed in a wider type and cast back: float16 and bfloat16 in float32 (a product of
 * halves is then summed in float32, as PyTorch does on CPU), small whole numbers and bool in int32. Only operators
 * that move elements keep float16 as it is.
 */
const FLOAT: readonly DType[] = ["float32", "float64"];
const WIDE: readonly DType[] = [...FLOAT, "int64", "int32"];
const NUMERIC: readonly DType[] = [...WIDE, "int16", "int8", "uint8"];
const MOVED: readonly DType[] = [...NUMERIC, "bool", "float16"];

const KERNELS: Readonly<Record<string, readonly DType[]>> = {
  Neg: [...WIDE, "int16", "int8"],
  Abs: NUMERIC,
  Sign: NUMERIC,
  Relu: [...FLOAT, "int32", "int8"],
  Erf: ["float32"],
  Atan: ["float32"],
  Gelu: ["float32"],
  Not: ["bool"],
  And: ["bool"],
  Or: ["bool"],
  Add: NUMERIC,
  Sub: NUMERIC,
  Mul: NUMERIC,
  Div: NUMERIC,
  Pow: WIDE,
  Max: [...WIDE, "int8", "uint8"],
  Min: [...WIDE, "int8", "uint8"],
  Equal: [...NUMERIC, "bool"],
  Less: NUMERIC,
  LessOrEqual: NUMERIC,
  Where: [...WIDE, "uint8"],
  MatMul: WIDE,
  FusedMatMul: FLOAT,
  Gemm: FLOAT,
  Conv: ["float32"],
  ConvTranspose: ["float32"],
  Transpose: MOVED,
  Expand: MOVED,
  Slice: MOVED,
  Concat: MOVED,
  Pad: MOVED.filter((d) => d !== "int16"),
  Gather: MOVED,
  GatherElements: MOVED,
  ScatterElements: NUMERIC,
  ScatterND: NUMERIC,
  ReduceSum: WIDE,
  ReduceMean: WIDE,
  ReduceMax: [...WIDE, "int8", "uint8", "bool"],
  ReduceMin: [...WIDE, "int8", "uint8", "bool"],
  ReduceProd: WIDE,
  ArgMax: [...WIDE, "int8", "uint8"],
  ArgMin: [...WIDE, "int8", "uint8"],
  TopK: WIDE,
  CumSum: WIDE,
  LayerNormalization: ["float32"],
};

/** The type to compute an operator in: the tensor's own where a kernel takes it. */
export function computeType(opType: string, dtype: DType): DType {
  const kernels = KERNELS[opType] ?? FLOAT;
  if (kernels.includes(dtype)) return dtype;
  // Less precise than float64, but there is no better kernel.
  if (dtype === "float64" && kernels.includes("float32")) return "float32";
  return widened(dtype);
}

function widened(dtype: DType): DType {
  switch (dtype) {
    case "float16":
    case "bfloat16":
      return "float32";
    case "int16":
    case "int8":
    case "uint8":
    case "bool":
      return "int32";
    default:
      return dtype;
  }
}
