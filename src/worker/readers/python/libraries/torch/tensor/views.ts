import { isRowMajor, isViewOf, type Layout, layoutOfView, moved, reshapedStrides } from "../../../values/storage";
import { PyTensor, type Storage, type Value } from "../../../values/values";
import { sequenceOf } from "../registry/arguments";
import { nodeOf, parameterStorage } from "./tensor";

/**
 * Which of torch's functions give a view of their first argument: https://docs.pytorch.org/docs/stable/tensor_view.html.
 * A change of either in place is a change of both.
 */
const VIEWS = new Set([
  ...["view", "view_as", "_unsafe_view", "permute", "transpose", "swapdims", "swapaxes", "t", "adjoint"],
  ...["movedim", "moveaxis", "unflatten", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to"],
  ...["split", "split_with_sizes", "tensor_split", "chunk", "unbind", "narrow", "select", "detach", "alias"],
  ...["diagonal", "unfold", "hsplit", "vsplit", "dsplit", "view_as_real", "view_as_complex", "real"],
  ...["T", "mT", "H", "mH", "[]", "Unflatten", "atleast_1d", "atleast_2d", "atleast_3d"],
]);
/** A view where the strides allow it, else a copy. */
const VIEWS_OR_COPIES = new Set(["reshape", "reshape_as", "flatten", "ravel", "Flatten", "rearrange", "Rearrange"]);
/** Their results lie in row-major order whatever the arguments' strides are. */
const ROW_MAJOR = new Set([
  ...["linear", "Linear", "matmul", "@", "mm", "bmm", "embedding", "Embedding", "one_hot", "contiguous"],
  ...["zeros", "ones", "empty", "full", "arange", "linspace", "tensor", "eye", "scaled_dot_product_attention"],
]);

export function isViewFunction(name: string): boolean {
  return VIEWS.has(name) || VIEWS_OR_COPIES.has(name);
}

/** What a function of torch gives, tied to the memory of what it was given. */
export function tied(name: string, result: Value, given: readonly Value[]): Value {
  const source = given.find((v) => v instanceof PyTensor);
  if (source && isViewFunction(name)) {
    for (const part of result instanceof PyTensor ? [result] : (sequenceOf(result) ?? [])) {
      if (part instanceof PyTensor && part !== source) tie(name, part, source);
    }
  } else if (result instanceof PyTensor && !given.includes(result) && !ROW_MAJOR.has(name)) {
    // An elementwise result takes the order of its operands.
    if (!tensorsIn(given).every(rowMajor)) result.storage.rowMajor = undefined;
  }
  return result;
}

function* flat(values: readonly Value[]): Generator<Value> {
  for (const value of values) {
    yield value;
    for (const item of sequenceOf(value) ?? []) yield item;
  }
}
const tensorsIn = (values: readonly Value[]): PyTensor[] => [...flat(values)].filter((v) => v instanceof PyTensor);

/** How a tensor lies in its memory, where that is known. */
export function layoutOf({ window, storage }: PyTensor): Layout | undefined {
  return window && storage.rowMajor ? layoutOfView(window.path, window.origin) : undefined;
}
const stridesOf = (tensor: PyTensor): readonly number[] | undefined => layoutOf(tensor)?.strides;

/** Whether `contiguous()` gives the tensor itself; undefined where that is not known. */
export function rowMajor(tensor: PyTensor): boolean | undefined {
  const { node } = tensor;
  if (!node) return true;
  const strides = stridesOf(tensor);
  return strides && isRowMajor(node.shape, strides);
}

function tie(name: string, part: PyTensor, source: PyTensor): void {
  if (!part.node || source.unknown) return;
  const base = nodeOf(source);
  if (!isViewOf(part.node, base)) {
    // It is a view by other means than the graph's: a change in place of one makes the other unknown.
    if (part.storage !== source.storage) rivals(part.storage, source.storage);
    return;
  }
  if (VIEWS_OR_COPIES.has(name)) {
    const strides = stridesOf(source);
    const known = strides && reshapedStrides(base.shape, strides, part.node.shape);
    if (strides && !known) return;
    if (!strides) {
      if (part.node !== base) part.storage.rowMajor = undefined;
      rivals(part.storage, source.storage);
      return;
    }
  }
  if (source.stored?.path !== undefined) {
    part.look(parameterStorage(source.stored, base), part.node, base);
    return;
  }
  const { window } = source;
  if (window) part.look(source.storage, moved(part.node, base, window.path), window.origin);
}

export function rivals(a: Storage, b: Storage): void {
  a.rivals.add(b);
  b.rivals.add(a);
}
