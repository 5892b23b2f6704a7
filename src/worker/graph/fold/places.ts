import type { Shape } from "../node";
import { stridesOf } from "../shapes";
import { type Fold, pick, sizeOf, spread, type Values } from "./values";

/** Elements picked by their places, put beside others, or put into their places. */

export const slice: Fold<"slice"> = (node, [x]) => {
  const { starts, steps } = node.attrs;
  return pick(x!, node.inputs[0]!.shape, node.shape, (at) => at.map((p, i) => starts[i]! + p * steps[i]!));
};

export const transpose: Fold<"transpose"> = (node, [x]) => {
  const { perm } = node.attrs;
  return pick(x!, node.inputs[0]!.shape, node.shape, (at) => perm.map((_, axis) => at[perm.indexOf(axis)]!));
};

export const expand: Fold<"expand"> = (node, [x]) => spread(x!, node.inputs[0]!.shape, node.shape);

export const concat: Fold<"concat"> = ({ inputs, attrs: { axis } }, operands) => {
  // Before the axis, all inputs have the same: of each, one block after the other.
  const blocks = inputs.map(({ shape }) => sizeOf(shape.slice(axis)));
  const outer = sizeOf(inputs[0]!.shape.slice(0, axis));
  return Array.from({ length: outer }, (_, i) =>
    operands.map((values, n) => values.slice(i * blocks[n]!, (i + 1) * blocks[n]!)),
  ).flat(2);
};

export const pad: Fold<"pad"> = ({ inputs, shape, attrs: { before, value } }, [x]) => {
  const from = inputs[0]!.shape;
  const [strides, steps] = [stridesOf(from), stridesOf(shape)];
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    let place = 0;
    for (const [i, d] of shape.entries()) {
      const at = (Math.floor(flat / steps[i]!) % d) - before[i]!;
      if (at < 0 || at >= from[i]!) return value;
      place += at * strides[i]!;
    }
    return x![place]!;
  });
};

export const gather: Fold<"gather"> = ({ inputs, attrs: { axis } }, [data, indices]) => {
  const { shape } = inputs[0]!;
  const inner = stridesOf(shape)[axis]!;
  const block = inner * shape[axis]!;
  return Array.from({ length: sizeOf(shape.slice(0, axis)) }, (_, i) =>
    indices!.map((at) => data!.slice(i * block + at * inner, i * block + (at + 1) * inner)),
  ).flat(2);
};

export const scatterAdd: Fold<"scatterAdd"> = ({ attrs: { axis, shape } }, [indices, updates]) => {
  const inner = stridesOf(shape)[axis]!;
  const sums = new Array<number>(sizeOf(shape)).fill(0);
  updates!.forEach((update, flat) => {
    const row = Math.floor(flat / inner);
    const outer = Math.floor(row / indices!.length);
    sums[(outer * shape[axis]! + indices![row % indices!.length]!) * inner + (flat % inner)]! += update;
  });
  return sums;
};

/** Where in a tensor of `shape` each index points that stands in a tensor of shape `places`. */
function targets(indices: Values, places: Shape, shape: Shape, axis: number): number[] {
  const [steps, strides] = [stridesOf(places), stridesOf(shape)];
  return indices.map((index, flat) =>
    places.reduce((n, d, i) => n + (i === axis ? index : Math.floor(flat / steps[i]!) % d) * strides[i]!, 0),
  );
}

export const gatherElements: Fold<"gatherElements"> = ({ inputs, attrs }, [data, indices]) =>
  targets(indices!, inputs[1]!.shape, inputs[0]!.shape, attrs.axis).map((place) => data![place]!);

export const scatterElements: Fold<"scatterElements"> = ({ inputs, attrs }, [data, indices, updates]) => {
  const changed = [...data!];
  for (const [flat, place] of targets(indices!, inputs[1]!.shape, inputs[0]!.shape, attrs.axis).entries())
    changed[place] = updates![flat]!;
  return changed;
};

export const scatterElementsAdd: Fold<"scatterElementsAdd"> = ({ inputs, attrs }, [indices, updates]) => {
  const sums = new Array<number>(sizeOf(attrs.shape)).fill(0);
  for (const [flat, place] of targets(indices!, inputs[0]!.shape, attrs.shape, attrs.axis).entries())
    sums[place]! += updates![flat]!;
  return sums;
};
