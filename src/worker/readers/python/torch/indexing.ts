import * as build from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { broadcast, shapeText } from "../../../graph/shapes";
import { writeBox } from "../storage";
import {
  EvaluationError,
  PyEllipsis,
  PyError,
  PyList,
  PySlice,
  PyTensor,
  PyTuple,
  type Runtime,
  Unknown,
  type Value,
} from "../values";
import { isNumber, numberOf, sequenceOf } from "./arguments";
import { constant } from "./functions/creation";
import { unbind } from "./functions/joining";
import { firstUnknown, guarded } from "./native";
import { SelectedLength, selectedRows, selectRows, withoutOthers } from "./selectedRows";
import { nodeOf, reasonOf, replaceValue, wrap } from "./tensor";
import { tied } from "./views";

/** x[...]: ints, slices with positive steps, None, Ellipsis, and whole-number tensors. */

interface Selection {
  /** One entry an axis of x. */
  readonly starts: number[];
  readonly ends: number[];
  readonly steps: number[];
  /** Of the result before index tensors are applied: kept axes and the new ones of None. */
  readonly shape: number[];
  /** Index tensors, by axis of `shape`. */
  readonly indices: { readonly axis: number; readonly node: Node }[];
}

function select(x: Node, index: Value, runtime: Runtime): Selection {
  const parts = index instanceof PyTuple ? [...index.items] : [index];
  const consumed = parts.filter((p) => p !== null && !(p instanceof PyEllipsis)).length;
  const rank = x.shape.length;
  if (consumed > rank) {
    throw new PyError("IndexError", `too many indices for tensor of dimension ${rank}`, runtime.place);
  }
  const open = parts.findIndex((p) => p instanceof PyEllipsis);
  const rest = new Array<Value>(rank - consumed).fill(new PySlice(null, null, null));
  const full = open < 0 ? [...parts, ...rest] : [...parts.slice(0, open), ...rest, ...parts.slice(open + 1)];
  const selection: Selection = { starts: [], ends: [], steps: [], shape: [], indices: [] };
  let axis = 0;
  for (const part of full) {
    if (part === null) {
      selection.shape.push(1);
      continue;
    }
    const size = x.shape[axis]!;
    const [start, end, step] = range(part, size, axis, runtime);
    selection.starts.push(start);
    selection.ends.push(end);
    selection.steps.push(step);
    if (part instanceof PyTensor || part instanceof PyList) {
      selection.indices.push({ axis: selection.shape.length, node: indexNode(part, size, runtime) });
    }
    if (typeof part !== "number") selection.shape.push(Math.max(0, Math.ceil((end - start) / step)));
    axis++;
  }
  return selection;
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
  if (part instanceof PyTensor || part instanceof PyList) return [0, size, 1];
  if (part instanceof PySlice) {
    const step = bound(part.step, 1, runtime);
    if (step <= 0) throw new PyError("ValueError", "step must be greater than zero", runtime.place);
    const clip = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
    const start = clip(bound(part.start, 0, runtime));
    return [start, Math.max(start, clip(bound(part.stop, size, runtime))), step];
  }
  if (typeof part === "boolean") {
    throw new EvaluationError("indexing a tensor with a bool is not supported", runtime.place);
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
  if (value instanceof PyTensor && value.shape.length === 0) {
    throw new EvaluationError(
      "a slice whose bounds depend on a tensor's values is not supported: the shape would depend on data",
      runtime.place,
    );
  }
  throw new PyError("TypeError", "slice indices must be integers or None or have an __index__ method", runtime.place);
}

/** Index tensors are non-negative in the graph: negative values count from the end. */
function indexNode(part: PyTensor | PyList, size: number, runtime: Runtime): Node {
  if (part instanceof PyList) {
    const values = part.items.map((v) => {
      if (typeof v !== "number") {
        throw new EvaluationError(
          "a list index may hold whole numbers only; a mask's result has a shape that depends on its values",
          runtime.place,
        );
      }
      if (v < -size || v >= size) {
        throw new PyError("IndexError", `index ${v} is out of bounds for dimension with size ${size}`, runtime.place);
      }
      return v < 0 ? v + size : v;
    });
    return constant(values, [values.length], "int64");
  }
  const node = nodeOf(part, runtime);
  if (node.dtype === "bool" || node.dtype === "uint8") {
    throw new EvaluationError(
      "indexing with a boolean mask is not supported: the result's shape depends on the mask's values; torch.where or masked_fill keep the shape",
      runtime.place,
    );
  }
  if (node.dtype !== "int64" && node.dtype !== "int32") {
    throw new PyError("IndexError", "tensors used as indices must be long, int, byte or bool tensors", runtime.place);
  }
  if (node.op === "arange") {
    const { start, step } = (node as Node<"arange">).attrs;
    if (start >= 0 && start + step * (node.shape[0]! - 1) >= 0) return node;
  }
  const zero = build.scalar(0, node.dtype);
  return build.where(build.binary("less", node, zero), build.add(node, build.scalar(size, node.dtype)), node);
}

function index(x: Node, selection: Selection): Node {
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
    const mask = booleanMask(key, runtime);
    if (mask) return wrap(selectRows(build.reshape(x, [-1, ...maskedRest(x, mask)]), mask));
    const selection = select(x, key, runtime);
    const part = wrap(index(x, selection));
    return selection.indices.length > 0 ? part : tied("[]", part, [tensor]);
  });
}

