import { strict as assert } from "node:assert";
import { chooseEngine } from "../../../src/worker/engines/choose";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { float32, int64, sizeOf, type Tensor } from "../../../src/worker/formats/tensor";
import * as g from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import { conv, convTranspose, maxPool } from "../../../src/worker/graph/windows";
import { Random } from "../../../src/worker/numbers/random";
import { differentiate } from "../../../src/worker/passes/autodiff";

/**
 * Every op's gradient against central differences of the op itself, run on ONNX Runtime. Inputs keep clear of kinks
 * and poles, so the error is the difference's own.
 */
type Make = (...inputs: Node[]) => Node;
interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly make: Make;
  /** Values are drawn from [low, high). */
  readonly low?: number;
  readonly high?: number;
}

const u =
  (op: Parameters<typeof g.unary>[0]): Make =>
  (x) =>
    g.unary(op, x!);
const indices = () => g.constant(int64([3], [2, 0, 2]).data, [3], "int64");
const grid = () => g.constant(int64([2, 2], [1, 0, 0, 1]).data, [2, 2], "int64");
const mm =
  (options: g.MatmulOptions): Make =>
  (a, b, c) =>
    g.matmul(a!, b!, c ? { ...options, c } : options);

/** conv and convTranspose by input, weight and bias; `more` are the options. */
const windowCase = (
  name: string,
  op: typeof conv | typeof convTranspose,
  shapes: readonly (readonly number[])[],
  more: Parameters<typeof convTranspose>[2] = {},
): Case => ({ name, shapes, make: (x, w, bias) => op(x!, w!, { ...more, ...(bias && { bias }) }) });

const WINDOWS: readonly Case[] = [
  windowCase("conv", conv, [[2, 2, 4, 3], [3, 2, 2, 2], [3]]),
  windowCase("conv of one dimension", conv, [[2, 2, 8], [3, 2, 3], [3]], { strides: 2, padding: 1 }),
  windowCase(
    "conv of three dimensions",
    conv,
    [
      [1, 2, 3, 3, 2],
      [2, 2, 2, 2, 2],
    ],
    { padding: [1, 0, 0] },
  ),
  windowCase(
    "conv, strides that leave elements over",
    conv,
    [
      [1, 2, 6, 7],
      [2, 2, 3, 2],
    ],
    { strides: [2, 3] },
  ),
  windowCase(
    "conv, strides, dilations, uneven padding",
    conv,
    [
      [1, 2, 7, 6],
      [2, 2, 2, 2],
    ],
    {
      strides: 2,
      dilations: [1, 2],
      before: [1, 0],
      after: [0, 2],
    },
  ),
  windowCase("conv in groups", conv, [[2, 4, 4, 3], [6, 2, 3, 2], [6]], { groups: 2, padding: 1, strides: [1, 2] }),
  windowCase(
    "conv, depthwise",
    conv,
    [
      [1, 3, 5, 4],
      [3, 1, 3, 3],
    ],
    { groups: 3, padding: 1, strides: 2 },
  ),
  windowCase("convTranspose", convTranspose, [[2, 2, 3, 3], [2, 3, 2, 2], [3]]),
  windowCase("convTranspose, strides", convTranspose, [[1, 4, 3, 3], [4, 2, 3, 3], [4]], {
    strides: 2,
    padding: 1,
    extra: 1,
    groups: 2,
  }),
  {
    name: "maxPool",
    shapes: [[1, 2, 6, 6]],
    make: (x) => maxPool(g.add(x!, spread([1, 2, 6, 6])), 3, { strides: 2, padding: 1 }),
    low: -0.1,
    high: 0.1,
  },
];

/** Values a quarter apart, in no order: no small step changes which one is the largest. */
function spread(shape: readonly number[]): Node {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 29) % 73) / 4);
  return g.constant(data, shape, "float32");
}

