import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onnxruntimeEngine } from "../../../../../../src/worker/engines/onnxruntime/engine";
import { convert } from "../../../../../../src/worker/formats/convert";
import type { DType } from "../../../../../../src/worker/formats/dtype";
import type { Tensor } from "../../../../../../src/worker/formats/tensor";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";

interface Described {
  readonly shape: number[];
  readonly dtype: DType;
  readonly values: (number | string | boolean)[];
}
const fixture: { inputs: Record<string, Described>; results: { program: string; results: Described[] }[] } = JSON.parse(
  readFileSync("test/fixtures/torch/programs.json", "utf8"),
);

const engine = onnxruntimeEngine("cpu");
const inputs = Object.entries(fixture.inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));

/** A model whose forward is the program. */
function source(program: string): string {
  const lines = program.startsWith("for ") ? [program] : program.split("; ");
  return `import math
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def forward(self, ${inputs.map((i) => i.name).join(", ")}):
${lines.map((line) => `        ${line}`).join("\n")}
        return r
`;
}

describe("torch programs have PyTorch's shapes, dtypes and values", () => {
  for (const { program, results } of fixture.results) {
    it(program, async () => {
      const file = await pythonReader.open("model.py", source(program));
      const [model] = file.models;
      assert.ok(model, file.problems.map((p) => p.message).join("; "));
      const { graph } = model.trace({ inputs });
      const executable = await engine.compile(graph, { parameters: new Map() });
      const feeds = new Map(graph.inputs.map(({ attrs }) => [attrs.name, tensorOf(fixture.inputs[attrs.name]!)]));
      const outputs = [...(await executable.run(feeds)).values()];
      const nodes = [...graph.outputs.values()];
      assert.equal(outputs.length, results.length);
      for (const [which, expected] of results.entries()) {
        const node = nodes[which]!;
        assert.deepEqual([node.shape, node.dtype], [expected.shape, expected.dtype]);
        const data = numbersOf(await outputs[which]!.read());
        for (const [i, value] of expected.values.map(numberOf).entries()) near(data[i]!, value, i, expected.dtype);
      }
      for (const output of outputs) output.dispose();
      await executable.dispose();
    });
  }
});

function numberOf(value: number | string | boolean): number {
  const named: Record<string, number> = { inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY };
  return typeof value === "string" ? (named[value] ?? Number.NaN) : Number(value);
}

const tensorOf = ({ shape, dtype, values }: Described): Tensor =>
  convert({ dtype: "float64", shape, data: Float64Array.from(values, numberOf) }, dtype);

const numbersOf = (tensor: Tensor): Float64Array => convert(tensor, "float64").data as Float64Array;

/** A few units in the last place of a few dozen terms in another order, by the dtype's precision. */
const ROOM: Partial<Record<DType, number>> = { float64: 1e-6, float16: 2e-3, bfloat16: 1.6e-2 };

function near(actual: number, expected: number, index: number, dtype: DType): void {
  const same = actual === expected || (Number.isNaN(actual) && Number.isNaN(expected));
  const close = Math.abs(actual - expected) <= (ROOM[dtype] ?? 4e-6) * Math.max(1, Math.abs(expected));
  assert.ok(same || close, `element ${index} is ${actual}, PyTorch's is ${expected}`);
}
