import { isFloating } from "../formats/dtype";
import { UserError } from "../formats/errors";
import { sizeOf } from "../formats/tensor";
import {
  add,
  arange,
  binary,
  cast,
  cumsum,
  div,
  expand,
  full,
  gather,
  gatherElements,
  layerNormInvStd,
  layerNormMean,
  matmul,
  mul,
  narrow,
  pad,
  reduce,
  reshape,
  scalar,
  scatterAdd,
  scatterElements,
  scatterElementsAdd,
  slice,
  sub,
  sumTo,
  topKIndices,
  transpose,
  unary,
  where,
} from "../graph/build";
import type { Node, Shape } from "../graph/node";
import type { OpName, ReduceAttrs } from "../graph/ops";
import type { Rule, Thunk } from "./rule";
import { convRule, convTransposeRule, maxPoolRule } from "./windowGradients";

/** The vector-Jacobian product of each op. */
export function gradientThunks(node: Node, dy: Node): readonly Thunk[] {
  const rule = RULES[node.op] as Rule<OpName>;
  return rule(node, dy, node.inputs);
}

const none = () => [];
const unsupported =
  (what: string): Rule<OpName> =>
  (node) => {
    throw new UserError(
      `the gradient of ${what} is not supported yet, so no layer before it can be trained`,
      node.place && { file: node.place.file, line: node.place.line },
    );
  };

/** An elementwise op of one operand whose derivative is `slope(x, y)`. */
const elementwise =
  (slope: (x: Node, y: Node) => Node): Rule<OpName> =>
  (node, dy, [x]) => [() => mul(dy, slope(x!, node))];

const like = (value: number, node: Node): Node => scalar(value, node.dtype);
const oneMinus = (node: Node): Node => sub(like(1, node), node);
const square = (node: Node): Node => mul(node, node);

