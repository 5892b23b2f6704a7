import { sizeOf } from "../../../formats/tensor";
import * as build from "../../../graph/build";
import { withInputs } from "../../../graph/graph";
import { isOf, type OpsOf } from "../../../graph/kinds";
import { is, type Node } from "../../../graph/node";
import { ShapeError, stridesOf } from "../../../graph/shapes";

/**
 * Views of tensors. Values are graph nodes, so a view is a path of slices, transposes, reshapes and expansions over what
 * its storage holds: after a change in place each view is the same path over the new value, and what is written to a
 * view goes the path back.
 */

type ViewOp = OpsOf<"view"> | "detach";
type View = { [O in ViewOp]: Node<O> }[ViewOp];

const isView = (node: Node): node is View => isOf(node, "view") || is(node, "detach");

/** A path's ops from `origin` outward; undefined when `node` is no view of it. */
function stepsTo(node: Node, origin: Node): View[] | undefined {
  const steps: View[] = [];
  let at = node;
  while (at !== origin) {
    if (!isView(at)) return undefined;
    steps.push(at);
    at = at.inputs[0]!;
  }
  return steps.reverse();
}

export function isViewOf(node: Node, origin: Node): boolean {
  return stepsTo(node, origin) !== undefined;
}

/** The same path over another value. */
export function moved(path: Node, from: Node, to: Node): Node {
  if (from === to) return path;
  return (stepsTo(path, from) ?? []).reduce((node, step) => withInputs(step, [node]), to);
}

/** What `held` becomes when the view of it has the value `update`; undefined for a view that has an element twice. */
export function writtenThrough(path: Node, origin: Node, held: Node, update: Node): Node | undefined {
  const steps = stepsTo(path, origin) ?? [];
  const before = [held];
  for (const step of steps.slice(0, -1)) before.push(withInputs(step, [before.at(-1)!]));
  let value = update;
  for (const [i, step] of [...steps.entries()].reverse()) {
    const written = (WRITE_BACK[step.op] as WriteBack<ViewOp>)(step, before[i]!, value);
    if (!written) return undefined;
    value = written;
  }
  return value;
}

/** What is seen through the step becomes `value`: what `whole` becomes then. */
type WriteBack<O extends ViewOp> = (step: Node<O>, whole: Node, value: Node) => Node | undefined;

const reshapedBack: WriteBack<ViewOp> = (step, whole, value) =>
  sizeOf(step.shape) === sizeOf(whole.shape) ? build.reshape(value, whole.shape) : undefined;

const WRITE_BACK: { readonly [O in ViewOp]: WriteBack<O> } = {
  transpose: ({ attrs: { perm } }, _, value) =>
    build.transpose(
      value,
      perm.map((_, axis) => perm.indexOf(axis)),
    ),
  slice: ({ attrs }, whole, value) => writeBox(whole, attrs, value),
  reshape: reshapedBack,
  expand: reshapedBack,
  detach: reshapedBack,
};

export interface Box {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly steps: readonly number[];
}

/** Places along one dimension that are written out one by one. */
const MAX_INTERLEAVED = 1_000_000;

/** `x` with the box's elements replaced by `update`, which has the box's shape. */
export function writeBox(x: Node, { starts, ends, steps }: Box, update: Node): Node {
  const box = update.shape;
  if (box.some((d) => d === 0)) return x;
  let result = update;
  // Axis by axis from the last: elements that are not selected keep x's values.
  for (let axis = box.length - 1; axis >= 0; axis--) {
    const size = x.shape[axis]!;
    if (box[axis] === size) continue;
    const region = (from: number, to: number): Node =>
      build.slice(
        x,
        starts.map((s, i) => (i < axis ? s : i === axis ? from : 0)),
        ends.map((e, i) => (i < axis ? e : i === axis ? to : x.shape[i]!)),
        steps.map((s, i) => (i < axis ? s : 1)),
      );
    const [start, count] = [starts[axis]!, box[axis]!];
    if (steps[axis] === 1 || count === 1) {
      const parts = [
        start > 0 ? region(0, start) : undefined,
        result,
        start + count < size ? region(start + count, size) : undefined,
      ];
      result = build.concat(
        parts.filter((p) => p !== undefined),
        axis,
      );
    } else {
      // Interleaved: each place takes its value from x, or from the update that stands behind x.
      if (size > MAX_INTERLEAVED) throw new ShapeError(`assigning to every n-th of ${size} elements is not supported`);
      const order = BigInt64Array.from({ length: size }, (_, i) => BigInt(i));
      for (let k = 0; k < count; k++) order[start + k * steps[axis]!] = BigInt(size + k);
      result = build.gather(
        build.concat([region(0, size), result], axis),
        build.constant(order, [size], "int64"),
        axis,
      );
    }
  }
  return result;
}

/** Where a view lies: elements before its first, and from one to the next of each dimension. */
export interface Layout {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Of a view over an origin in row-major order; undefined where a reshape on the way copies. */
export function layoutOfView(path: Node, origin: Node): Layout | undefined {
  let offset = 0;
  let strides: readonly number[] | undefined = stridesOf(origin.shape);
  let { shape } = origin;
  for (const step of stepsTo(path, origin) ?? []) {
    if (strides === undefined) return undefined;
    const own: readonly number[] = strides;
    if (is(step, "slice")) offset += own.reduce((sum, s, i) => sum + s * step.attrs.starts[i]!, 0);
    strides = (STRIDES_AFTER[step.op] as StridesAfter<ViewOp>)(step, own, shape);
    shape = step.shape;
  }
  return strides && { offset, strides };
}

/** Strides of what the step gives, from those of what it is taken of, which has the shape `from`. */
type StridesAfter<O extends ViewOp> = (
  step: Node<O>,
  own: readonly number[],
  from: readonly number[],
) => readonly number[] | undefined;

const STRIDES_AFTER: { readonly [O in ViewOp]: StridesAfter<O> } = {
  transpose: ({ attrs }, own) => attrs.perm.map((p) => own[p]!),
  slice: ({ attrs }, own) => own.map((s, i) => s * attrs.steps[i]!),
  expand: ({ shape }, own, from) => {
    const lead = shape.length - from.length;
    return shape.map((d, i) => (i < lead || from[i - lead] !== d ? 0 : own[i - lead]!));
  },
  reshape: ({ shape }, own, from) => reshapedStrides(from, own, shape),
  detach: (_, own) => own,
};

export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const dense = stridesOf(shape);
  return shape.includes(0) || strides.every((s, i) => shape[i] === 1 || s === dense[i]);
}

/**
 * Strides of the tensor seen in another shape without a copy; undefined where it takes one. Dimensions that lie behind
 * each other in memory are one run; each run has to be cut into whole new dimensions.
 */
export function reshapedStrides(
  shape: readonly number[],
  strides: readonly number[],
  to: readonly number[],
): readonly number[] | undefined {
  if (shape.includes(0)) return stridesOf(to);
  const result = new Array<number>(to.length);
  let at = to.length - 1;
  let run = 1;
  let base = strides.at(-1) ?? 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    run *= shape[axis]!;
    const next = axis === 0 ? undefined : strides[axis - 1]!;
    // A dimension of size 1 fits anywhere.
    if (next !== undefined && (shape[axis - 1] === 1 || next === run * base)) continue;
    let cut = 1;
    while (at >= 0 && (cut < run || to[at] === 1)) {
      result[at] = cut * base;
      cut *= to[at]!;
      at--;
    }
    if (cut !== run) return undefined;
    if (next === undefined) break;
    base = next;
    run = 1;
  }
  while (at >= 0) result[at--] = base;
  return result;
}
