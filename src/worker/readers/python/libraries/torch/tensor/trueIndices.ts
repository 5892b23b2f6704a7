import * as build from "../../../../../graph/build";
import type { Node } from "../../../../../graph/node";
import { fold } from "./fold";
import { coordinates } from "./selectedRows";

/**
 * Where a mask is true, one int64 tensor for each of its dimensions: numbers, where the mask is known from the source
 * alone; otherwise a selection, whose length depends on data.
 */
export function trueIndices(mask: Node): Node[] {
  return knownIndices(mask) ?? coordinates(mask);
}

export function knownIndices(mask: Node): Node[] | undefined {
  const values = fold(mask);
  if (!values) return undefined;
  const places = values.flatMap((v, i) => (v ? [i] : []));
  let step = values.length;
  return mask.shape.map((size) => {
    step /= size;
    const along = BigInt64Array.from(places, (p) => BigInt(Math.floor(p / step) % size));
    return build.constant(along, [places.length], "int64");
  });
}
