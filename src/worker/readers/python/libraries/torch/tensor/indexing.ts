import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { broadcast, shapeText } from "../../../../../graph/shapes";
import { EvaluationError, Unknown } from "../../../values/unknown";
import {
  PyEllipsis,
  PyError,
  PyList,
  PySlice,
  PyTensor,
  PyTuple,
  type Runtime,
  type Value,
} from "../../../values/values";
import { fromData } from "../functions/creation";
import { unbind } from "../functions/joining";
import { sequenceOf } from "../registry/arguments";
import { firstUnknown, guarded } from "../registry/native";
import { fold } from "./fold";
import { SelectedLength, selectedRows, selectRows } from "./selectedRows";
import { nodeOf, reasonOf, wrap } from "./tensor";
import { knownIndices } from "./trueIndices";
import { tied } from "./views";

/** x[...]: ints, slices with positive steps, None, Ellipsis, and whole-number tensors. */

export interface Selection {
  /** One entry an axis of x. */
  readonly starts: number[];
  readonly ends: number[];
  readonly steps: number[];
  /** Of the result before index tensors and masks are applied: kept axes and the new ones of None. */
  readonly shape: number[];
  /** Index tensors, by axis of `shape`. */
  readonly indices: { readonly axis: number; readonly node: Node }[];
  /** A mask whose values are not known, and the first of the axes of `shape` that it covers. */
  mask?: { readonly axis: number; readonly node: Node };
}

/** What one entry of a key takes: a mask as many dimensions as it has, None none. */
type Part = Value | { readonly mask: Node };
const isMask = (part: Part): part is { readonly mask: Node } =>
  typeof part === "object" && part !== null && "mask" in part;

/** The key's entries: lists are index tensors, a mask with known values is its index tensors. */
function partsOf(key: Value, runtime: Runtime): Part[] {
  const items = key instanceof PyTuple ? key.items : [key];
  return items.flatMap((item): Part[] => {
    const part =
      item instanceof PyList ? wrap(fromData(item, item.items.length === 0 ? "int64" : undefined, runtime)) : item;
    if (!(part instanceof PyTensor)) return [part];
    const node = nodeOf(part, runtime);
    if (node.dtype !== "bool" && node.dtype !== "uint8") return [part];
    const mask = build.cast(node, "bool");
    return knownIndices(mask)?.map(wrap) ?? [{ mask }];
  });
}

export function select(x: Node, key: Value, runtime: Runtime): Selection {
  const parts = partsOf(key, runtime);
  const rank = x.shape.length;
  const consumed = parts.reduce<number>((n, p) => {
    if (p === null || p === true || p instanceof PyEllipsis) return n;
    return n + (isMask(p) ? p.mask.shape.length : 1);
  }, 0);
  if (consumed > rank) {
    throw new PyError("IndexError", `too many indices for tensor of dimension ${rank}`, runtime.place);
  }
  const open = parts.findIndex((p) => p instanceof PyEllipsis);
  const rest = new Array<Value>(rank - consumed).fill(new PySlice(null, null, null));
  const full = open < 0 ? [...parts, ...rest] : [...parts.slice(0, open), ...rest, ...parts.slice(open + 1)];
  const selection: Selection = { starts: [], ends: [], steps: [], shape: [], indices: [] };
  let axis = 0;
  for (const part of full) {
    if (part === null || part === true) {
      selection.shape.push(1);
    } else if (isMask(part)) {
      coverWithMask(x, axis, part.mask, selection, runtime);
      axis += part.mask.shape.length;
    } else {
      const size = x.shape[axis]!;
      const [start, end, step] = range(part, size, axis, runtime);
      selection.starts.push(start);
      selection.ends.push(end);
      selection.steps.push(step);
      if (part instanceof PyTensor) {
        selection.indices.push({ axis: selection.shape.length, node: indexNode(part, size, runtime) });
      }
      if (typeof part !== "number") selection.shape.push(Math.max(0, Math.ceil((end - start) / step)));
      axis++;
    }
  }
  if (selection.mask && selection.indices.length > 0) {
    throw new EvaluationError(
      "indexing with a boolean mask and index tensors together is not supported: the result's shape depends on the mask's values",
      runtime.place,
    );
  }
  return selection;
}

