import { isFloating } from "../../formats/dtype";
import { erf } from "../../numbers/erf";
import type { Node } from "../node";
import { type Fold, spread, type Values } from "./values";

/** Elements computed from those at the same place. */

export const each =
  (compute: (x: number) => number): Fold =>
  (_, [x]) =>
    x!.map(compute);

export const pair =
  (compute: (a: number, b: number) => number): Fold =>
  (node, operands) => {
    const [a, b] = aligned(node, operands) as [Values, Values];
    return a.map((x, i) => compute(x, b[i]!));
  };

export const first: Fold = (_, [x]) => x;

/** Whole numbers are divided toward zero. */
export const div: Fold<"div"> = (node, operands) => {
  const compute = isFloating(node.dtype)
    ? (a: number, b: number) => a / b
    : (a: number, b: number) => Math.trunc(a / b);
  return pair(compute)(node, operands);
};

export const where: Fold<"where"> = (node, operands) => {
  const [condition, a, b] = aligned(node, operands) as [Values, Values, Values];
  return condition.map((flag, i) => (flag ? a[i]! : b[i]!));
};

export const cast: Fold<"cast"> = ({ dtype }, [x]) => {
  if (dtype === "bool") return x!.map((v) => Number(v !== 0));
  return isFloating(dtype) ? x : x!.map(Math.trunc);
};

export const gelu: Fold<"gelu"> = ({ attrs }, [x]) => x!.map(attrs.approximate === "tanh" ? geluTanh : geluExact);

const geluExact = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));
const geluTanh = (x: number): number => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Half to even. */
export const round = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

function aligned(node: Node, operands: readonly Values[]): Values[] {
  return node.inputs.map((operand, i) => spread(operands[i]!, operand.shape, node.shape));
}
