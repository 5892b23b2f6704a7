import { strict as assert } from "node:assert";
import * as g from "../../../../src/worker/graph/build";
import { foldConstants } from "../../../../src/worker/graph/fold/fold";
import type { OpsOf } from "../../../../src/worker/graph/kinds";
import { make } from "../../../../src/worker/graph/make";
import type { Node } from "../../../../src/worker/graph/node";
import type { OpName } from "../../../../src/worker/graph/ops";
import { conv } from "../../../../src/worker/graph/windows";
import { assertTold, operand, PYTORCH } from "../known";

const x = operand("x");
const p = operand("p");
const y = operand("y");
const w = operand("w");
const v = operand("v");
const a = operand("a");
const b = operand("b");
const c = operand("c");
const t = operand("t");
const tail = operand("tail");
const i = operand("i");
const j = operand("j");
const m = operand("m");
const at = operand("at");
const places = operand("places");

/** Ops of which nothing is known before the graph runs, or that are not computed. */
type Unknown = "input" | "parameter" | "dropout" | OpsOf<"window">;

/** Each op of constants, under the name that the fixture has for it. */
const NODES: { readonly [O in Exclude<OpName, Unknown>]: Node } & Readonly<Record<string, Node>> = {
  constant: x,
  arange: g.arange(4, "float32", 3, 2),

  neg: g.unary("neg", x),
  abs: g.unary("abs", x),
  sign: g.unary("sign", x),
  exp: g.unary("exp", x),
  log: g.unary("log", p),
  sqrt: g.unary("sqrt", p),
  reciprocal: g.unary("reciprocal", p),
  sin: g.unary("sin", x),
  cos: g.unary("cos", x),
  tanh: g.unary("tanh", x),
  sigmoid: g.unary("sigmoid", x),
  erf: g.unary("erf", tail),
  atan: g.unary("atan", x),
  log1p: g.unary("log1p", p),
  expm1: g.unary("expm1", x),
  relu: g.unary("relu", x),
  gelu: g.gelu(x),
  geluTanh: g.gelu(x, "tanh"),
  floor: g.unary("floor", x),
  ceil: g.unary("ceil", x),
  round: g.unary("round", x),
  not: g.unary("not", m),
  cast: g.cast(x, "int64"),
  detach: g.detach(x),
  layer: make("layer", [x, y], { layer: "fc" }, x.shape, x.dtype),

  add: g.add(x, y),
  sub: g.sub(x, y),
  mul: g.mul(x, y),
  div: g.div(i, j),
  pow: g.binary("pow", p, y),
  maximum: g.binary("maximum", x, y),
  minimum: g.binary("minimum", x, y),
  equal: g.binary("equal", i, j),
  less: g.binary("less", i, j),
  lessEqual: g.binary("lessEqual", i, j),
  and: g.binary("and", m, g.narrow(m, 0, 0, 1)),
  or: g.binary("or", m, g.narrow(m, 0, 0, 1)),
  where: g.where(m, i, j),

  linear: g.linear(a, w, v),
  matmul: g.matmul(a, b, { transposeB: true, alpha: 0.5, c }),
  matmulTransposed: g.matmul(part(a, 0), part(a, 1), { transposeA: true }),

  reshape: g.reshape(a, [4, 6]),
  transpose: g.transpose(a, [2, 0, 1]),
  expand: g.expand(y, [2, 3, 4]),
  slice: g.slice(x, [1, 0], [3, 4], [1, 3]),
  concat: g.concat([x, p], 1),
  pad: g.pad(x, [0, 1], [1, 2], 9),

  gather: g.gather(x, at, 1),
  scatterAdd: g.scatterAdd(at, a, 1, [2, 4, 4]),
  gatherElements: g.gatherElements(x, places, 0),
  scatterElements: g.scatterElements(x, g.narrow(places, 0, 0, 1), g.reshape(y, [1, 4]), 0),
  scatterElementsAdd: g.scatterElementsAdd(places, g.narrow(part(a, 0), 0, 0, 2), 0, [3, 4]),

  sum: g.reduce("sum", a, [0, 2], false),
  mean: g.reduce("mean", a, [1], true),
  max: g.reduce("max", a, [1, 2], false),
  min: g.reduce("min", a, [0], false),
  prod: g.reduce("prod", a, [2], false),
  argmax: g.argmax(x, 1, false),
  argmin: g.argmin(a, 1, false),
  topK: g.topK(t, 3, 1, true),
  topKIndices: g.topKIndices(t, 3, 1, true),
  smallestIndices: g.topKIndices(t, 2, 0, false),
  cumsum: g.cumsum(a, 1),

  softmax: g.softmax(a, 1),
  logSoftmax: g.logSoftmax(a, 2),
  layerNorm: g.layerNorm(a, 1, 1e-5, y, part(w, 0)),
  layerNormMean: g.layerNormMean(a, 2),
  layerNormInvStd: g.layerNormInvStd(a, 2, 1e-3),
};

function part(node: Node, i: number): Node {
  return g.reshape(g.narrow(node, 0, i, i + 1), node.shape.slice(1));
}

describe("constant folding gives PyTorch's elements", () => {
  for (const [name, node] of Object.entries(NODES)) {
    it(`of ${name}`, () => {
      const expected = PYTORCH.ops[name]!;
      assert.deepEqual(node.shape, expected.shape);
      assertTold(foldConstants(node), expected, name);
    });
  }

  it("for each row of the fixture", () => {
    assert.deepEqual(Object.keys(NODES).sort(), Object.keys(PYTORCH.ops).sort());
  });
});

describe("constant folding gives nothing", () => {
  const images = g.full(1, [1, 1, 2, 2], "float32");
  const unknown: Readonly<Record<string, Node>> = {
    "an input": g.add(x, g.input("in", [4], "float32")),
    "a weight": g.add(x, g.parameter("w", [4], "float32")),
    dropout: g.add(x, g.dropout(y, 0.5)),
    "a convolution": conv(images, images),
    "more elements than it takes": g.full(1, [300, 300], "float32"),
    "a product of more sums than it takes": g.matmul(
      g.full(1, [250, 250], "float32"),
      g.full(1, [250, 250], "float32"),
    ),
  };
  for (const [name, node] of Object.entries(unknown)) {
    it(`for ${name}`, () => assert.equal(foldConstants(node), undefined));
  }

  it("for a large product of weights, and does not charge for it", () => {
    const large = g.parameter("w", [8192, 8192], "float32");
    let charged = 0;
    assert.equal(
      foldConstants(g.linear(g.input("in", [4, 8192], "float32"), large), (n) => (charged += n)),
      undefined,
    );
    assert.ok(charged <= 100_000, `charged ${charged}`);
  });
});
