import assert from "node:assert/strict";
import { lastUses, peakActivationBytes } from "../../../src/worker/engines/liveness";
import { add, dropout, input, parameter, reshape, scalar, unary } from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";

const KB = 1024;

describe("liveness", () => {
  const x = input("x", [256], "float32"); // 1 KiB
  const graphOf = (y: Parameters<typeof unary>[1]) => new Graph("g", [x], new Map([["y", y]]));
  const peak = (y: Parameters<typeof unary>[1]) => peakActivationBytes(graphOf(y));

  it("counts a chain as an operand and a result", () => {
    assert.equal(peak(unary("exp", x)), KB);
    assert.equal(peak(unary("exp", unary("exp", unary("exp", unary("exp", x))))), 2 * KB);
  });

  it("counts values that a later node still needs", () => {
    const a = unary("exp", x);
    assert.equal(peak(add(a, unary("sin", unary("sin", unary("sin", a))))), 3 * KB);
  });

  it("keeps outputs to the end", () => {
    const a = unary("exp", x);
    const c = unary("sin", unary("cos", a));
    assert.equal(
      peakActivationBytes(
        new Graph(
          "g",
          [x],
          new Map([
            ["a", a],
            ["c", c],
          ]),
        ),
      ),
      3 * KB,
    );
  });

  it("counts inputs and parameters only when asked", () => {
    const graph = graphOf(add(x, parameter("p", [256], "float32")));
    assert.equal(peakActivationBytes(graph), KB);
    assert.equal(peakActivationBytes(graph, { excludeInputsAndParameters: false }), 3 * KB);
  });

  it("counts a value once, even under several names", () => {
    const a = unary("exp", x);
    assert.equal(peak(unary("sin", dropout(reshape(a, [16, 16]), 0.5))), 2 * KB);
    assert.equal(peak(add(a, scalar(1))), 2 * KB);
  });

  it("returns each node's last use", () => {
    const a = unary("exp", x);
    const graph = graphOf(add(a, unary("sin", a)));
    assert.deepEqual(
      lastUses(graph).map((nodes) => nodes.map(({ op }) => op)),
      [[], ["input"], [], ["exp", "sin"]],
    );
  });
});