/** The key where it is one boolean tensor alone. */
function booleanMask(key: Value, runtime: Runtime): Node | undefined {
  const items = key instanceof PyTuple ? key.items : [key];
  const mask = items.length === 1 && items[0] instanceof PyTensor ? nodeOf(items[0], runtime) : undefined;
  return mask?.dtype === "bool" ? mask : undefined;
}

/** The dimensions of x behind those the mask covers. */
function maskedRest(x: Node, mask: Node): number[] {
  const odd = mask.shape.findIndex((d, i) => d !== x.shape[i]);
  if (odd >= 0) {
    throw new PyError(
      "IndexError",
      `The shape of the mask ${shapeText(mask.shape)} at index ${odd} does not match the shape of the indexed tensor ${shapeText(x.shape)} at index ${odd}`,
    );
  }
  return x.shape.slice(mask.shape.length);
}

/** What x[mask] = update writes, in x's shape: a value for every row, or the rows selected by the same mask. */
function maskedUpdate(x: Node, mask: Node, update: Node, runtime: Runtime): Node {
  const rest = maskedRest(x, mask);
  const selection = selectedRows(update);
  if (selection) {
    if (selection.mask !== mask || selection.axis !== 0) {
      throw new EvaluationError("what is assigned through a mask was selected by another mask", runtime.place);
    }
    return build.reshape(withoutOthers(update, selection), x.shape);
  }
  if (update.shape.length > rest.length) {
    throw new EvaluationError(
      "assigning a tensor through a boolean mask is supported where its shape does not depend on the mask: a number, one row, or what the same mask selected",
      runtime.place,
    );
  }
  return update;
}

/** x[key] = value, as a new value of the same tensor. */
export function tensorSetIndex(tensor: PyTensor, key: Value, value: Value, runtime: Runtime): void {
  const unknown = firstUnknown([key, value]) ?? tensor.unknown;
  if (unknown)
    throw new EvaluationError(
      `this assignment depends on a value that is unknown because ${unknown.reason}`,
      unknown.place ?? runtime.place,
    );
  guarded(runtime, () => {
    const x = nodeOf(tensor, runtime);
    let update: Node;
    if (value instanceof PyTensor) update = build.cast(nodeOf(value, runtime), x.dtype);
    else if (isNumber(value)) update = build.scalar(numberOf(value), x.dtype);
    else throw new PyError("TypeError", "can't assign this value to a tensor's elements", runtime.place);
    const mask = booleanMask(key, runtime);
    if (mask) {
      update = maskedUpdate(x, mask, update, runtime);
      const lanes = build.reshape(mask, [...mask.shape, ...x.shape.slice(mask.shape.length).map(() => 1)]);
      replaceValue(tensor, build.where(lanes, update, x), runtime);
      return null;
    }
    const selection = select(x, key, runtime);
    if (selection.indices.length > 0) {
      throw new EvaluationError("assigning through an index tensor is not supported yet", runtime.place);
    }
    replaceValue(tensor, assign(x, selection, update), runtime);
    return null;
  });
}

/** Writes `update` over the selected box: padded to x's shape, and chosen where the box is. */
function assign(x: Node, selection: Selection, update: Node): Node {
  const { starts, ends, steps, shape } = selection;
  const box = starts.map((s, i) => Math.max(0, Math.ceil((ends[i]! - s) / steps[i]!)));
  if (box.some((d) => d === 0)) return x;
  let placed: Node;
  if (broadcast(update.shape, shape, "the assigned value and the selection").length > shape.length) {
    // PyTorch drops leading dimensions of size 1.
    placed = build.reshape(update, update.shape.slice(update.shape.length - shape.length));
  } else placed = update;
  return writeBox(x, selection, build.reshape(build.expand(placed, shape), box));
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
