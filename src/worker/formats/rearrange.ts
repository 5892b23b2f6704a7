import { DTYPE_BYTES } from "./dtype";
import { loadTensor } from "./safetensors";
import { allocate, bytesOf, type DerivedTensor, type StoredTensor, sizeOf, type Tensor } from "./tensor";

/**
 * Tensors put together from the elements of others, of any dtype, when they are wanted. Nothing is computed, so that
 * each element keeps its bits. Dimensions count from 0, negative ones from the end.
 */

/** Shapes that do not go together, in words: for whoever knows what they belong to. */
export class RearrangeError extends Error {}

export function axisOf(shape: readonly number[], dim: number): number {
  const axis = dim < 0 ? shape.length + dim : dim;
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length)
    throw new RearrangeError(`[${shape.join(", ")}] has no dimension ${dim}`);
  return axis;
}

function derived(from: StoredTensor, shape: readonly number[], make: () => Promise<Tensor>): DerivedTensor {
  return { dtype: from.dtype, shape, load: make };
}

/** `torch.cat`: of one dtype, and of one shape but for `dim`. */
export function concatenated(tensors: readonly StoredTensor[], dim: number): StoredTensor {
  const [first, ...more] = tensors;
  if (!first) throw new RearrangeError("there is nothing to concatenate");
  const axis = axisOf(first.shape, dim);
  for (const { shape, dtype } of more) {
    const fits = shape.length === first.shape.length && shape.every((d, i) => i === axis || d === first.shape[i]);
    if (!fits || dtype !== first.dtype) {
      throw new RearrangeError(
        `${first.dtype} [${first.shape.join(", ")}] and ${dtype} [${shape.join(", ")}] cannot be concatenated along dimension ${dim}`,
      );
    }
  }
  if (more.length === 0) return first;
  const total = tensors.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const shape = first.shape.map((d, i) => (i === axis ? total : d));
  return derived(first, shape, async () => {
    const result = allocate(first.dtype, shape);
    const bytes = bytesOf(result);
    const row = rowBytes(result, axis);
    let at = 0;
    for (const tensor of tensors) {
      const part = await loadTensor(tensor);
      const length = rowBytes(part, axis);
      const source = bytesOf(part);
      for (let i = 0; i * length < source.length; i++)
        bytes.set(source.subarray(i * length, (i + 1) * length), i * row + at);
      at += length;
    }
    return result;
  });
}

/** `torch.stack`. */
export function stacked(tensors: readonly StoredTensor[], dim: number): StoredTensor {
  const axis = dim < 0 ? (tensors[0]?.shape.length ?? 0) + 1 + dim : dim;
  return concatenated(
    tensors.map((tensor) => reshaped(tensor, [...tensor.shape.slice(0, axis), 1, ...tensor.shape.slice(axis)])),
    axis,
  );
}

/** The elements from `start` on along `dim`, `length` of them. */
export function sliced(tensor: StoredTensor, dim: number, start: number, length: number): StoredTensor {
  const axis = axisOf(tensor.shape, dim);
  if (start < 0 || length < 0 || start + length > tensor.shape[axis]!)
    throw new RearrangeError(`${start} to ${start + length} is not within [${tensor.shape.join(", ")}]`);
  const shape = tensor.shape.map((d, i) => (i === axis ? length : d));
  return derived(tensor, shape, async () => {
    const whole = await loadTensor(tensor);
    const result = allocate(tensor.dtype, shape);
    const [from, to] = [bytesOf(whole), bytesOf(result)];
    const [wide, narrow] = [rowBytes(whole, axis), rowBytes(result, axis)];
    const offset = tensor.shape[axis] === 0 ? 0 : (wide / tensor.shape[axis]!) * start;
    for (let i = 0; i * narrow < to.length; i++)
      to.set(from.subarray(i * wide + offset, i * wide + offset + narrow), i * narrow);
    return result;
  });
}

/** `torch.chunk`: parts of equal size, but for the last. */
export function chunked(tensor: StoredTensor, parts: number, dim: number): StoredTensor[] {
  const length = tensor.shape[axisOf(tensor.shape, dim)]!;
  const size = Math.max(1, Math.ceil(length / parts));
  const chunks: StoredTensor[] = [];
  for (let start = 0; start < length; start += size)
    chunks.push(sliced(tensor, dim, start, Math.min(size, length - start)));
  return chunks;
}

export function transposed(tensor: StoredTensor, dim0: number, dim1: number): StoredTensor {
  const [a, b] = [axisOf(tensor.shape, dim0), axisOf(tensor.shape, dim1)].sort((x, y) => x - y) as [number, number];
  if (a === b) return tensor;
  const shape = tensor.shape.map((d, i) => (i === a ? tensor.shape[b]! : i === b ? tensor.shape[a]! : d));
  return derived(tensor, shape, async () => {
    const whole = await loadTensor(tensor);
    const result = allocate(tensor.dtype, shape);
    const [n, m] = [tensor.shape[a]!, tensor.shape[b]!];
    const outer = sizeOf(tensor.shape.slice(0, a));
    const middle = sizeOf(tensor.shape.slice(a + 1, b));
    const inner = sizeOf(tensor.shape.slice(b + 1));
    const { data: from } = whole;
    const { data: to } = result;
    let at = 0;
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < m; j++)
        for (let k = 0; k < middle; k++)
          for (let i = 0; i < n; i++) {
            const start = (((o * n + i) * middle + k) * m + j) * inner;
            for (let e = 0; e < inner; e++) to[at++] = from[start + e]!;
          }
    return result;
  });
}

export function reshaped(tensor: StoredTensor, shape: readonly number[]): StoredTensor {
  if (sizeOf(shape) !== sizeOf(tensor.shape))
    throw new RearrangeError(`[${tensor.shape.join(", ")}] cannot become [${shape.join(", ")}]`);
  if ("load" in tensor) return derived(tensor, shape, async () => ({ ...(await tensor.load()), shape }));
  return { ...tensor, shape };
}

/** Bytes of what lies within one index of the dimensions before `axis`. */
function rowBytes({ shape, dtype }: Tensor, axis: number): number {
  return sizeOf(shape.slice(axis)) * DTYPE_BYTES[dtype];
}
