import type { DType } from "../../formats/dtype";
import { UserError } from "../../formats/errors";
import { sizeOf } from "../../formats/tensor";
import type { Node } from "../../graph/node";
import { stridesOf } from "../../graph/shapes";
import type { Lowering } from "./lowering";

/** Each place of the window takes three kernels: those of images have 4 to 49. */
const MAX_WINDOW = 256;
/** Positions are float32 on the way, which is exact up to here. */
const MAX_CHANNEL = 2 ** 24;

/**
 * The position of each window's largest value in its channel, for a MaxPool that returns only values: the input is cut
 * once for each place of the window, and the first place that equals the largest is the position, as in PyTorch.
 */
export function comparedPositions(
  value: string,
  largest: string,
  dtype: DType,
  node: Node<"maxPool"> | Node<"maxPoolIndices">,
  l: Lowering,
): string {
  const { kernel, strides, dilations, before, after } = node.attrs;
  const size = node.inputs[0]!.shape.slice(2);
  const windows = node.shape.slice(2);
  if (sizeOf(kernel) > MAX_WINDOW || sizeOf(size) > MAX_CHANNEL) {
    throw new UserError(
      `ONNX Runtime's WebGPU does not return the positions of max pooling's values, and a window of ${kernel.join(" × ")} over ${size.join(" × ")} is too large to search for them: choose ONNX Runtime (CPU) or TensorFlow.js as the engine for this model`,
      node.place && { file: node.place.file, line: node.place.line },
    );
  }
  const around = surrounded(value, dtype, before, after, l);
  const axes = l.emit.int64s(size.map((_, i) => i + 2));
  const steps = l.emit.int64s(strides);
  let found: string | undefined;
  for (const place of placesIn(kernel).reverse()) {
    const from = place.map((p, i) => p * dilations[i]!);
    const to = from.map((p, i) => p + (windows[i]! - 1) * strides[i]! + 1);
    const here = l.emit.op("Slice", [around, l.emit.int64s(from), l.emit.int64s(to), axes, steps]);
    const positions = l.emit.tensor({
      dtype: "float32",
      shape: [1, 1, ...windows],
      data: positionsAt(
        from.map((p, i) => p - before[i]!),
        strides,
        windows,
        size,
      ),
    });
    found = l.emit.op("Where", [l.emit.op("Equal", [here, largest]), positions, found ?? positions]);
  }
  return l.emit.cast(found!, "float32", "int64");
}

function surrounded(value: string, dtype: DType, before: readonly number[], after: readonly number[], l: Lowering) {
  if ([...before, ...after].every((p) => p === 0)) return value;
  const least = { dtype: "float64", shape: [], data: Float64Array.of(Number.NEGATIVE_INFINITY) } as const;
  const padding = l.emit.cast(l.emit.tensor(least), "float64", dtype);
  return l.emit.op("Pad", [value, l.emit.int64s([0, 0, ...before, 0, 0, ...after]), padding]);
}

/** All places of a window, in the order of memory. */
function placesIn(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, k) => all.flatMap((at) => Array.from({ length: k }, (_, i) => [...at, i])),
    [[]],
  );
}

/** Of each window, the position of one place. In the padding, which is never the largest, it is that of the border. */
function positionsAt(
  first: readonly number[],
  strides: readonly number[],
  windows: readonly number[],
  size: readonly number[],
): Float32Array {
  const [along, across] = [stridesOf(size), stridesOf(windows)];
  return Float32Array.from({ length: sizeOf(windows) }, (_, window) =>
    size.reduce((sum, length, axis) => {
      const at = first[axis]! + (Math.floor(window / across[axis]!) % windows[axis]!) * strides[axis]!;
      return sum + Math.min(length - 1, Math.max(0, at)) * along[axis]!;
    }, 0),
  );
}
