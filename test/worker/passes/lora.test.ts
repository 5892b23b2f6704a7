import { strict as assert } from "node:assert";
import { float32, sizeOf, type Tensor } from "../../../src/worker/formats/tensor";
import * as g from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import { printGraph } from "../../../src/worker/graph/print";
import { loraConfig } from "../../../src/worker/lora/config/config";
import { Random } from "../../../src/worker/numbers/random";
import { maskDropout, removeDropout } from "../../../src/worker/passes/dropout";
import { injectLora } from "../../../src/worker/passes/lora";
import { mergeLora } from "../../../src/worker/passes/merge";
import { simplify } from "../../../src/worker/passes/simplify";
import { defaultOptimizer } from "../../../src/worker/training/optimizers/registry";
import { PARAMETERS, PackedLayout, unpackParameters } from "../../../src/worker/training/packed";
import { trainingStep } from "../../../src/worker/training/step";
import { evaluate } from "../engines/reference";
import { linearAdapters } from "../lora/linearAdapters";

const target = { path: "fc", inFeatures: 4, outFeatures: 3 };

function layer(dtype: "float32" | "float16" = "float32"): Graph {
  const x = g.input("x", [2, 4], dtype) as Node<"input">;
  const y = g.linear(x, g.parameter("fc.weight", [3, 4], dtype), g.parameter("fc.bias", [3], dtype));
  return new Graph("layer", [x], new Map([["output", y]]));
}

const body = (graph: Graph): string[] =>
  printGraph(graph)
    .split("\n")
    .filter((line) => line.includes("%") || line.includes("return"))
    .map((line) => line.trim().replace(/\s+/g, " "));

describe("injectLora", () => {
  it("adds scaling * B(A(x)) to the base product", () => {
    assert.deepEqual(body(injectLora(layer(), linearAdapters(loraConfig({ r: 2, lora_alpha: 8 }), target))), [
      "%0 = linear(x, fc.lora_A.weight) float32[2, 2]",
      "%1 = linear(x, fc.weight, fc.bias) float32[2, 3]",
      "%2 = matmul(%0, fc.lora_B.weight, %1, transposeB=true, alpha=4) float32[2, 3]",
      "return output = %2",
    ]);
  });

  it("scales by alpha over the root of the rank with rsLoRA", () => {
    const graph = injectLora(layer(), linearAdapters(loraConfig({ r: 4, lora_alpha: 8, use_rslora: true }), target));
    assert.match(printGraph(graph), /alpha=4/);
  });

  it("drops out the adapter's input, not the base layer's", () => {
    const graph = injectLora(layer(), linearAdapters(loraConfig({ r: 2, lora_dropout: 0.25 }), target));
    assert.deepEqual(body(graph).slice(0, 3), [
      "%0 = dropout(x, p=0.25) float32[2, 4]",
      "%1 = linear(%0, fc.lora_A.weight) float32[2, 2]",
      "%2 = linear(x, fc.weight, fc.bias) float32[2, 3]",
    ]);
  });

  it("leaves other layers unchanged, also when their path has the same ending", () => {
    const graph = layer();
    const injected = injectLora(graph, linearAdapters(loraConfig(), { ...target, path: "c" }));
    assert.deepEqual(body(injected), body(graph));
  });

  it("adapts a half-precision layer in float32", () => {
    const printed = printGraph(injectLora(layer("float16"), linearAdapters(loraConfig({ r: 2 }), target)));
    assert.match(printed, /fc\.lora_A\.weight: float32\[2, 4\]/);
    assert.match(printed, /to=float16/);
  });

  it("adapts a weight stored [in, out] wherever a product takes it that way", () => {
    const turned = { ...target, weight: { path: "fc.kernel", fanInFanOut: true } };
    const x = g.input("x", [2, 4], "float32") as Node<"input">;
    const w = g.parameter("fc.kernel", [4, 3], "float32");
    const bias = g.parameter("fc.bias", [3], "float32");
    const adapted = (y: Node) =>
      body(
        injectLora(
          new Graph("layer", [x], new Map([["output", y]])),
          linearAdapters(loraConfig({ r: 2, lora_alpha: 8 }), turned),
        ),
      );
    assert.deepEqual(adapted(g.matmul(x, w, { c: bias, alpha: 0.5 })), [
      "%0 = linear(x, fc.lora_A.weight) float32[2, 2]",
      "%1 = matmul(x, fc.kernel, fc.bias, alpha=0.5) float32[2, 3]",
      "%2 = matmul(%0, fc.lora_B.weight, %1, transposeB=true, alpha=2) float32[2, 3]",
      "return output = %2",
    ]);
    assert.match(adapted(g.linear(x, g.transpose(w, [1, 0]), bias)).join(), /fc\.lora_B\.weight, %2, transposeB=true/);
    // The other way round it is another layer's product: an autoencoder that uses its weight twice.
    const y = g.input("y", [2, 3], "float32") as Node<"input">;
    assert.doesNotMatch(adapted(g.matmul(y, w, { transposeB: true })).join(), /lora/);
  });

  it("adapts a product with a transposed operand", () => {
    const x = g.input("x", [4, 2], "float32") as Node<"input">;
    const y = g.matmul(x, g.parameter("fc.weight", [3, 4], "float32"), { transposeA: true, transposeB: true });
    const graph = injectLora(
      new Graph("layer", [x], new Map([["output", y]])),
      linearAdapters(loraConfig({ r: 2 }), target),
    );
    assert.deepEqual(body(graph).slice(0, 2), [
      "%0 = transpose(x, perm=[1, 0]) float32[2, 4]",
      "%1 = linear(%0, fc.lora_A.weight) float32[2, 2]",
    ]);
  });

  it("shares one adapter between two uses of a layer", () => {
    const x = g.input("x", [4, 4], "float32") as Node<"input">;
    const w = g.parameter("fc.weight", [4, 4], "float32");
    const graph = new Graph("twice", [x], new Map([["output", g.linear(g.linear(x, w), w)]]));
    const injected = injectLora(
      graph,
      linearAdapters(loraConfig({ r: 2 }), { path: "fc", inFeatures: 4, outFeatures: 4 }),
    );
    assert.deepEqual(
      injected.parameters.map((node) => node.attrs.path),
      ["fc.lora_A.weight", "fc.lora_B.weight", "fc.weight"],
    );
    assert.equal(injected.nodes.filter((node) => node.op === "parameter").length, 3);
  });
});