function coverWithMask(x: Node, axis: number, mask: Node, selection: Selection, runtime: Runtime): void {
  const covered = x.shape.slice(axis, axis + mask.shape.length);
  const odd = mask.shape.findIndex((d, i) => d !== covered[i]);
  if (odd >= 0) {
    throw new PyError(
      "IndexError",
      `The shape of the mask ${shapeText(mask.shape)} at index ${odd} does not match the shape of the indexed tensor ${shapeText(x.shape)} at index ${axis + odd}`,
      runtime.place,
    );
  }
  if (selection.mask) {
    throw new EvaluationError(
      "indexing with two boolean masks is not supported: the result's shape depends on their values",
      runtime.place,
    );
  }
  selection.mask = { axis: selection.shape.length, node: mask };
  for (const size of covered) {
    selection.starts.push(0);
    selection.ends.push(size);
    selection.steps.push(1);
    selection.shape.push(size);
  }
}

function range(part: Value, size: number, axis: number, runtime: Runtime): [number, number, number] {
  if (typeof part === "number") {
    const i = part < 0 ? part + size : part;
    if (i < 0 || i >= size) {
      throw new PyError(
        "IndexError",
        `index ${part} is out of bounds for dimension ${axis} with size ${size}`,
        runtime.place,
      );
    }
    return [i, i + 1, 1];
  }
  if (part instanceof PyTensor) return [0, size, 1];
  if (part instanceof PySlice) {
    const step = bound(part.step, 1, runtime);
    if (step <= 0) throw new PyError("ValueError", "step must be greater than zero", runtime.place);
    const clip = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
    const start = clip(bound(part.start, 0, runtime));
    return [start, Math.max(start, clip(bound(part.stop, size, runtime))), step];
  }
  if (part === false) {
    throw new EvaluationError("indexing a tensor with False is not supported: nothing is selected", runtime.place);
  }
  throw new PyError(
    "IndexError",
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices",
    runtime.place,
  );
}

function bound(value: Value, absent: number, runtime: Runtime): number {
  if (value === null) return absent;
  if (value instanceof Unknown) {
    throw new EvaluationError(`a bound of this slice is unknown: ${value.reason}`, runtime.place);
  }
  if (typeof value === "number") return value;
  if (value instanceof PyTensor && value.shape.every((d) => d === 1)) {
    const [known] = fold(nodeOf(value, runtime), runtime) ?? [];
    if (known !== undefined) return known;
    throw new EvaluationError(
      "a slice whose bounds depend on a tensor's values is not supported: the shape would depend on data",
      runtime.place,
    );
  }
  throw new PyError("TypeError", "slice indices must be integers or None or have an __index__ method", runtime.place);
}

/** Index tensors are non-negative in the graph: negative values count from the end. */
function indexNode(part: PyTensor, size: number, runtime: Runtime): Node {
  const node = nodeOf(part, runtime);
  if (node.dtype !== "int64" && node.dtype !== "int32") {
    throw new PyError("IndexError", "tensors used as indices must be long, int, byte or bool tensors", runtime.place);
  }
  const known = node.op === "constant" ? fold(node) : undefined;
  if (known) {
    const odd = known.find((v) => v < -size || v >= size);
    if (odd !== undefined) {
      throw new PyError("IndexError", `index ${odd} is out of bounds for dimension with size ${size}`, runtime.place);
    }
    const positive = BigInt64Array.from(known, (v) => BigInt(v < 0 ? v + size : v));
    return build.constant(positive, node.shape, "int64");
  }
  if (node.op === "arange") {
    const { start, step } = (node as Node<"arange">).attrs;
    if (start >= 0 && start + step * (node.shape[0]! - 1) >= 0) return node;
  }
  const zero = build.scalar(0, node.dtype);
  return build.where(build.binary("less", node, zero), build.add(node, build.scalar(size, node.dtype)), node);
}

