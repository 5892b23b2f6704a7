import * as build from "../../../graph/build";
import { withInputs } from "../../../graph/graph";
import { is, type Node } from "../../../graph/node";
import type { OpName } from "../../../graph/ops";
import { ShapeError, stridesOf } from "../../../graph/shapes";
import type { Unknown } from "./unknown";

/**
 * The memory that a tensor and its views share, as PyTorch's storages are shared. Values are graph nodes, so a view is
 * a path of slices, transposes, reshapes and expansions over what the storage holds: after a change in place each view
 * is the same path over the new value, and what is written to a view goes the path back.
 */
export class Storage {
  constructor(
    public node: Node | undefined,
    /** Set if it has no node: the reason. */
    public unknown?: Unknown,
  ) {}
  /** Set if it must not be changed: the parameter's path. */
  fixed?: string;
  /** Whether its elements lie in row-major order; undefined where that depends on what is not followed. */
  rowMajor: boolean | undefined = true;
  /** Storages that may be this one: whether PyTorch's reshape copies depends on strides. */
  readonly rivals = new Set<Storage>();
}

const VIEWS: ReadonlySet<OpName> = new Set(["reshape", "transpose", "slice", "expand", "detach"]);

/** A path's ops from `origin` outward; undefined when `node` is no view of it. */
function stepsTo(node: Node, origin: Node): Node[] | undefined {
  const steps: Node[] = [];
  let at = node;
  while (at !== origin) {
    if (!VIEWS.has(at.op)) return undefined;
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
    const whole = before[i]!;
    if (is(step, "transpose")) {
      const { perm } = step.attrs;
      value = build.transpose(
        value,
        perm.map((_, axis) => perm.indexOf(axis)),
      );
    } else if (is(step, "slice")) {
      value = writeBox(whole, step.attrs, value);
    } else if (step.shape.reduce((n, d) => n * d, 1) !== whole.shape.reduce((n, d) => n * d, 1)) {
      return undefined;
    } else {
      value = build.reshape(value, whole.shape);
    }
  }
  return value;
}

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
    if (is(step, "transpose")) strides = step.attrs.perm.map((p) => own[p]!);
    else if (is(step, "slice")) {
      const { starts, steps } = step.attrs;
      offset += own.reduce((sum, s, i) => sum + s * starts[i]!, 0);
      strides = own.map((s, i) => s * steps[i]!);
    } else if (is(step, "expand")) {
      const lead = step.shape.length - shape.length;
      strides = step.shape.map((d, i) => (i < lead || shape[i - lead] !== d ? 0 : own[i - lead]!));
    } else strides = reshapedStrides(shape, own, step.shape);
    shape = step.shape;
  }
  return strides && { offset, strides };
}

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