describe("a variant without a separate path", () => {
  it("has the layer computed with the merged weight, in the weight's own dtype", () => {
    const config = loraConfig({ r: 2, lora_alpha: 8 });
    const within = linearAdapters(config, target).map(({ variant: { forward: _, ...variant }, ...adapter }) => ({
      ...adapter,
      variant,
    }));
    assert.deepEqual(body(injectLora(layer(), within)), body(mergeLora(layer(), linearAdapters(config, target))));
    assert.match(printGraph(injectLora(layer("float16"), within)), /cast\(%\d+, to=float16\)\s+float16\[3, 4\]/);
  });
});

describe("mergeLora", () => {
  it("replaces the weight by W + scaling * B A", () => {
    assert.deepEqual(body(mergeLora(layer(), linearAdapters(loraConfig({ r: 2, lora_alpha: 8 }), target))), [
      "%0 = matmul(fc.lora_B.weight, fc.lora_A.weight, fc.weight, alpha=4) float32[3, 4]",
      "%1 = linear(x, %0, fc.bias) float32[2, 3]",
      "return output = %1",
    ]);
  });

  it("gives the adapted output for a weight stored [in, out]", async () => {
    const turned = { ...target, weight: { path: "fc.kernel", fanInFanOut: true } };
    const x = g.input("x", [2, 4], "float32") as Node<"input">;
    const base = new Graph(
      "layer",
      [x],
      new Map([["output", g.matmul(x, g.parameter("fc.kernel", [4, 3], "float32"))]]),
    );
    const config = loraConfig({ r: 2, lora_alpha: 8 });
    const values = new Map<string, Tensor>();
    const random = new Random(3);
    const draw = (shape: readonly number[]) =>
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
      );
    for (const node of injectLora(base, linearAdapters(config, turned)).parameters)
      values.set(node.attrs.path, draw(node.shape));
    values.set("x", draw([2, 4]));
    const output = (graph: Graph) => evaluate(graph, values).get("output")!.data;
    const [adapted, merged] = [
      output(injectLora(base, linearAdapters(config, turned))),
      output(mergeLora(base, linearAdapters(config, turned))),
    ];
    for (const [i, value] of adapted.entries()) assert.ok(Math.abs(value - merged[i]!) < 1e-12);
    assert.ok(adapted.some((value, i) => Math.abs(value - output(base)[i]!) > 0.1));
  });
});

