import { convert } from "../../../src/worker/formats/convert";
import type { DType } from "../../../src/worker/formats/dtype";
import { sizeOf, type Tensor } from "../../../src/worker/formats/tensor";
import * as b from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import { markLayer } from "../../../src/worker/graph/layers";
import type { Node } from "../../../src/worker/graph/node";
import type { OpName } from "../../../src/worker/graph/ops";
import { conv, convTranspose, maxPool, maxPoolIndices } from "../../../src/worker/graph/windows";

/** One op on small operands. `values` feeds inputs by name and parameters by path. */
export interface Case {
  readonly name: string;
  readonly graph: Graph;
  readonly values: ReadonlyMap<string, Tensor>;
}

/** Builds a case: operands are made by `x`, whose values are drawn from a fixed sequence. */
class Operands {
  readonly inputs: Node<"input">[] = [];
  readonly values = new Map<string, Tensor>();
  private state = 12345;

  constructor(readonly dtype: DType) {}

  /** Values in [low, high), whole ones for whole types. */
  x(shape: readonly number[], low = -2, high = 2, dtype = this.dtype): Node<"input"> {
    const whole = !dtype.includes("float");
    const data = Float64Array.from({ length: sizeOf(shape) }, () => {
      const v = low + this.random() * (high - low);
      return whole ? Math.floor(v) : v;
    });
    return this.of(shape, data, dtype);
  }

  of(shape: readonly number[], data: ArrayLike<number>, dtype = this.dtype): Node<"input"> {
    const name = `x${this.inputs.length}`;
    const node = b.input(name, shape, dtype);
    this.inputs.push(node);
    this.values.set(name, convert({ dtype: "float64", shape, data: Float64Array.from(data) }, dtype));
    return node;
  }

  bools(shape: readonly number[]): Node<"input"> {
    return this.x(shape, 0, 2, "bool");
  }

  indices(shape: readonly number[], below: number, dtype: DType = "int64"): Node<"input"> {
    return this.x(shape, 0, below, dtype);
  }

  private random(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }
}

type Make = (o: Operands) => Node;

function expandCases(list: readonly (readonly [string, DType, Make])[]): Case[] {
  return list.map(([name, dtype, make]) => {
    const operands = new Operands(dtype);
    const y = make(operands);
    return {
      name: `${name} ${dtype}`,
      graph: new Graph(name, operands.inputs, new Map([["y", y]])),
      values: operands.values,
    };
  });
}

const plain = ["neg", "abs", "sign", "exp", "sin", "cos", "tanh", "sigmoid", "erf", "atan", "expm1", "relu"] as const;
const positive = ["log", "log1p", "sqrt", "reciprocal"] as const;
const arithmetic = ["add", "sub", "mul", "div", "maximum", "minimum"] as const;
const comparisons = ["equal", "less", "lessEqual"] as const;
const reductions = ["sum", "mean", "max", "min", "prod"] as const;
const HALVES = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4999, -1.0001];

type Floating = "float64" | "float32" | "float16" | "bfloat16";