const CASES: readonly Case[] = [
  ...(["neg", "exp", "sin", "cos", "tanh", "sigmoid", "erf"] as const).map((op) => ({
    name: op,
    shapes: [[2, 3]],
    make: u(op),
  })),
  ...(["abs", "log", "sqrt", "reciprocal", "relu"] as const).map((op) => ({
    name: op,
    shapes: [[2, 3]],
    make: u(op),
    low: 0.5,
    high: 2,
  })),
  { name: "relu below zero", shapes: [[4]], make: u("relu"), low: -2, high: -0.5 },
  { name: "gelu", shapes: [[2, 3]], make: (x) => g.gelu(x!) },
  { name: "gelu tanh", shapes: [[2, 3]], make: (x) => g.gelu(x!, "tanh") },
  { name: "add, broadcast", shapes: [[2, 3], [3]], make: (a, b) => g.add(a!, b!) },
  {
    name: "sub, broadcast",
    shapes: [
      [2, 1],
      [2, 3],
    ],
    make: (a, b) => g.sub(a!, b!),
  },
  { name: "mul, broadcast", shapes: [[2, 3], []], make: (a, b) => g.mul(a!, b!) },
  {
    name: "div, broadcast",
    shapes: [
      [2, 3],
      [1, 3],
    ],
    make: (a, b) => g.div(a!, b!),
    low: 0.5,
    high: 2,
  },
  { name: "pow", shapes: [[2, 3], [3]], make: (a, b) => g.binary("pow", a!, b!), low: 0.5, high: 2 },
  { name: "maximum", shapes: [[6], [6]], make: (a, b) => g.binary("maximum", a!, g.add(b!, g.scalar(0.3))) },
  { name: "minimum", shapes: [[6], [6]], make: (a, b) => g.binary("minimum", a!, g.add(b!, g.scalar(0.3))) },
  {
    name: "where",
    shapes: [[4], [4]],
    make: (a, b) => g.where(g.constant(Uint8Array.of(1, 0, 0, 1), [4], "bool"), a!, b!),
  },
  { name: "linear", shapes: [[2, 4, 3], [5, 3], [5]], make: (x, w, b) => g.linear(x!, w!, b!) },
  { name: "linear of a vector", shapes: [[3], [5, 3]], make: (x, w) => g.linear(x!, w!) },
  {
    name: "matmul",
    shapes: [
      [2, 3],
      [3, 4],
    ],
    make: mm({}),
  },
  {
    name: "matmul, A transposed",
    shapes: [
      [3, 2],
      [3, 4],
    ],
    make: mm({ transposeA: true, alpha: 0.5 }),
  },
  {
    name: "matmul, B transposed",
    shapes: [
      [2, 3],
      [4, 3],
    ],
    make: mm({ transposeB: true, alpha: 2 }),
  },
  {
    name: "matmul, both transposed",
    shapes: [
      [3, 2],
      [4, 3],
    ],
    make: mm({ transposeA: true, transposeB: true }),
  },
  { name: "matmul, batched with addend", shapes: [[2, 2, 3], [2, 3, 4], [4]], make: mm({ alpha: 3 }) },
  {
    name: "matmul, shared matrix",
    shapes: [
      [2, 2, 3],
      [3, 4],
    ],
    make: mm({}),
  },
  {
    name: "matmul, broadcast batch",
    shapes: [
      [2, 1, 2, 3],
      [3, 4, 3],
    ],
    make: mm({ transposeB: true }),
  },
  ...(["atan", "expm1"] as const).map((op) => ({ name: op, shapes: [[2, 3]], make: u(op) })),
  { name: "log1p", shapes: [[2, 3]], make: u("log1p"), low: -0.5, high: 2 },
  ...WINDOWS,
  { name: "topK", shapes: [[2, 5]], make: (x) => g.topK(g.add(x!, spread([2, 5])), 3, 1, true), low: -0.1, high: 0.1 },
  {
    name: "scatterElements",
    shapes: [
      [3, 2],
      [2, 2],
    ],
    make: (x, y) => g.scatterElements(x!, grid(), y!, 0),
  },
  { name: "reshape", shapes: [[2, 3]], make: (x) => g.reshape(x!, [3, 2]) },
  { name: "transpose", shapes: [[2, 3, 4]], make: (x) => g.transpose(x!, [2, 0, 1]) },
  { name: "expand", shapes: [[1, 3]], make: (x) => g.expand(x!, [2, 2, 3]) },
  { name: "slice", shapes: [[4, 5]], make: (x) => g.slice(x!, [1, 0], [3, 4]) },
  { name: "slice with steps", shapes: [[7]], make: (x) => g.slice(x!, [1], [7], [3]) },
  {
    name: "concat",
    shapes: [
      [2, 1],
      [2, 3],
    ],
    make: (a, b) => g.concat([a!, b!], 1),
  },
  { name: "pad", shapes: [[2, 3]], make: (x) => g.pad(x!, [1, 0], [0, 2], 5) },
  { name: "gather with repeats", shapes: [[3, 2]], make: (x) => g.gather(x!, indices(), 0) },
  { name: "scatterAdd", shapes: [[3, 2]], make: (x) => g.scatterAdd(indices(), x!, 0, [4, 2]) },
  { name: "gatherElements", shapes: [[2, 2]], make: (x) => g.gatherElements(x!, grid(), 1) },
  { name: "scatterElementsAdd", shapes: [[2, 2]], make: (x) => g.scatterElementsAdd(grid(), x!, 0, [3, 2]) },
  { name: "sum", shapes: [[2, 3, 2]], make: (x) => g.reduce("sum", x!, [0, 2], false) },
  { name: "mean, dims kept", shapes: [[2, 3]], make: (x) => g.reduce("mean", x!, [1], true) },
  { name: "max", shapes: [[2, 3]], make: (x) => g.reduce("max", x!, [1], false) },
  { name: "min", shapes: [[2, 3]], make: (x) => g.reduce("min", x!, [0], false) },
  { name: "cumsum", shapes: [[2, 4]], make: (x) => g.cumsum(x!, 1) },
  { name: "softmax", shapes: [[2, 4]], make: (x) => g.softmax(x!, 1) },
  { name: "logSoftmax", shapes: [[2, 4]], make: (x) => g.logSoftmax(x!, 1) },
  { name: "layerNorm", shapes: [[3, 5], [5], [5]], make: (x, w, b) => g.layerNorm(x!, 1, 1e-5, w!, b!) },
  { name: "layerNorm over two axes", shapes: [[2, 3, 2]], make: (x) => g.layerNorm(x!, 2, 1e-5) },
  { name: "an operand used twice", shapes: [[3]], make: (x) => g.mul(x!, g.add(x!, g.unary("exp", x!))) },
];

