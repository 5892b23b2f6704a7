import { type DType, isFloating } from "../../formats/dtype";
import { erf } from "../../numbers/erf";
import { forKind } from "../kinds";
import type { Node } from "../node";
import type { OpName } from "../ops";
import { sumLength } from "../sumLength";
import * as axes from "./axes";
import { cast, div, each, first, gelu, pair, round, where } from "./elementwise";
import * as places from "./places";
import { linear, matmul } from "./products";
import { type Fold, sizeOf, type Values } from "./values";

/** Elements of one value that is computed. */
const LIMIT = 65_536;
/** Elements of all that one value is computed from; an element of a product counts as all that it sums. */
const MAX_FOLDED = 4_000_000;

/**
 * The node's elements where they follow from constants alone; undefined where they depend on inputs or weights, or are
 * too many. `charge` is told how many elements were computed for it.
 */
export function foldConstants(node: Node, charge?: (elements: number) => void): Values | undefined {
  const folding: Folding = { known: new Map(), count: 0 };
  const values = folded(node, folding);
  charge?.(folding.count);
  return values;
}

interface Folding {
  readonly known: Map<Node, Values | undefined>;
  /** Elements computed so far. */
  count: number;
}

function folded(node: Node, folding: Folding): Values | undefined {
  const { known } = folding;
  if (known.has(node)) return known.get(node);
  const size = sizeOf(node.shape);
  folding.count += 1 + size;
  const values = size > LIMIT || folding.count > MAX_FOLDED ? undefined : compute(node, size, folding);
  const held = values && asHeld(values, node.dtype);
  known.set(node, held);
  return held;
}

function asHeld(values: Values, dtype: DType): Values {
  if (dtype === "float32") return values.map(Math.fround);
  // Whole numbers have no negative zero.
  return isFloating(dtype) ? values : values.map((v) => v + 0);
}

function compute(node: Node, size: number, folding: Folding): Values | undefined {
  const operands: Values[] = [];
  for (const input of node.inputs) {
    const values = folded(input, folding);
    if (!values) return undefined;
    operands.push(values);
  }
  const work = size * (sumLength(node) - 1);
  if (folding.count + work > MAX_FOLDED) return undefined;
  folding.count += work;
  return (FOLDS[node.op] as Fold)(node, operands);
}

const unknown = (): undefined => undefined;

const FOLDS: { readonly [O in OpName]: Fold<O> } = {
  input: unknown,
  parameter: unknown,
  constant: ({ shape, attrs }) => {
    const data = Array.from(attrs.data, Number);
    const size = sizeOf(shape);
    return data.length === size ? data : new Array<number>(size).fill(data[0]!);
  },
  arange: ({ shape, attrs: { start, step } }) => Array.from({ length: shape[0]! }, (_, i) => start + i * step),

  neg: each((x) => -x),
  abs: each(Math.abs),
  sign: each(Math.sign),
  exp: each(Math.exp),
  log: each(Math.log),
  sqrt: each(Math.sqrt),
  reciprocal: each((x) => 1 / x),
  sin: each(Math.sin),
  cos: each(Math.cos),
  tanh: each(Math.tanh),
  sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  erf: each(erf),
  atan: each(Math.atan),
  log1p: each(Math.log1p),
  expm1: each(Math.expm1),
  relu: each((x) => Math.max(0, x)),
  gelu,
  floor: each(Math.floor),
  ceil: each(Math.ceil),
  round: each(round),
  not: each((x) => (x ? 0 : 1)),
  cast,

  // Which elements it drops is drawn when the graph runs.
  dropout: unknown,
  detach: first,
  layer: first,

  add: pair((a, b) => a + b),
  sub: pair((a, b) => a - b),
  mul: pair((a, b) => a * b),
  div,
  pow: pair((a, b) => a ** b),
  maximum: pair(Math.max),
  minimum: pair(Math.min),
  equal: pair((a, b) => Number(a === b)),
  less: pair((a, b) => Number(a < b)),
  lessEqual: pair((a, b) => Number(a <= b)),
  and: pair((a, b) => Number(a && b)),
  or: pair((a, b) => Number(a || b)),
  where,

  linear,
  matmul,
  // Numbers that code branches on, or takes sizes from, do not come from windows over constants.
  ...forKind("window", unknown),

  reshape: first,
  transpose: places.transpose,
  expand: places.expand,
  slice: places.slice,
  concat: places.concat,
  pad: places.pad,

  gather: places.gather,
  scatterAdd: places.scatterAdd,
  gatherElements: places.gatherElements,
  scatterElements: places.scatterElements,
  scatterElementsAdd: places.scatterElementsAdd,

  sum: axes.reduction(axes.sum),
  mean: axes.reduction(axes.mean),
  max: axes.reduction(axes.largest),
  min: axes.reduction(axes.smallest),
  prod: axes.reduction(axes.product),
  argmax: axes.extreme((a, b) => a > b),
  argmin: axes.extreme((a, b) => a < b),
  topK: axes.topK((row, place) => row[place]!),
  topKIndices: axes.topK((_, place) => place),
  cumsum: axes.cumsum,

  softmax: axes.softmax,
  logSoftmax: axes.logSoftmax,
  layerNorm: axes.layerNorm,
  layerNormMean: axes.layerNormMean,
  layerNormInvStd: axes.layerNormInvStd,
};