/** The elements selected, by slices and index tensors. */
export function index(x: Node, selection: Selection): Node {
  const kept = build.reshape(build.slice(x, selection.starts, selection.ends, selection.steps), selection.shape);
  const { indices } = selection;
  if (indices.length === 0) return kept;
  if (indices.length === 1) return build.gather(kept, indices[0]!.node, indices[0]!.axis);
  return gatherTogether(kept, indices);
}

/**
 * Several index tensors are broadcast together and pick points: the indexed axes become one, and so do the indices.
 * Adjacent ones stay where they are; otherwise the picked dimensions come first, as in NumPy.
 */
function gatherTogether(x: Node, indices: Selection["indices"]): Node {
  const axes = indices.map((i) => i.axis);
  const shape = indices.map((i) => i.node.shape).reduce((a, b) => broadcast(a, b, "indices"));
  const adjacent = axes.every((a, i) => i === 0 || a === axes[i - 1]! + 1);
  const rest = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const position = adjacent ? axes[0]! : 0;
  const order = [...rest.slice(0, position), ...axes, ...rest.slice(position)];
  const moved = build.transpose(x, order);
  const sizes = axes.map((a) => x.shape[a]!);
  const flat = build.reshape(moved, [
    ...moved.shape.slice(0, position),
    sizes.reduce((n, d) => n * d, 1),
    ...moved.shape.slice(position + axes.length),
  ]);
  let offset: Node | undefined;
  for (const [i, { node }] of indices.entries()) {
    const own = build.expand(build.cast(node, "int64"), shape);
    offset = offset ? build.add(build.mul(offset, build.scalar(sizes[i]!, "int64")), own) : own;
  }
  return build.gather(flat, offset!, position);
}

export function tensorIndex(tensor: PyTensor, key: Value, runtime: Runtime): Value {
  const unknown = firstUnknown([key]);
  if (unknown) return unknown;
  return guarded(runtime, () => {
    const x = nodeOf(tensor, runtime);
    const selection = select(x, key, runtime);
    const part = index(x, selection);
    if (selection.mask) {
      const { node, axis } = selection.mask;
      const before = part.shape.slice(0, axis);
      return wrap(
        selectRows(build.reshape(part, [...before, -1, ...part.shape.slice(axis + node.shape.length)]), node, axis),
      );
    }
    return selection.indices.length > 0 ? wrap(part) : tied("[]", wrap(part), [tensor]);
  });
}

/** Iterating a tensor goes over its first dimension. */
export function tensorIterate(tensor: PyTensor, runtime: Runtime): Iterable<Value> {
  if (tensor.shape.length === 0) throw new PyError("TypeError", "iteration over a 0-d tensor", runtime.place);
  const pieces = guarded(runtime, () =>
    tied("unbind", new PyTuple(unbind(nodeOf(tensor, runtime), 0).map(wrap)), [tensor]),
  );
  if (pieces instanceof Unknown) {
    throw new EvaluationError(`this tensor cannot be iterated: it is unknown because ${pieces.reason}`, runtime.place);
  }
  return sequenceOf(pieces) ?? [];
}

export function tensorLength(tensor: PyTensor, runtime: Runtime): number | Unknown {
  if (tensor.shape.length === 0) throw new PyError("TypeError", "len() of a 0-d tensor", runtime.place);
  const selection = tensor.node && selectedRows(tensor.node);
  if (selection?.axis === 0) return new SelectedLength(selection.mask);
  const length = tensor.shape[0];
  if (length !== undefined) return length;
  throw new EvaluationError(
    `the tensor's length is unknown because ${reasonOf(tensor).reason}; its shape is ${shapeText(tensor.shape.map((d) => d ?? -1))}`,
    runtime.place,
  );
}