const RULES: { readonly [O in OpName]: Rule<O> } = {
  input: none,
  parameter: none,
  constant: none,
  arange: none,

  neg: (_, dy) => [() => unary("neg", dy)],
  abs: elementwise((x) => unary("sign", x)),
  sign: none,
  exp: elementwise((_, y) => y),
  log: elementwise((x) => unary("reciprocal", x)),
  sqrt: elementwise((_, y) => div(like(0.5, y), y)),
  reciprocal: elementwise((_, y) => unary("neg", square(y))),
  sin: elementwise((x) => unary("cos", x)),
  cos: elementwise((x) => unary("neg", unary("sin", x))),
  tanh: elementwise((_, y) => oneMinus(square(y))),
  sigmoid: elementwise((_, y) => mul(y, oneMinus(y))),
  erf: elementwise((x) => mul(unary("exp", unary("neg", square(x))), like(2 / Math.sqrt(Math.PI), x))),
  atan: elementwise((x) => unary("reciprocal", add(like(1, x), square(x)))),
  log1p: elementwise((x) => unary("reciprocal", add(like(1, x), x))),
  expm1: elementwise((_, y) => add(y, like(1, y))),
  // PyTorch takes the subgradient 0 at 0. A product: engines' select kernels take twice as long.
  relu: elementwise((_, y) => cast(binary("less", like(0, y), y), y.dtype)),
  gelu: (node, dy, [x]) => [() => mul(dy, node.attrs.approximate === "tanh" ? geluTanhSlope(x!) : geluSlope(x!))],
  floor: none,
  ceil: none,
  round: none,
  not: none,
  cast: (_, dy, [x]) => (isFloating(x!.dtype) && isFloating(dy.dtype) ? [() => cast(dy, x!.dtype)] : []),
  dropout: () => {
    throw new Error("dropout must be replaced by a mask product, or removed, before differentiating");
  },

  detach: none,
  layer: (_, dy) => [() => dy],

  add: (_, dy, [a, b]) => [() => sumTo(dy, a!.shape), () => sumTo(dy, b!.shape)],
  sub: (_, dy, [a, b]) => [() => sumTo(dy, a!.shape), () => sumTo(unary("neg", dy), b!.shape)],
  mul: (_, dy, [a, b]) => [() => sumTo(mul(dy, b!), a!.shape), () => sumTo(mul(dy, a!), b!.shape)],
  div: (node, dy, [a, b]) => [
    () => sumTo(div(dy, b!), a!.shape),
    () => sumTo(unary("neg", div(mul(dy, node), b!)), b!.shape),
  ],
  pow: (node, dy, [a, b]) => [
    () => sumTo(mul(dy, mul(b!, binary("pow", a!, sub(b!, like(1, b!))))), a!.shape),
    () => sumTo(mul(dy, mul(node, unary("log", a!))), b!.shape),
  ],
  // PyTorch gives each of two equal operands half.
  maximum: (_, dy, [a, b]) => extremum(dy, a!, b!, (p, q) => binary("less", q, p)),
  minimum: (_, dy, [a, b]) => extremum(dy, a!, b!, (p, q) => binary("less", p, q)),
  equal: none,
  less: none,
  lessEqual: none,
  and: none,
  or: none,
  where: (_, dy, [condition, a, b]) => [
    undefined,
    () => sumTo(where(condition!, dy, like(0, dy)), a!.shape),
    () => sumTo(where(condition!, like(0, dy), dy), b!.shape),
  ],

  linear: (_, dy, [x, weight]) => [
    () => (x!.shape.length === 1 ? reshape(matmul(rows(dy), weight!), x!.shape) : matmul(dy, weight!)),
    () => matmul(rows(dy), rows(x!), { transposeA: true }),
    () => reduce("sum", rows(dy), [0], false),
  ],
  matmul: matmulRule,
  conv: convRule,
  convTranspose: convTransposeRule,
  maxPool: maxPoolRule,
  maxPoolIndices: none,

  reshape: (_, dy, [x]) => [() => reshape(dy, x!.shape)],
  transpose: (node, dy) => [() => transpose(dy, inverse(node.attrs.perm))],
  expand: (_, dy, [x]) => [() => sumTo(dy, x!.shape)],
  slice: (node, dy, [x]) => [() => unslice(node, dy, x!.shape)],
  concat: (node, dy, parts) => {
    const { axis } = node.attrs;
    let start = 0;
    return parts.map((part) => {
      const from = start;
      start += part.shape[axis]!;
      return () => narrow(dy, axis, from, from + part.shape[axis]!);
    });
  },
  pad: (node, dy, [x]) => {
    const { before } = node.attrs;
    return [
      () =>
        slice(
          dy,
          before,
          before.map((b, i) => b + x!.shape[i]!),
        ),
    ];
  },

  gather: (node, dy, [data, indices]) => [() => scatterAdd(indices!, dy, node.attrs.axis, data!.shape)],
  scatterAdd: (node, dy, [indices]) => [undefined, () => gather(dy, indices!, node.attrs.axis)],
  gatherElements: (node, dy, [data, indices]) => [() => scatterElementsAdd(indices!, dy, node.attrs.axis, data!.shape)],
  scatterElements: ({ attrs: { axis } }, dy, [, indices, updates]) => [
    () => scatterElements(dy, indices!, full(0, updates!.shape, dy.dtype), axis),
    undefined,
    () => gatherElements(dy, indices!, axis),
  ],
  scatterElementsAdd: (node, dy, [indices]) => [undefined, () => gatherElements(dy, indices!, node.attrs.axis)],

  sum: (node, dy, [x]) => [() => unreduce(node, dy, x!.shape)],
  mean: (node, dy, [x]) => [() => unreduce(node, mul(dy, like(sizeOf(node.shape) / sizeOf(x!.shape), dy)), x!.shape)],
  max: extremeReduction,
  min: extremeReduction,
  prod: unsupported("prod"),
  argmax: none,
  argmin: none,
  topK: ({ attrs: { k, axis, largest } }, dy, [x]) => [
    () => scatterElementsAdd(topKIndices(x!, k, axis, largest), dy, axis, x!.shape),
  ],
  topKIndices: none,
  cumsum: (node, dy, [x]) => [
    () => {
      const { axis } = node.attrs;
      // A suffix sum: total - prefix + own.
      return add(sub(expand(reduce("sum", dy, [axis], true), x!.shape), cumsum(dy, axis)), dy);
    },
  ],

  softmax: (node, dy) => [() => mul(node, sub(dy, reduce("sum", mul(dy, node), [node.attrs.axis], true)))],
  logSoftmax: (node, dy) => [() => sub(dy, mul(unary("exp", node), reduce("sum", dy, [node.attrs.axis], true)))],
  layerNorm: layerNormRule,
  layerNormMean: unsupported("a gradient"),
  layerNormInvStd: unsupported("a gradient"),
};

/** All leading dimensions as rows. */
function rows(x: Node): Node {
  return reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}

function inverse(perm: readonly number[]): number[] {
  const out = new Array<number>(perm.length);
  perm.forEach((p, i) => {
    out[p] = i;
  });
  return out;
}

