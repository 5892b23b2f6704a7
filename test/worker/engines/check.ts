import assert from "node:assert/strict";
import type { Engine } from "../../../src/worker/engines/engine";
import type { Case } from "./cases";
import { evaluate, numbers } from "./reference";

/**
 * How far a float32 result may be from the float64 reference: the cases' sums have at most 24 terms of size up to 8,
 * and TensorFlow.js' erf is an approximation good to 1.5e-7.
 */
export const FLOAT32: Tolerance = { atol: 2e-6, rtol: 1e-5 };

export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** Runs a case on an engine and compares shape, dtype and every value with the reference. */
export async function check(engine: Engine, { graph, values }: Case, { atol, rtol }: Tolerance): Promise<void> {
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
      const close = Math.abs(actual[i]! - want) <= atol + rtol * Math.abs(want);
      assert.ok(close, `${name}[${i}] is ${actual[i]}, not ${want}`);
    }
    output.dispose();
  }
  await executable.dispose();
}
