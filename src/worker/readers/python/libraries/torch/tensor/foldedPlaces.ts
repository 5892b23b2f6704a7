import { is, type Node } from "../../../../../graph/node";
import { stridesOf } from "../../../../../graph/shapes";

/** Values of small tensors, continued: ops that look along one axis, or pick elements by their places. */

type Values = readonly number[];

/** A tensor as rows along an axis: where each begins, and how far apart its elements are. */
function rowsAlong(shape: readonly number[], axis: number): { starts: number[]; step: number; length: number } {
  const step = stridesOf(shape)[axis]!;
  const length = shape[axis]!;
  const count = length === 0 ? 0 : shape.reduce((n, d) => n * d, 1) / length;
  const starts = Array.from({ length: count }, (_, i) => Math.floor(i / step) * step * length + (i % step));
  return { starts, step, length };
}

/** The node's elements from those of its inputs; undefined for any other op. */
export function foldedPlaces(node: Node, inputs: readonly Values[]): Values | undefined {
  const [first, second, third] = inputs as [Values, Values | undefined, Values | undefined];
  const shape = node.inputs[0]!.shape;
  if (is(node, "argmax") || is(node, "argmin")) {
    const { starts, step, length } = rowsAlong(shape, node.attrs.axis);
    const better = is(node, "argmax") ? (a: number, b: number) => a > b : (a: number, b: number) => a < b;
    return starts.map((start) => {
      let best = 0;
      for (let i = 1; i < length; i++) if (better(first[start + i * step]!, first[start + best * step]!)) best = i;
      return best;
    });
  }
  if (is(node, "cumsum")) {
    const { starts, step, length } = rowsAlong(shape, node.attrs.axis);
    const sums = [...first];
    for (const start of starts)
      for (let i = 1; i < length; i++) sums[start + i * step]! += sums[start + (i - 1) * step]!;
    return sums;
  }
  if (is(node, "concat")) {
    const { axis } = node.attrs;
    // Before the axis, all inputs have the same: of each, one block after the other.
    const blocks = node.inputs.map((input) => input.shape.slice(axis).reduce((n, d) => n * d, 1));
    const outer = shape.slice(0, axis).reduce((n, d) => n * d, 1);
    return Array.from({ length: outer }, (_, i) =>
      inputs.map((values, n) => values.slice(i * blocks[n]!, (i + 1) * blocks[n]!)),
    ).flat(2);
  }
  if (is(node, "gather")) {
    const { axis } = node.attrs;
    const inner = stridesOf(shape)[axis]!;
    const block = inner * shape[axis]!;
    const outer = shape.slice(0, axis).reduce((n, d) => n * d, 1);
    return Array.from({ length: outer }, (_, i) =>
      second!.map((at) => first.slice(i * block + at * inner, i * block + (at + 1) * inner)),
    ).flat(2);
  }
  if (is(node, "gatherElements") || is(node, "scatterElements")) {
    const { axis } = node.attrs;
    const places = node.inputs[1]!.shape;
    const [steps, strides] = [stridesOf(places), stridesOf(shape)];
    const target = (flat: number) =>
      places.reduce((n, d, i) => n + (i === axis ? second![flat]! : Math.floor(flat / steps[i]!) % d) * strides[i]!, 0);
    if (is(node, "gatherElements")) return second!.map((_, flat) => first[target(flat)]!);
    const changed = [...first];
    for (const flat of second!.keys()) changed[target(flat)] = third![flat]!;
    return changed;
  }
  return undefined;
}
