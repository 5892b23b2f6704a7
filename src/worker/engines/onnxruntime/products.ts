import type { DType } from "../../formats/dtype";
import { sizeOf } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import { computeType } from "./kernels";
import type { Lowering } from "./lowering";

/**
 * Matrix products. A product of two matrices is one Gemm, which takes transposes, a scale and an addend at no extra
 * cost; leading axes of the left operand are folded into its rows. What does not fit is a batched product.
 */

export function lowerLinear(node: Node<"linear">, l: Lowering): string {
  const [x, weight, bias] = node.inputs as [Node, Node, Node | undefined];
  const dtype = computeType("Gemm", node.dtype);
  if (!isGemmType(dtype)) {
    return general(node, x, weight, bias, { transposeA: false, transposeB: true, alpha: 1 }, l);
  }
  const rows = foldRows(l.as(x, dtype), x.shape, l);
  const operands = [rows, l.as(weight, dtype), ...(bias ? [l.as(bias, dtype)] : [])];
  const product = l.emit.op("Gemm", operands, { transB: 1 });
  return l.emit.cast(unfoldRows(product, node.shape, l), dtype, node.dtype);
}

export function lowerMatmul(node: Node<"matmul">, l: Lowering): string {
  const [a, b, c] = node.inputs as [Node, Node, Node | undefined];
  const { transposeA, transposeB, alpha } = node.attrs;
  const dtype = computeType("Gemm", node.dtype);
  const oneMatrix = b.shape.length === 2 && (a.shape.length === 2 || !transposeA);
  // Gemm's alpha is a float32.
  const exactAlpha = dtype === "float32" || Math.fround(alpha) === alpha;
  if (!oneMatrix || !exactAlpha || !isGemmType(dtype)) return general(node, a, b, c, node.attrs, l);

  const addend = c ? gemmAddend(c, node.shape, dtype, l) : undefined;
  const rows = foldRows(l.as(a, dtype), a.shape, l);
  const operands = [rows, l.as(b, dtype), ...(addend === undefined ? [] : [addend])];
  const product = l.emit.op("Gemm", operands, {
    alpha: { float: alpha },
    transA: transposeA ? 1 : 0,
    transB: transposeB ? 1 : 0,
  });
  const shaped = unfoldRows(product, node.shape, l);
  const whole = c && addend === undefined ? l.emit.op("Add", [shaped, l.as(c, dtype)]) : shaped;
  return l.emit.cast(whole, dtype, node.dtype);
}

const isGemmType = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

/** The addend as Gemm takes it, broadcasting to [rows, columns]; undefined where it does not. */
function gemmAddend(c: Node, shape: readonly number[], dtype: DType, l: Lowering): string | undefined {
  const value = (): string => l.as(c, dtype);
  const n = shape.at(-1)!;
  if (shape.length === 2) return value();
  if (sizeOf(c.shape) === sizeOf(shape)) return l.emit.reshape(value(), [sizeOf(shape.slice(0, -1)), n]);
  const leading = sizeOf(c.shape.slice(0, -1));
  return leading === 1 ? l.emit.reshape(value(), [1, c.shape.at(-1) ?? 1]) : undefined;
}

function foldRows(value: string, shape: readonly number[], l: Lowering): string {
  return shape.length === 2 ? value : l.emit.reshape(value, [sizeOf(shape.slice(0, -1)), shape.at(-1)!]);
}

function unfoldRows(value: string, shape: readonly number[], l: Lowering): string {
  return shape.length === 2 ? value : l.emit.reshape(value, shape);
}

/** Any product. For float32 FusedMatMul reads transposed operands in place. */
function general(
  node: Node,
  a: Node,
  b: Node,
  c: Node | undefined,
  { transposeA, transposeB, alpha }: Node<"matmul">["attrs"],
  l: Lowering,
): string {
  const dtype = computeType("MatMul", node.dtype);
  const product =
    dtype === "float32"
      ? l.emit.contrib("FusedMatMul", [l.as(a, dtype), l.as(b, dtype)], {
          alpha: { float: alpha },
          transA: transposeA ? 1 : 0,
          transB: transposeB ? 1 : 0,
        })
      : scaled(
          l.emit.op("MatMul", [swapped(a, dtype, transposeA, l), swapped(b, dtype, transposeB, l)]),
          alpha,
          dtype,
          l,
        );
  const whole = c ? l.emit.op("Add", [product, l.as(c, dtype)]) : product;
  return l.emit.cast(whole, dtype, node.dtype);
}

function swapped(node: Node, dtype: DType, swap: boolean, l: Lowering): string {
  const value = l.as(node, dtype);
  if (!swap) return value;
  const rank = node.shape.length;
  const perm = node.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
  return l.emit.op("Transpose", [value], { perm });
}

function scaled(value: string, alpha: number, dtype: DType, l: Lowering): string {
  if (alpha === 1) return value;
  const factor = l.emit.cast(
    l.emit.tensor({ dtype: "float64", shape: [], data: Float64Array.of(alpha) }),
    "float64",
    dtype,
  );
  return l.emit.op("Mul", [value, factor]);
}
