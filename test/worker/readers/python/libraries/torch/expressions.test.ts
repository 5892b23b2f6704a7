import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import type { DType } from "../../../../../../src/worker/formats/dtype";
import { allocate, type Tensor } from "../../../../../../src/worker/formats/tensor";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";

interface Described {
  readonly shape: number[];
  readonly dtype: DType;
  readonly values: (number | string | boolean)[];
}
const fixture: { inputs: Record<string, Described>; results: (Described & { expression: string })[] } = JSON.parse(
  readFileSync("test/fixtures/torch/expressions.json", "utf8"),
);

const engine = onnxruntimeEngine("cpu");
const inputs = Object.entries(fixture.inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));

/** A model whose forward is the expression. */
function source(expression: string): string {
  return `import math
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def forward(self, ${inputs.map((i) => i.name).join(", ")}):
        return ${expression}
`;
}

describe("torch expressions have PyTorch's shape, dtype and values", () => {
  for (const expected of fixture.results) {
    it(expected.expression, async () => {
      const file = await pythonReader.open("model.py", source(expected.expression));
      const [model] = file.models;
      assert.ok(model, file.problems.map((p) => p.message).join("; "));
      const { graph } = model.trace({ inputs });
      const node = graph.output("output");
      assert.deepEqual([node.shape, node.dtype], [expected.shape, expected.dtype]);
      const executable = await engine.compile(graph, { parameters: new Map() });
      const feeds = new Map(graph.inputs.map((i) => [i.attrs.name, tensorOf(fixture.inputs[i.attrs.name]!)]));
      const result = (await executable.run(feeds)).get("output")!;
      const { data } = await result.read();
      result.dispose();
      await executable.dispose();
      assert.equal(data.length, expected.values.length);
      for (const [i, value] of expected.values.map(numberOf).entries()) near(Number(data[i]), value, i);
    });
  }
});

const numberOf = (value: number | string | boolean): number =>
  value === "inf" ? Number.POSITIVE_INFINITY : value === "-inf" ? Number.NEGATIVE_INFINITY : Number(value);

function tensorOf({ shape, dtype, values }: Described): Tensor {
  const tensor = allocate(dtype, shape);
  for (const [i, value] of values.entries()) {
    if (tensor.data instanceof BigInt64Array) tensor.data[i] = BigInt(Number(value));
    else tensor.data[i] = Number(value);
  }
  return tensor;
}

/** Float32 sums of a few dozen terms in another order: a few units in the last place. */
function near(actual: number, expected: number, index: number): void {
  const same = Object.is(actual, expected) || (Number.isNaN(actual) && Number.isNaN(expected)) || actual === expected;
  const close = Math.abs(actual - expected) <= 2e-6 * Math.max(1, Math.abs(expected));
  assert.ok(same || close, `element ${index} is ${actual}, PyTorch's is ${expected}`);
}
