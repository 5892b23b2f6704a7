import assert from "node:assert/strict";
import type { Engine } from "../../../src/worker/engines/engine";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { LOWERINGS } from "../../../src/worker/engines/onnxruntime/lowerings";
import { tfjsEngine } from "../../../src/worker/engines/tfjs/engine";
import { CASES, type Case, coveredOps } from "./cases";
import { evaluate, numbers } from "./reference";

/** Sums here have at most 24 terms of size up to 8; the WASM erf is an approximation good to 1.5e-7. */
const ATOL = 2e-6;
const RTOL = 1e-5;

async function check(engine: Engine, { graph, values }: Case): Promise<void> {
  const executable = await engine.compile(graph, { parameters: new Map() });
  const outputs = await executable.run(values);
  for (const [name, expected] of evaluate(graph, values)) {
    const node = graph.output(name);
    const output = outputs.get(name)!;
    const tensor = await output.read();
    assert.deepEqual(tensor.shape, [...node.shape]);
    assert.equal(tensor.dtype, node.dtype);
    const actual = numbers(tensor);
    assert.equal(actual.length, expected.data.length);
    for (const [i, want] of expected.data.entries()) {
      const bound = ATOL + RTOL * Math.abs(want);
      assert.ok(Math.abs(actual[i]! - want) <= bound, `${name}[${i}] is ${actual[i]}, not ${want}`);
    }
    output.dispose();
  }
  await executable.dispose();
}

describe("ops", () => {
  it("are each covered by a case", () => {
    const covered = coveredOps();
    const missing = Object.keys(LOWERINGS).filter((op) => op !== "parameter" && !covered.has(op as never));
    assert.deepEqual(missing, []);
  });

  for (const engine of [onnxruntimeEngine("cpu"), tfjsEngine()]) {
    describe(`on ${engine.label}`, function () {
      this.timeout(20_000);
      for (const one of CASES) it(one.name, () => check(engine, one));
    });
  }
});
