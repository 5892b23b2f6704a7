import type { Shape } from "../node";
import { type Fold, sizeOf, spread, type Values } from "./values";

/** Matrix products. */

export const linear: Fold<"linear"> = ({ inputs }, [x, weight, bias]) => {
  const [out, k] = inputs[1]!.shape as [number, number];
  const rows = sizeOf(inputs[0]!.shape.slice(0, -1));
  return Array.from({ length: rows * out }, (_, flat) => {
    const [row, column] = [Math.floor(flat / out), flat % out];
    let total = bias?.[column] ?? 0;
    for (let i = 0; i < k; i++) total += x![row * k + i]! * weight![column * k + i]!;
    return total;
  });
};

export const matmul: Fold<"matmul"> = ({ inputs, shape, attrs }, [a, b, c]) => {
  const [left, right] = [inputs[0]!.shape, inputs[1]!.shape];
  const [m, n] = shape.slice(-2) as [number, number];
  const k = left.at(attrs.transposeA ? -2 : -1)!;
  const lead = shape.slice(0, -2);
  const [x, y] = [batched(a!, left, lead), batched(b!, right, lead)];
  const addend = c && spread(c, inputs[2]!.shape, shape);
  // From one element of a sum to the next, and from one row or column to the next.
  const [innerA, outerA] = attrs.transposeA ? [m, 1] : [1, k];
  const [innerB, outerB] = attrs.transposeB ? [1, k] : [n, 1];
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    const batch = Math.floor(flat / (m * n));
    const startA = batch * m * k + (Math.floor(flat / n) % m) * outerA;
    const startB = batch * k * n + (flat % n) * outerB;
    let total = 0;
    for (let i = 0; i < k; i++) total += x[startA + i * innerA]! * y[startB + i * innerB]!;
    return attrs.alpha * total + (addend?.[flat] ?? 0);
  });
};

function batched(values: Values, shape: Shape, lead: Shape): Values {
  return shape.length - 2 === lead.length && lead.every((d, i) => d === shape[i])
    ? values
    : spread(values, shape, [...lead, ...shape.slice(-2)]);
}
