import type { Node, Shape } from "../node";
import type { OpName } from "../ops";
import { broadcast, stridesOf } from "../shapes";

/** A tensor's elements in row-major order; booleans as 0 and 1. */
export type Values = readonly number[];

/** A node's elements from those of its operands; undefined where they are not computed. */
export type Fold<O extends OpName = OpName> = (node: Node<O>, operands: readonly Values[]) => Values | undefined;

export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

/** Elements of a tensor of shape `from`, picked for each place of a tensor of shape `to`. */
export function pick(values: Values, from: Shape, to: Shape, source: (at: number[]) => number[]): Values {
  const strides = stridesOf(from);
  const steps = stridesOf(to);
  return Array.from({ length: sizeOf(to) }, (_, flat) => {
    const at = to.map((d, i) => Math.floor(flat / steps[i]!) % d);
    return values[source(at).reduce((n, p, i) => n + p * strides[i]!, 0)]!;
  });
}

/** Broadcasts to `to`. */
export function spread(values: Values, from: Shape, to: Shape): Values {
  const lead = broadcast(from, to).length - from.length;
  return pick(values, from, to, (at) => from.map((d, i) => (d === 1 ? 0 : at[i + lead]!)));
}
