import { strict as assert } from "node:assert";
import * as g from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import { layerCallOf, markLayer } from "../../../src/worker/graph/layers";
import type { Node } from "../../../src/worker/graph/node";
import { printGraph } from "../../../src/worker/graph/print";
import { loraConfig } from "../../../src/worker/lora/config/config";
import { injectLora } from "../../../src/worker/passes/lora";
import { simplify } from "../../../src/worker/passes/simplify";
import { linearAdapters } from "../lora/linearAdapters";

const x = g.input("x", [2, 3, 4], "float32") as Node<"input">;
const w = g.parameter("fc.weight", [4, 4], "float32");
const target = { path: "fc", inFeatures: 4, outFeatures: 4, marked: true as const };
const config = loraConfig({ r: 2, lora_alpha: 4 });

const ops = (output: Node): string[] => new Graph("g", [x], new Map([["y", output]])).nodes.map(({ op }) => op);
const injected = (output: Node, options = {}): Graph =>
  simplify(injectLora(new Graph("g", [x], new Map([["y", output]])), linearAdapters(config, target), options));

describe("the mark of a layer's call", () => {
  it("is on the product itself, without an additional node", () => {
    const y = markLayer("fc", g.linear(x, w), x);
    assert.equal(y.op, "linear");
    assert.deepEqual(layerCallOf(y), { layer: "fc", output: y, input: x });
  });

  it("is on the product through reshapes that keep its rows", () => {
    const flat = g.reshape(x, [6, 4]);
    const y = markLayer("fc", g.reshape(g.matmul(flat, w), [2, 3, 4]), x);
    assert.deepEqual(ops(y), ["input", "reshape", "parameter", "matmul", "reshape"]);
    assert.equal(layerCallOf(y.inputs[0]!)!.layer, "fc");
  });

  it("is a separate node on a result that is more than a product of the input", () => {
    const scaled = g.mul(g.linear(x, w), g.scalar(0.5));
    assert.equal(markLayer("fc", scaled, x).op, "layer");
    // Another layer's product, given on, belongs to both calls.
    const inner = markLayer("inner", g.linear(x, w), x);
    assert.equal(markLayer("fc", inner, x).op, "layer");
    // A product of something else than the layer's input.
    assert.equal(markLayer("fc", g.linear(g.unary("tanh", x), w), x).op, "layer");
    // Rows that are cut otherwise.
    assert.equal(markLayer("fc", g.reshape(g.linear(x, w), [2, 4, 3]), x).op, "layer");
  });

  it("is not printed on a product, and gone once a graph is simplified", () => {
    const y = markLayer("fc", g.linear(x, w), x);
    assert.doesNotMatch(printGraph(new Graph("g", [x], new Map([["y", y]]))), /layer/);
    const own = markLayer("fc", g.unary("neg", x), x);
    assert.deepEqual(
      simplify(new Graph("g", [x], new Map([["y", own]]))).nodes.map(({ op }) => op),
      ["input", "neg"],
    );
  });

  it("is where the adapter is added; other uses of the weight stay unchanged", () => {
    const graph = injected(g.add(markLayer("fc", g.linear(x, w), x), g.linear(x, w)));
    assert.equal(graph.nodes.filter(({ op }) => op === "matmul").length, 1);
    assert.equal(
      injected(g.linear(x, w)).nodes.some(({ op }) => op === "matmul"),
      false,
    );
  });

  it("tells which calls evaluation computes without the adapter, while training uses it", () => {
    const fused = markLayer("fc", g.linear(x, w), x, true);
    assert.match(printGraph(injected(fused)), /lora_B/);
    assert.doesNotMatch(printGraph(injected(fused, { skipFused: true })), /lora_B/);
  });

  it("is refused an adapter that PEFT could not add to the layer's output", () => {
    const heads = markLayer("fc", g.reshape(g.linear(x, w), [2, 3, 2, 2]), x);
    assert.throws(
      () => injected(heads),
      /fc is called with \[2, 3, 4\] and returns \[2, 3, 2, 2\].*PEFT cannot add it/,
    );
  });
});