/** Phi(x) + x phi(x), the derivative of x Phi(x). */
function geluSlope(x: Node): Node {
  const cdf = mul(like(0.5, x), add(like(1, x), unary("erf", mul(x, like(Math.SQRT1_2, x)))));
  const density = mul(like(1 / Math.sqrt(2 * Math.PI), x), unary("exp", mul(like(-0.5, x), square(x))));
  return add(cdf, mul(x, density));
}

/** Derivative of 0.5 x (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2/pi). */
function geluTanhSlope(x: Node): Node {
  const c = Math.sqrt(2 / Math.PI);
  const cubic = mul(like(0.044715, x), square(x));
  const t = unary("tanh", mul(mul(like(c, x), x), add(like(1, x), cubic)));
  const inner = mul(like(c, x), add(like(1, x), mul(like(3, x), cubic)));
  return mul(like(0.5, x), add(add(like(1, x), t), mul(mul(x, oneMinus(square(t))), inner)));
}

function extremum(dy: Node, a: Node, b: Node, wins: (p: Node, q: Node) => Node): Thunk[] {
  const half = () => where(binary("equal", a, b), mul(dy, like(0.5, dy)), like(0, dy));
  return [() => sumTo(where(wins(a, b), dy, half()), a.shape), () => sumTo(where(wins(b, a), dy, half()), b.shape)];
}

function matmulRule(node: Node<"matmul">, dy: Node, [a, b, c]: readonly Node[]): readonly Thunk[] {
  const { transposeA, transposeB, alpha } = node.attrs;
  return [
    () =>
      sumTo(
        transposeA
          ? matmul(b!, dy, { transposeA: transposeB, transposeB: true, alpha })
          : matmul(dy, b!, { transposeB: !transposeB, alpha }),
        a!.shape,
      ),
    () => {
      // A matrix shared over leading dimensions: one product over all rows, not a batch of products and their sum.
      const [left, right] = b!.shape.length === 2 && !transposeA ? [rows(a!), rows(dy)] : [a!, dy];
      return sumTo(
        transposeB
          ? matmul(right, left, { transposeA: true, transposeB: transposeA, alpha })
          : matmul(left, right, { transposeA: !transposeA, alpha }),
        b!.shape,
      );
    },
    c && (() => sumTo(dy, c.shape)),
  ];
}

function unslice(node: Node<"slice">, dy: Node, shape: Shape): Node {
  const { starts, steps } = node.attrs;
  let spread = dy;
  steps.forEach((step, axis) => {
    if (step === 1) return;
    const extent = (spread.shape[axis]! - 1) * step + 1;
    const to = spread.shape.map((d, i) => (i === axis ? extent : d));
    spread = scatterAdd(arange(spread.shape[axis]!, "int64", 0, step), spread, axis, to);
  });
  return pad(
    spread,
    starts,
    shape.map((d, i) => d - starts[i]! - spread.shape[i]!),
  );
}

/** dy, brought back to the shape that was reduced. */
function unreduce(node: Node, dy: Node, shape: Shape): Node {
  const { axes } = node.attrs as ReduceAttrs;
  return expand(reshape(dy, keptShape(shape, axes)), shape);
}

function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

/** Equal extremes share the gradient evenly, as torch.amax does. */
function extremeReduction(node: Node, dy: Node, [x]: readonly Node[]): readonly Thunk[] {
  return [
    () => {
      const { axes } = node.attrs as ReduceAttrs;
      const kept = keptShape(x!.shape, axes);
      const hit = cast(binary("equal", x!, reshape(node, kept)), x!.dtype);
      return mul(hit, div(reshape(dy, kept), reduce("sum", hit, axes, true)));
    },
  ];
}

function layerNormRule(node: Node<"layerNorm">, dy: Node, [x, weight, bias]: readonly Node[]): readonly Thunk[] {
  const { dims, eps } = node.attrs;
  const inverseStd = layerNormInvStd(x!, dims, eps);
  const normalized = () => mul(sub(x!, layerNormMean(x!, dims)), inverseStd);
  const mean = (n: Node) => layerNormMean(n, dims);
  return [
    () => {
      const g = weight ? mul(dy, weight) : dy;
      const xhat = normalized();
      return mul(inverseStd, sub(sub(g, mean(g)), mul(xhat, mean(mul(g, xhat)))));
    },
    weight && (() => sumTo(mul(dy, normalized()), weight.shape)),
    bias && (() => sumTo(dy, bias.shape)),
  ];
}

/** dy of a scalar loss by itself. */
export function seedGradient(loss: Node): Node {
  return full(1, loss.shape, loss.dtype);
}
