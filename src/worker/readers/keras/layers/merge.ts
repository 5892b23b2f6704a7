import { add, binary, concat, matmul, reshape, transpose } from "../../../graph/build";
import type { Node } from "../../../graph/node";
import { normalizeAxis, ShapeError } from "../../../graph/shapes";
import { ConfigError, Untraceable } from "../config";
import { isJsonArray } from "../json";
import type { LayerKind } from "../layer";
import { times } from "./spatial";

/** Layers that join several inputs. */

/** Keras aligns operands of different rank at the batch: the shorter ones get axes of 1 after it. */
function aligned(inputs: readonly Node[]): Node[] {
  const rank = Math.max(...inputs.map((x) => x.shape.length));
  return inputs.map((x) => {
    if (x.shape.length === rank) return x;
    const ones = new Array<number>(rank - x.shape.length).fill(1);
    return reshape(x, [x.shape[0]!, ...ones, ...x.shape.slice(1)]);
  });
}

const merging =
  (join: (a: Node, b: Node) => Node): LayerKind =>
  ({ inputs }) => {
    if (inputs.length < 2) throw new ConfigError(`it joins two inputs or more; it is given ${inputs.length}`);
    return aligned(inputs).reduce(join);
  };

const concatenate: LayerKind = ({ inputs, config }) => {
  const rank = inputs[0]!.shape.length;
  return concat(inputs, normalizeAxis(config.number("axis", -1), rank));
};

const dot: LayerKind = ({ inputs, config }) => {
  const [a, b] = inputs;
  if (!a || !b || inputs.length !== 2) throw new ConfigError(`it takes two inputs; it is given ${inputs.length}`);
  const stated = config.get("axes");
  const pair = isJsonArray(stated) ? stated : [stated, stated];
  const [p, q] = pair;
  if (typeof p !== "number" || typeof q !== "number") throw new ConfigError("axes must be one axis or two");
  if (config.flag("normalize", false)) throw new Untraceable("a normalized Dot is not supported");
  const left = toLast(a, normalizeAxis(p, a.shape.length));
  const right = toLast(b, normalizeAxis(q, b.shape.length));
  const [inner, other] = [left.shape.at(-1)!, right.shape.at(-1)!];
  if (inner !== other) throw new ShapeError(`the axes to multiply along have ${inner} and ${other} elements`);
  const batch = a.shape[0]!;
  const product = matmul(reshape(left, [batch, -1, inner]), reshape(right, [batch, -1, inner]), { transposeB: true });
  const out = [...left.shape.slice(1, -1), ...right.shape.slice(1, -1)];
  return reshape(product, [batch, ...(out.length > 0 ? out : [1])]);
};

function toLast(x: Node, axis: number): Node {
  if (axis === 0) throw new ConfigError("the batch axis cannot be multiplied along");
  const rest = x.shape.map((_, i) => i).filter((i) => i !== axis);
  return transpose(x, [...rest, axis]);
}

export const MERGES: Readonly<Record<string, LayerKind>> = {
  Add: merging(add),
  Multiply: merging((a, b) => binary("mul", a, b)),
  Maximum: merging((a, b) => binary("maximum", a, b)),
  Minimum: merging((a, b) => binary("minimum", a, b)),
  Subtract: merging((a, b) => binary("sub", a, b)),
  Average: (call) => times(merging(add)(call) as Node, 1 / call.inputs.length),
  Concatenate: concatenate,
  Dot: dot,
};