/** Every case; those of floating operands in the type `f`. */
const listed = (f: Floating): readonly (readonly [string, DType, Make])[] => [
  ...plain.map((op) => [op, f, (o: Operands) => b.unary(op, o.x([2, 3, 4], -3, 3))] as const),
  ...positive.map((op) => [op, f, (o: Operands) => b.unary(op, o.x([5], 0.1, 4))] as const),
  ...(["floor", "ceil", "round"] as const).map(
    (op) => [op, f, (o: Operands) => b.unary(op, o.of([8], HALVES))] as const,
  ),
  ...(["floor", "ceil", "round"] as const).map((op) => [op, "int64", (o: Operands) => b.unary(op, o.x([4]))] as const),
  ...(["neg", "abs", "sign", "relu"] as const).map(
    (op) => [op, "int64", (o: Operands) => b.unary(op, o.x([6], -5, 5))] as const,
  ),
  ["not", "bool", (o) => b.unary("not", o.bools([7]))],
  ["gelu", f, (o) => b.gelu(o.x([3, 5], -4, 4))],
  ["gelu tanh", f, (o) => b.gelu(o.x([3, 5], -4, 4), "tanh")],
  ["detach", f, (o) => b.detach(o.x([3]))],
  ["layer", f, (o) => markLayer("fc", b.unary("neg", o.x([2, 3])), o.x([2, 4]))],
  ["dropout in evaluation", f, (o) => b.dropout(o.x([3]), 0.5)],
  ["cast to int64", f, (o) => b.cast(o.of([8], HALVES), "int64")],
  ["cast to int32", f, (o) => b.cast(o.of([8], HALVES), "int32")],
  ["cast to bool", f, (o) => b.cast(o.of([3], [0, 0.25, -1]), "bool")],
  ["cast of bool", "bool", (o) => b.cast(o.bools([5]), "float32")],
  ["cast of int64", "int64", (o) => b.cast(o.x([5], -9, 9), "float32")],
  ["cast to uint8", "int64", (o) => b.cast(o.of([3], [0, 7, 255]), "uint8")],

  ...arithmetic.map((op) => [op, f, (o: Operands) => b.binary(op, o.x([2, 3]), o.x([2, 3], 0.5, 3))] as const),
  ...arithmetic.map(
    (op) => [`${op} broadcast`, f, (o: Operands) => b.binary(op, o.x([4, 1, 3]), o.x([2, 1], 0.5, 3))] as const,
  ),
  ...arithmetic.map(
    (op) => [op, "int64", (o: Operands) => b.binary(op, o.x([5], -9, 9), o.of([5], [1, -2, 3, 2, -4]))] as const,
  ),
  ...arithmetic.map(
    (op) =>
      [`${op} by one value`, f, (o: Operands) => b.binary(op, b.full(1.5, [2, 3], f), o.x([2, 3], 1, 2))] as const,
  ),
  ["add of one-value constants", f, (o) => b.add(b.add(b.full(1, [2, 2], f), b.full(2, [2, 2], f)), o.x([2, 2]))],
  ["pow", f, (o) => b.binary("pow", o.x([2, 3], 0.1, 3), o.x([3], -2, 3))],
  ["pow", "int64", (o) => b.binary("pow", o.x([4], -3, 4), o.of([4], [0, 1, 2, 3]))],
  ...comparisons.map(
    (op) => [op, f, (o: Operands) => b.binary(op, o.of([4], [1, 2, 3, -1]), o.of([4], [1, 3, 2, -1]))] as const,
  ),
  ...comparisons.map((op) => [op, "int64", (o: Operands) => b.binary(op, o.x([3, 1], 0, 3), o.x([4], 0, 3))] as const),
  ["equal", "bool", (o) => b.binary("equal", o.bools([6]), o.bools([6]))],
  ["and", "bool", (o) => b.binary("and", o.bools([2, 4]), o.bools([4]))],
  ["or", "bool", (o) => b.binary("or", o.bools([2, 4]), o.bools([4]))],
  ["where", f, (o) => b.where(o.bools([2, 3]), o.x([3]), o.x([2, 1]))],
  ["where with one value", f, (o) => b.where(o.bools([1, 3]), o.x([2, 3]), b.full(-7, [2, 3], f))],
  ["where", "int64", (o) => b.where(o.bools([4]), o.x([4], 0, 9), o.x([4], -9, 0))],
  ["where", "bool", (o) => b.where(o.bools([6]), o.bools([6]), o.bools([6]))],

  ["linear", f, (o) => b.linear(o.x([4, 3]), o.x([5, 3]), o.x([5]))],
  ["linear without bias", f, (o) => b.linear(o.x([4, 3]), o.x([5, 3]))],
  ["linear of a vector", f, (o) => b.linear(o.x([3]), o.x([5, 3]), o.x([5]))],
  ["linear of three dimensions", f, (o) => b.linear(o.x([2, 4, 3]), o.x([5, 3]), o.x([5]))],
  ["linear of four dimensions", f, (o) => b.linear(o.x([2, 2, 4, 3]), o.x([5, 3]))],
  ["linear", "int64", (o) => b.linear(o.x([4, 3], -4, 4), o.x([5, 3], -4, 4), o.x([5], -4, 4))],
  ...[false, true].flatMap((transposeA) =>
    [false, true].flatMap((transposeB) => {
      const a = (lead: number[]) => [...lead, ...(transposeA ? [3, 4] : [4, 3])];
      const w = (lead: number[]) => [...lead, ...(transposeB ? [5, 3] : [3, 5])];
      const at = `${transposeA ? " A transposed" : ""}${transposeB ? " B transposed" : ""}`;
      const t = { transposeA, transposeB };
      const product = (name: string, make: Make): [string, DType, Make] => [`matmul${at} ${name}`, f, make];
      return [
        product("of matrices", (o) => b.matmul(o.x(a([])), o.x(w([])), t)),
        product("scaled with addend", (o) => b.matmul(o.x(a([])), o.x(w([])), { ...t, alpha: 0.5, c: o.x([4, 5]) })),
        product("with a row added", (o) => b.matmul(o.x(a([])), o.x(w([])), { ...t, c: o.x([5]) })),
        product("with a column added", (o) => b.matmul(o.x(a([])), o.x(w([])), { ...t, c: o.x([4, 1]) })),
        product("with a scalar added", (o) => b.matmul(o.x(a([])), o.x(w([])), { ...t, c: b.scalar(3, f) })),
        product("batched", (o) => b.matmul(o.x(a([2])), o.x(w([2])), { ...t, alpha: 2, c: o.x([5]) })),
        product("batch by matrix", (o) => b.matmul(o.x(a([2, 2])), o.x(w([])), { ...t, c: o.x([2, 2, 4, 5]) })),
        product("batch by matrix, row added", (o) => b.matmul(o.x(a([2])), o.x(w([])), { ...t, c: o.x([1, 1, 5]) })),
        product("batch by matrix, matrix added", (o) => b.matmul(o.x(a([2])), o.x(w([])), { ...t, c: o.x([4, 5]) })),
        product("matrix by batch", (o) => b.matmul(o.x(a([])), o.x(w([3])), t)),
        product("broadcast batches", (o) => b.matmul(o.x(a([2, 1])), o.x(w([1, 3])), t)),
      ];
    }),
  ),

  ["log1p near zero", f, (o) => b.unary("log1p", o.of([6], [0, 1e-4, -1e-4, -0.5, 0.5, 100]))],
  ["expm1 near zero", f, (o) => b.unary("expm1", o.of([6], [0, 1e-4, -1e-4, -0.5, 0.5, -10]))],

  ["conv", f, (o) => conv(o.x([2, 3, 5, 6]), o.x([4, 3, 3, 2]), { bias: o.x([4]) })],
  ["conv of one dimension", f, (o) => conv(o.x([2, 3, 7]), o.x([4, 3, 3]), { bias: o.x([4]), padding: 1, strides: 2 })],
  ["conv of three dimensions", f, (o) => conv(o.x([1, 2, 3, 4, 3]), o.x([2, 2, 2, 2, 2]), { strides: [1, 2, 1] })],
  ["conv, uneven padding", f, (o) => conv(o.x([1, 2, 4, 4]), o.x([3, 2, 2, 2]), { before: [0, 1], after: [1, 0] })],
  ["conv, strides", f, (o) => conv(o.x([2, 2, 7, 6]), o.x([3, 2, 3, 3]), { strides: [2, 3], padding: 1 })],
  ["conv, dilations", f, (o) => conv(o.x([1, 2, 7, 6]), o.x([3, 2, 3, 3]), { dilations: [2, 1], padding: [2, 0] })],
  ["conv, both", f, (o) => conv(o.x([1, 2, 7, 8]), o.x([3, 2, 2, 3]), { strides: 2, dilations: 2, padding: 1 })],
  ["conv in groups", f, (o) => conv(o.x([2, 4, 5, 4]), o.x([6, 2, 3, 2]), { groups: 2, bias: o.x([6]), padding: 1 })],
  ["conv, depthwise", f, (o) => conv(o.x([2, 3, 5, 5]), o.x([6, 1, 3, 3]), { groups: 3, strides: 2, padding: 1 })],
  ["conv of patches", f, (o) => conv(o.x([2, 3, 4, 4]), o.x([5, 3, 2, 2]), { strides: 2, bias: o.x([5]) })],
  ["convTranspose", f, (o) => convTranspose(o.x([2, 3, 4, 3]), o.x([3, 4, 2, 3]), { bias: o.x([4]) })],
  [
    "convTranspose of one dimension",
    f,
    (o) => convTranspose(o.x([1, 3, 5]), o.x([3, 2, 4]), { strides: 2, padding: 1 }),
  ],
  [
    "convTranspose of three dimensions",
    f,
    (o) => convTranspose(o.x([1, 2, 2, 2, 3]), o.x([2, 2, 2, 2, 2]), { strides: [1, 2, 1] }),
  ],
  [
    "convTranspose with output padding",
    f,
    (o) => convTranspose(o.x([2, 2, 3, 3]), o.x([2, 3, 3, 3]), { strides: 2, padding: 1, extra: 1, bias: o.x([3]) }),
  ],
  [
    "convTranspose in groups",
    f,
    (o) => convTranspose(o.x([1, 4, 3, 3]), o.x([4, 2, 2, 3]), { groups: 2, strides: [2, 1], dilations: [1, 2] }),
  ],
  [
    "convTranspose, padding beyond the kernel",
    f,
    (o) => convTranspose(o.x([1, 2, 5, 5]), o.x([2, 1, 2, 2]), { padding: 2, strides: 2 }),
  ],
  ["maxPool", f, (o) => maxPool(o.x([2, 3, 6, 4]), 2)],
  ["maxPool, overlapping", f, (o) => maxPool(o.x([2, 2, 7, 7]), 3, { strides: 2, padding: 1 })],
  ["maxPool of one dimension", f, (o) => maxPool(o.x([2, 2, 9]), 3, { strides: 2, dilations: 2 })],
  ["maxPool of three dimensions", f, (o) => maxPool(o.x([1, 2, 4, 3, 4]), [2, 3, 2])],
  ["maxPool, ceil mode", f, (o) => maxPool(o.x([1, 2, 6, 5]), 3, { strides: 2, ceilMode: true })],
  [
    "maxPool, ceil mode, dilated",
    f,
    (o) => maxPool(o.x([1, 1, 8, 9]), 2, { strides: 5, dilations: 3, ceilMode: true }),
  ],
  ["maxPoolIndices", f, (o) => maxPoolIndices(o.x([2, 3, 6, 4]), 2)],
  ["maxPoolIndices, overlapping", f, (o) => maxPoolIndices(o.x([2, 2, 7, 7]), 3, { strides: 2, padding: 1 })],
  ["maxPoolIndices of equals", f, (o) => maxPoolIndices(o.of([1, 1, 2, 4], [1, 1, 0, 2, 1, 1, 2, 2]), 2)],
  [
    "maxPoolIndices, ceil mode, dilated",
    f,
    (o) => maxPoolIndices(o.x([2, 2, 8, 9]), 2, { strides: 5, dilations: 3, ceilMode: true }),
  ],
  [
    "maxPool with its indices",
    f,
    (o) => {
      const x = o.x([2, 2, 4, 4]);
      return b.add(maxPool(x, 2), b.cast(maxPoolIndices(x, 2), f));
    },
  ],

  ["reshape", f, (o) => b.reshape(o.x([2, 6]), [3, -1])],
  ["reshape of nothing", f, (o) => b.reshape(o.x([0, 4]), [2, 0])],
  ["transpose", f, (o) => b.transpose(o.x([2, 3, 4]), [2, 0, 1])],
  ["transpose", "int64", (o) => b.transpose(o.x([2, 3], 0, 9), [1, 0])],
  ["transpose of four", f, (o) => b.transpose(o.x([2, 3, 4, 2]), [0, 2, 1, 3])],
  ["expand", f, (o) => b.expand(o.x([3, 1]), [2, 3, 4])],
  ["expand", "bool", (o) => b.expand(o.bools([1, 3]), [2, 3])],
  ["slice", f, (o) => b.slice(o.x([5, 6]), [1, 0], [4, 6])],
  ["slice with steps", f, (o) => b.slice(o.x([7, 6]), [1, 0], [7, 6], [2, 3])],
  ["slice of nothing", f, (o) => b.slice(o.x([3, 2]), [1, 0], [1, 2])],
  ["slice", "int64", (o) => b.narrow(o.x([5], 0, 9), 0, 2, 4)],
  ["concat", f, (o) => b.concat([o.x([2, 3]), o.x([2, 1]), o.x([2, 2])], 1)],
  ["concat", "int64", (o) => b.concat([o.x([2], 0, 5), o.x([3], 0, 5)], 0)],
  ["pad", f, (o) => b.pad(o.x([2, 3]), [1, 0], [0, 2], -1.5)],
  ["pad", "int64", (o) => b.pad(o.x([3], 0, 9), [1], [1], 4)],
  ["gather rows", f, (o) => b.gather(o.x([5, 3]), o.indices([2, 4], 5), 0)],
  ["gather columns", f, (o) => b.gather(o.x([2, 5, 3]), o.indices([4], 5, "int32"), 1)],
  ["gather by a scalar", f, (o) => b.gather(o.x([5, 3]), o.indices([], 5), 0)],
  ["scatterAdd rows", f, (o) => b.scatterAdd(o.indices([3, 4], 5), o.x([3, 4, 2]), 0, [5, 2])],
  ["scatterAdd columns", f, (o) => b.scatterAdd(o.indices([6], 4), o.x([2, 6, 3]), 1, [2, 4, 3])],
  ["scatterAdd last", f, (o) => b.scatterAdd(o.indices([6], 4, "int32"), o.x([2, 3, 6]), 2, [2, 3, 4])],
  ["gatherElements", f, (o) => b.gatherElements(o.x([4, 5]), o.indices([4, 2], 5), 1)],
  ["gatherElements of rows", f, (o) => b.gatherElements(o.x([4, 5]), o.indices([3, 5], 4), 0)],
  ["gatherElements, fewer rows", f, (o) => b.gatherElements(o.x([4, 5]), o.indices([2, 3], 5), 1)],
  [
    "scatterElements",
    f,
    (o) => b.scatterElements(o.x([4, 5]), o.of([4, 2], [0, 4, 1, 2, 3, 0, 4, 1], "int64"), o.x([4, 2]), 1),
  ],
  [
    "scatterElements, fewer",
    f,
    (o) => b.scatterElements(o.x([4, 5]), o.of([1, 3], [3, 0, 2], "int64"), o.x([1, 3]), 0),
  ],
  ["scatterElements", "int64", (o) => b.scatterElements(o.x([5]), o.of([2], [4, 0]), o.x([2]), 0)],
  ["scatterElements", "bool", (o) => b.scatterElements(o.bools([5]), o.of([3], [4, 0, 2], "int64"), o.bools([3]), 0)],
  ["scatterElementsAdd", f, (o) => b.scatterElementsAdd(o.indices([4, 6], 5), o.x([4, 6]), 1, [4, 5])],
  ["scatterElementsAdd of rows", f, (o) => b.scatterElementsAdd(o.indices([6, 5], 4), o.x([6, 5]), 0, [4, 5])],

  ...reductions.flatMap((op) =>
    (
      [
        [[0], false],
        [[1], true],
        [[0, 2], false],
        [[0, 1, 2], false],
        [[2], true],
      ] as const
    ).map(
      ([axes, keep]) =>
        [
          `${op} over ${axes}${keep ? " kept" : ""}`,
          f,
          (o: Operands) => b.reduce(op, o.x([2, 3, 4]), axes, keep),
        ] as const,
    ),
  ),
  ...(["sum", "max", "min", "prod"] as const).map(
    (op) => [op, "int64", (o: Operands) => b.reduce(op, o.x([2, 3], -4, 5), [1], false)] as const,
  ),
  ["argmax", f, (o) => b.argmax(o.x([3, 4]), 1, false)],
  ["argmax kept", f, (o) => b.argmax(o.x([3, 4]), 0, true)],
  ["argmax of equals", f, (o) => b.argmax(o.of([1, 3], [2, 2, 2]), 1, false)],
  ["argmin", f, (o) => b.argmin(o.x([3, 4]), 1, false)],
  ["argmin kept", f, (o) => b.argmin(o.x([3, 4]), 0, true)],
  ["topK", f, (o) => b.topK(o.x([3, 6]), 2, 1, true)],
  ["topK of rows, smallest", f, (o) => b.topK(o.x([5, 2, 3]), 3, 0, false)],
  ["topK of all", "int64", (o) => b.topK(o.x([7], -9, 9), 7, 0, true)],
  ["topKIndices", f, (o) => b.topKIndices(o.x([3, 6]), 2, 1, true)],
  ["topKIndices of equals", f, (o) => b.topKIndices(o.of([2, 4], [1, 2, 2, 1, 0, 0, 0, 0]), 4, 1, true)],
  ["topKIndices of equals, smallest", f, (o) => b.topKIndices(o.of([2, 4], [1, 2, 2, 1, 0, 0, 0, 0]), 4, 1, false)],
  [
    "topK with its indices",
    f,
    (o) => {
      const x = o.x([4, 5]);
      return b.add(b.topK(x, 2, 1, false), b.cast(b.topKIndices(x, 2, 1, false), f));
    },
  ],
  ["cumsum", f, (o) => b.cumsum(o.x([3, 4]), 1)],
  ["cumsum of rows", f, (o) => b.cumsum(o.x([3, 4]), 0)],
  ["cumsum", "int64", (o) => b.cumsum(o.x([6], 0, 5), 0)],

  ["softmax", f, (o) => b.softmax(o.x([3, 5], -5, 5), 1)],
  ["softmax of rows", f, (o) => b.softmax(o.x([3, 5, 2], -5, 5), 0)],
  ["logSoftmax", f, (o) => b.logSoftmax(o.x([3, 5], -5, 5), 1)],
  ["logSoftmax of middle", f, (o) => b.logSoftmax(o.x([3, 5, 2], -5, 5), 1)],
  ["layerNorm", f, (o) => b.layerNorm(o.x([4, 6]), 1, 1e-5, o.x([6]), o.x([6]))],
  ["layerNorm without bias", f, (o) => b.layerNorm(o.x([4, 6]), 1, 1e-5, o.x([6]))],
  ["layerNorm plain", f, (o) => b.layerNorm(o.x([4, 6]), 1, 1e-2)],
  ["layerNorm over two", f, (o) => b.layerNorm(o.x([2, 3, 4]), 2, 1e-5, o.x([3, 4]), o.x([3, 4]))],
  ["layerNormMean", f, (o) => b.layerNormMean(o.x([2, 3, 4]), 2)],
  ["layerNormInvStd", f, (o) => b.layerNormInvStd(o.x([2, 3, 4]), 1, 1e-3)],
  [
    "layerNorm with its statistics",
    f,
    (o) => {
      const x = o.x([3, 4]);
      const y = b.layerNorm(x, 1, 1e-5, o.x([4]), o.x([4]));
      return b.add(b.mul(y, b.layerNormInvStd(x, 1, 1e-5)), b.layerNormMean(x, 1));
    },
  ],
  ["arange", f, (o) => b.add(b.arange(4, f, 0.5, 0.25), o.x([4]))],
  ["arange", "int64", (o) => b.add(b.arange(4, "int64", 2, 3), o.x([4], 0, 5))],
  [
    "constant",
    f,
    (o) =>
      b.mul(b.constant(f === "float32" ? Float32Array.of(1, 2, 3) : Float64Array.of(1, 2, 3), [3], f), o.x([2, 3])),
  ],
  ["one-value constant in full", f, (o) => b.concat([b.full(2.5, [2, 1], f), o.x([2, 2])], 1)],
];

export const CASES = expandCases(listed("float32"));

/** The cases of floating operands, in another floating type. */
export function casesIn(dtype: Floating): Case[] {
  return expandCases(listed(dtype).filter(([, d]) => d === dtype));
}

/** Ops that some case covers: the test asks for all of them. */
export function coveredOps(): Set<OpName> {
  return new Set(CASES.flatMap(({ graph }) => graph.nodes.map((node) => node.op)));
}