describe("autodiff", () => {
  for (const testCase of CASES) {
    it(`${testCase.name} agrees with central differences`, async () => {
      const worst = await largestError(testCase);
      assert.ok(worst < 5e-3, `largest error ${worst}, relative to the largest gradient`);
    });
  }

  it("builds nothing below the lowest wanted node", () => {
    const x = g.input("x", [2, 3], "float32");
    const [w1, w2] = [g.parameter("w1", [4, 3], "float32"), g.parameter("w2", [5, 4], "float32")];
    const loss = g.reduceAll("sum", g.linear(g.unary("relu", g.linear(x, w1)), w2));
    const graph = new Graph("g", [x as Node<"input">], new Map([["loss", loss]]));
    const gradients = differentiate(graph, loss, [w2]);
    const made = graph.withOutputs([["w2", gradients.get(w2)!]]).nodes;
    // One product for w2; the gradient by the hidden layer would be a second one.
    assert.equal(made.filter((node) => node.op === "matmul").length, 1);
  });

  it("has no entry for what the loss does not depend on", () => {
    const [p, q] = [g.parameter("p", [2], "float32"), g.parameter("q", [2], "float32")];
    const loss = g.reduceAll("sum", p);
    const graph = new Graph("g", [], new Map([["loss", loss]]));
    assert.deepEqual([...differentiate(graph, loss, [p, q]).keys()], [p]);
  });

  it("refuses a loss that is not a scalar", () => {
    const p = g.parameter("p", [2], "float32");
    assert.throws(() => differentiate(new Graph("g", [], new Map([["loss", p]])), p, [p]), /scalar/);
  });
});

/** Largest difference between gradient and central difference over every element, relative to the largest gradient. */
async function largestError({ shapes, make, low = -1, high = 1 }: Case): Promise<number> {
  const random = new Random(5);
  const draw = (shape: readonly number[], from: number, to: number): Tensor =>
    float32(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(from, to)),
    );
  const operands = shapes.map((shape, i) => g.input(`x${i}`, shape, "float32") as Node<"input">);
  const values = shapes.map((shape) => draw(shape, low, high));
  const y = make(...operands);
  const weights = draw(y.shape, 0.5, 1.5);
  const loss = g.reduceAll("sum", g.mul(y, g.constant(weights.data, y.shape, "float32")));
  const graph = new Graph("case", operands, new Map([["loss", loss]]));
  const gradients = differentiate(graph, loss, operands);
  assert.equal(gradients.size, operands.length, "every operand has a gradient");
  for (const [node, gradient] of gradients) assert.deepEqual(gradient.shape, node.shape);

  const { engine } = await chooseEngine("onnxruntime-cpu");
  const feeds = (replaced = -1, tensor?: Tensor) =>
    new Map(operands.map((node, i) => [node.attrs.name, i === replaced ? tensor! : values[i]!]));
  const backward = await engine.compile(
    graph.withOutputs(operands.map((node) => [node.attrs.name, gradients.get(node)!] as const)),
    { parameters: new Map() },
  );
  const analytic = await backward.run(feeds());
  const executable = await engine.compile(graph, { parameters: new Map() });
  const at = async (i: number, k: number, h: number): Promise<number> => {
    const moved = Float32Array.from(values[i]!.data as Float32Array);
    moved[k]! += h;
    const outputs = await executable.run(feeds(i, float32(shapes[i]!, moved)));
    return toFloat32(await outputs.get("loss")!.read())[0]!;
  };
  const h = 2 ** -7;
  let worst = 0;
  for (const [i, node] of operands.entries()) {
    const gradient = toFloat32(await analytic.get(node.attrs.name)!.read());
    const largest = gradient.reduce((m, v) => Math.max(m, Math.abs(v)), 0.1);
    for (let k = 0; k < gradient.length; k++) {
      const slope = ((await at(i, k, h)) - (await at(i, k, -h))) / (2 * h);
      worst = Math.max(worst, Math.abs(slope - gradient[k]!) / largest);
    }
  }
  await backward.dispose();
  await executable.dispose();
  return worst;
}
