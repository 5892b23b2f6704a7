import type { DType } from "../../../../../formats/dtype";
import { UserError } from "../../../../../formats/errors";
import { allocate, sizeOf, type Tensor } from "../../../../../formats/tensor";
import type { StoredTensor } from "../../../values/values";
import type { Draw } from "./draws";
import { Generator } from "./generator";

/** Values, 4 bytes each: what a large machine's memory takes. PyTorch's order means that each is drawn, used or not. */
const MAX_INITIAL = 2 ** 32;

/** PyTorch's own initial values: the log of draws is replayed on its generator. */

export interface InitialTensor {
  readonly path: string;
  readonly stored: StoredTensor;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * Values of the tensors whose initializer is a distribution or a constant, as `torch.manual_seed(seed)` before the
 * construction gives them. Tensors with a graph initializer are left out: an engine computes them.
 * `draws` is the log of the construction (`RandomNumbers.record`). float16 and bfloat16 tensors come as float32.
 */
export function initialize(
  tensors: readonly InitialTensor[],
  draws: readonly Draw[],
  seed: number,
): Map<string, Tensor> {
  const count = Math.max(
    draws.reduce((sum, { size }) => sum + (size ?? 0), 0),
    tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  );
  if (!(count <= MAX_INITIAL)) {
    const [asked, most] = [count, MAX_INITIAL].map((n) => n.toLocaleString("en-US"));
    throw new UserError(
      `the model has ${asked} initial values, more than the ${most} supported; give a file with its weights`,
    );
  }
  const generator = new Generator(seed);
  const wanted = new Map<number, InitialTensor[]>();
  const result = new Map<string, Tensor>();
  for (const tensor of tensors) {
    const { initializer, order } = tensor.stored;
    if (initializer.kind === "constant") result.set(tensor.path, constant(tensor, initializer.value));
    else if (initializer.kind !== "graph") wanted.set(order, [...(wanted.get(order) ?? []), tensor]);
  }
  const drawn = new Set(draws.map((d) => d.order));
  const rest = [...wanted]
    .filter(([order]) => !drawn.has(order))
    .map(([order, [first]]): Draw => {
      const { initializer } = first!.stored;
      return { order, distribution: initializer.kind === "uniform" ? "uniform" : "normal", size: sizeOf(first!.shape) };
    });
  for (const entry of [...draws, ...rest].sort((a, b) => a.order - b.order)) {
    if (entry.size === undefined) continue;
    const targets = wanted.get(entry.order) ?? [];
    if (targets.length === 0) {
      generator.skip(entry.distribution, entry.size);
      continue;
    }
    const { initializer } = targets[0]!.stored;
    const values =
      initializer.kind === "uniform"
        ? generator.uniform(entry.size, initializer.low, initializer.high)
        : initializer.kind === "normal"
          ? generator.normal(entry.size, initializer.mean, initializer.std)
          : new Float32Array(entry.size);
    for (const target of targets) {
      target.stored.patch?.(values);
      const own = target.stored.derive?.(values) ?? values;
      const data = target.dtype === "float64" ? Float64Array.from(own) : own;
      result.set(target.path, { dtype: target.dtype === "float64" ? "float64" : "float32", shape: target.shape, data });
    }
  }
  return result;
}

function constant(tensor: InitialTensor, value: number): Tensor {
  const half = tensor.dtype === "float16" || tensor.dtype === "bfloat16";
  const made = allocate(half ? "float32" : tensor.dtype, tensor.shape);
  if (made.data instanceof BigInt64Array) made.data.fill(BigInt(Math.trunc(value)));
  else made.data.fill(value);
  return made;
}