describe("dropout passes", () => {
  const x = g.input("x", [2, 4], "float32") as Node<"input">;
  const graph = new Graph("d", [x], new Map([["output", g.dropout(g.dropout(x, 0.5), 0.1)]]));

  it("removes it for evaluation", () => {
    assert.deepEqual(body(removeDropout(graph)), ["return output = x"]);
  });

  it("makes one mask input for each in training", () => {
    assert.deepEqual(
      maskDropout(graph).inputs.map((node) => [node.attrs.name, node.attrs.mask?.p]),
      [
        ["x", undefined],
        ["dropout.0", 0.5],
        ["dropout.1", 0.1],
      ],
    );
  });
});

describe("the optimizer's packed parameters", () => {
  const layout = new PackedLayout([
    { path: "a", shape: [2, 2] },
    { path: "b", shape: [3] },
  ]);

  it("pack and unpack are inverse", () => {
    const tensors = new Map([
      ["b", { dtype: "float32" as const, shape: [3], data: Float32Array.of(5, 6, 7) }],
      ["a", { dtype: "float32" as const, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ]);
    const flat = layout.pack(tensors);
    assert.deepEqual([...(flat.data as Float32Array)], [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(layout.unpack(flat).get("b"), tensors.get("b"));
  });

  it("names a missing value", () => {
    assert.throws(() => layout.pack(new Map()), /for a/);
  });

  it("replaces the parameters in a graph by parts of one input", () => {
    const graph = new Graph("p", [], new Map([["output", g.parameter("b", [3], "float32")]]));
    const unpacked = unpackParameters(graph, layout);
    assert.deepEqual(unpacked.parameters, []);
    assert.deepEqual(
      unpacked.inputs.map((n) => [n.attrs.name, n.shape]),
      [[PARAMETERS, [7]]],
    );
  });

  it("leaves out, and names, what the loss does not depend on", () => {
    const p = g.parameter("used", [2], "float32");
    const q = g.parameter("idle", [2], "float32");
    const graph = new Graph(
      "u",
      [],
      new Map([
        ["loss", g.reduceAll("sum", p)],
        ["other", q],
      ]),
    );
    const step = trainingStep(graph, ["used", "idle"], defaultOptimizer());
    assert.deepEqual(step.unused, ["idle"]);
    assert.deepEqual(
      step.layout.parameters.map((parameter) => parameter.path),
      ["used"],
    );
  });

  it("refuses to train when nothing can learn", () => {
    const x = g.input("x", [2], "float32") as Node<"input">;
    const graph = new Graph("n", [x], new Map([["loss", g.reduceAll("sum", x)]]));
    assert.throws(() => trainingStep(graph, ["p"], defaultOptimizer()), /nothing to train/);
  });
});

describe("simplify", () => {
  const x = g.input("x", [2, 3], "float32") as Node<"input">;
  const w = g.parameter("w", [3, 4], "float32");
  const simplified = (output: Node) => body(simplify(new Graph("s", [x], new Map([["output", output]]))));

  it("adds in the product's own kernel", () => {
    const c = g.parameter("c", [4], "float32");
    assert.deepEqual(simplified(g.add(g.matmul(x, w), c)), [
      "%0 = matmul(x, w, c) float32[2, 4]",
      "return output = %0",
    ]);
  });

  it("does not compute a product twice to fuse it", () => {
    const product = g.matmul(x, w);
    const lines = simplified(g.mul(g.add(product, g.parameter("c", [4], "float32")), product));
    assert.equal(lines.filter((line) => line.includes("matmul")).length, 1);
  });

  it("joins reshapes and undoes transposes", () => {
    assert.deepEqual(simplified(g.reshape(g.reshape(x, [6]), [2, 3])), ["return output = x"]);
    assert.deepEqual(simplified(g.transpose(g.transpose(x, [1, 0]), [1, 0])), ["return output = x"]);
  });

  it("shares equal nodes, but not different constants", () => {
    const e = () => g.unary("exp", x);
    assert.equal(simplified(g.mul(e(), e())).filter((line) => line.includes("exp")).length, 1);
    const two = simplified(g.mul(g.add(x, g.scalar(2)), g.add(x, g.scalar(3))));
    assert.equal(two.filter((line) => line.includes("add")).length, 2);
  });

  it("drops products with one and sums with zero", () => {
    assert.deepEqual(simplified(g.add(g.mul(x, g.scalar(1)), g.scalar(0))), ["return output = x"]);
  });

  it("recognizes a concatenation that restores the packed vector", () => {
    const flat = g.input("v", [5], "float32") as Node<"input">;
    const parts = g.concat([g.narrow(flat, 0, 0, 2), g.narrow(flat, 0, 2, 5)], 0);
    assert.deepEqual(simplified(parts), ["return output = v"]);
  });
});
