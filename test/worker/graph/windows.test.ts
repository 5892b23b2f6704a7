import assert from "node:assert/strict";
import { float32 } from "../../../src/worker/formats/tensor";
import { input, parameter } from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import { adaptivePool, averagePool } from "../../../src/worker/graph/pooling";
import { printGraph } from "../../../src/worker/graph/print";
import { ShapeError } from "../../../src/worker/graph/shapes";
import { conv, convTranspose, maxPool } from "../../../src/worker/graph/windows";
import { evaluate } from "../engines/reference";

const image = (...shape: number[]) => input("x", shape, "float32");
const weight = (...shape: number[]) => parameter("w", shape, "float32");
const says = (text: string) => (error: unknown) => error instanceof ShapeError && error.message === text;

describe("convolution's shape rule", () => {
  it("gives PyTorch's shapes", () => {
    assert.deepEqual(conv(image(2, 3, 32, 32), weight(16, 3, 3, 3), { strides: 2, padding: 1 }).shape, [2, 16, 16, 16]);
    assert.deepEqual(conv(image(1, 4, 9), weight(8, 2, 3), { groups: 2, dilations: 2 }).shape, [1, 8, 5]);
    assert.deepEqual(conv(image(1, 1, 4, 5, 6), weight(2, 1, 2, 2, 2)).shape, [1, 2, 3, 4, 5]);
    const up = convTranspose(image(1, 8, 7, 7), weight(8, 4, 3, 3), { strides: 2, padding: 1, extra: 1 });
    assert.deepEqual(up.shape, [1, 4, 14, 14]);
  });

  it("explains shapes that do not fit", () => {
    assert.throws(
      () => conv(image(2, 4, 8, 8), weight(16, 3, 3, 3)),
      says(
        "conv2d expects weight [out, in/groups, ...kernel]; the input [2, 4, 8, 8] has 4 channels, the weight [16, 3, 3, 3] takes 3",
      ),
    );
    assert.throws(() => conv(image(2, 4, 8, 8), weight(16, 1, 3, 3), { groups: 2 }), /takes 2 in 2 groups/);
    assert.throws(
      () => conv(image(2, 3, 2, 8), weight(16, 3, 3, 3)),
      says("conv2d: the kernel spans 3 along dimension 2, but the padded input [2, 3, 2, 8] has 2"),
    );
    assert.throws(
      () => conv(image(3, 8), weight(16, 3, 3, 3)),
      /one to three spatial dimensions; this one is \[3, 8\]/,
    );
    assert.throws(() => conv(image(1, 3, 8, 8), weight(4, 3, 3)), /expects a weight of 4 dimensions/);
    assert.throws(
      () => conv(image(1, 3, 8), weight(4, 3, 3), { strides: 0 }),
      /stride \[0\] must be whole numbers from 1/,
    );
    assert.throws(
      () => convTranspose(image(1, 3, 8), weight(3, 3, 3), { strides: 2, extra: 2 }),
      /output padding must be smaller than the stride or the dilation/,
    );
  });
});

describe("the printer", () => {
  it("leaves out default strides, padding, dilations and groups", () => {
    const x = image(1, 2, 8, 8) as Node<"input">;
    const y = maxPool(conv(x, weight(4, 1, 3, 3), { strides: [2, 1], before: [1, 0], after: [0, 0], groups: 2 }), 1);
    const printed = printGraph(new Graph("g", [x], new Map([["y", y]])));
    assert.match(printed, /%0 = conv\(x, w, strides=\[2, 1\], before=\[1, 0\], groups=2\) +float32/);
    assert.match(printed, /%1 = maxPool\(%0, kernel=\[1, 1\]\)/);
  });
});

describe("pooling's shape rule", () => {
  // torch.nn.functional.max_pool1d(torch.zeros(1, 1, L), k, s, p, d, ceil_mode=True)
  for (const [length, kernel, strides, padding, dilations, expected] of [
    [6, 3, 2, 0, 1, 3],
    [5, 2, 2, 1, 1, 3],
    [4, 2, 3, 1, 1, 2],
    [8, 2, 5, 0, 3, 2],
    [1, 1, 3, 0, 1, 1],
    [7, 3, 3, 1, 1, 3],
  ] as const) {
    it(`in ceil mode gives PyTorch's length for ${[length, kernel, strides, padding, dilations]}`, () => {
      const pooled = maxPool(image(1, 1, length), kernel, { strides, padding, dilations, ceilMode: true });
      assert.equal(pooled.shape[2], expected);
    });
  }

  it("refuses padding beyond half the kernel", () => {
    assert.throws(() => maxPool(image(1, 1, 8), 3, { padding: 2 }), /padding 2 is more than half the kernel's size 3/);
  });
});

describe("composed pooling gives PyTorch's values for", () => {
  // x = torch.arange(1., 36.).square().reshape(1, 1, 5, 7)
  const cases: readonly (readonly [string, (x: Node) => Node, readonly number[]])[] = [
    ["F.avg_pool2d(x, 2)", (x) => averagePool(x, 2), [37.5, 61.5, 93.5, 373.5, 453.5, 541.5]],
    [
      "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)",
      (x) => averagePool(x, 3, { strides: 2, padding: 1, ceilMode: true }),
      [16.6667, 36.7778, 56.7778, 50, 182.1111, 322.3333, 394.3333, 302.1111, 306, 512.7778, 588.7778, 432.6667],
    ],
    [
      "F.avg_pool2d(x, (2, 3), (2, 3), 1, ceil_mode=True, count_include_pad=False)",
      (x) => averagePool(x, [2, 3], { strides: [2, 3], padding: 1, ceilMode: true, countIncludePad: false }),
      [2.5, 16.6667, 42.5, 156.5, 223.1667, 301.5, 688.5, 825.1667, 973.5],
    ],
    [
      "F.avg_pool2d(x, (2, 3), (2, 3), 1, ceil_mode=True)",
      (x) => averagePool(x, [2, 3], { strides: [2, 3], padding: 1, ceilMode: true }),
      [0.8333, 8.3333, 14.1667, 104.3333, 223.1667, 201, 459, 825.1667, 649],
    ],
    ["F.avg_pool2d(x, (5, 4), divisor_override=3)", (x) => averagePool(x, [5, 4], { divisor: 3 }), [2476.6667]],
    [
      "F.adaptive_avg_pool2d(x, (2, 3))",
      (x) => adaptivePool("mean", x, [2, 3]),
      [114.3333, 154.3333, 202.3333, 562.3333, 658.3333, 762.3333],
    ],
    ["F.adaptive_max_pool2d(x, (3, 2))", (x) => adaptivePool("max", x, [3, 2]), [121, 196, 625, 784, 1024, 1225]],
    ["F.adaptive_avg_pool2d(x, (None, 1))", (x) => adaptivePool("mean", x, [undefined, 1]), [20, 125, 328, 629, 1028]],
  ];
  for (const [name, make, expected] of cases) {
    it(name, () => {
      const x = image(1, 1, 5, 7) as Node<"input">;
      const values = new Map([
        [
          "x",
          float32(
            [1, 1, 5, 7],
            Float32Array.from({ length: 35 }, (_, i) => (i + 1) ** 2),
          ),
        ],
      ]);
      const { data } = evaluate(new Graph("pool", [x], new Map([["y", make(x)]])), values).get("y")!;
      assert.equal(data.length, expected.length);
      for (const [i, value] of expected.entries()) assert.ok(Math.abs(data[i]! - value) < 1e-3, `${i}: ${data[i]}`);
    });
  }
});
