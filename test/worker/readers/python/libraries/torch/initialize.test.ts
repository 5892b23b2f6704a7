import assert from "node:assert/strict";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";
import { reference } from "./reference";

interface Case {
  readonly name: string;
  readonly source: string;
  readonly seed: number;
  readonly tensors: Readonly<
    Record<string, { shape: number[]; first: number[]; last: number[]; sum: number; absolute: number }>
  >;
}

const cases = reference<Case[]>("initial.json");

describe("initial values are PyTorch's for a seed", () => {
  for (const { name, source, seed, tensors } of cases) {
    it(`${name}, seed ${seed}`, async () => {
      const file = await pythonReader.open("model.py", source);
      const [model] = file.models;
      assert.ok(model, file.problems.map((p) => p.message).join("; "));
      assert.deepEqual(
        model.stateDict.map((p) => [p.path, p.shape]),
        Object.entries(tensors).map(([path, t]) => [path, t.shape]),
      );
      const values = model.initialize(seed);
      for (const { path, initializer, tiedTo } of model.stateDict) {
        if (initializer.kind === "graph" || tiedTo !== undefined) continue;
        const expected = tensors[path]!;
        const data = Array.from(values.get(path)!.data, Number);
        // Uniform values are exact; of normal ones, PyTorch's vectorized logarithm and sine differ in the last bits.
        const tolerance = initializer.kind === "normal" ? 1e-6 * Math.max(1, initializer.std) : 0;
        for (const [i, value] of expected.first.entries()) near(data[i]!, value, tolerance, `${path}[${i}]`);
        for (const [i, value] of expected.last.entries()) {
          near(data[data.length - expected.last.length + i]!, value, tolerance, `${path}, ${i} of the last`);
        }
        const total = (1e-12 + tolerance) * data.length;
        near(sum(data), expected.sum, total, `${path}: sum`);
        near(sum(data.map(Math.abs)), expected.absolute, total, `${path}: sum of absolute values`);
      }
    });
  }

  it("another seed gives other values", async () => {
    const { source } = cases[0]!;
    const [model] = (await pythonReader.open("model.py", source)).models;
    assert.notDeepEqual(model!.initialize(0).get("a.weight"), model!.initialize(1).get("a.weight"));
  });
});

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function near(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} is ${actual}, PyTorch's is ${expected}`);
}
