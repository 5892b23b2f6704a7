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
interface Case {
  readonly make: string;
  readonly call: string;
  readonly state: Record<string, Described>;
  readonly results: Described[];
}
const fixture: { inputs: Record<string, Described>; results: Case[] } = JSON.parse(
  readFileSync("test/fixtures/torch/modules.json", "utf8"),
);

const engine = onnxruntimeEngine("cpu");
const inputs = Object.entries(fixture.inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));

const source = ({ make, call }: Case): string => `import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization as register

def changed(module, **values):
    for name, value in values.items():
        setattr(module, name, value)
    return module

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = ${make}

    def forward(self, ${inputs.map((i) => i.name).join(", ")}):
        m = self.m
        return ${call}
`;

describe("torch.nn's layers hold and give what PyTorch's do", () => {
  for (const example of fixture.results) {
    it(`${example.make}: ${example.call}`, async () => {
      const [model] = (await pythonReader.open("model.py", source(example))).models;
      assert.ok(model);
      const expected = Object.entries(example.state);
      assert.deepEqual(
        model.stateDict.map(({ path, shape, dtype }) => [path, shape, dtype]),
        expected.map(([path, { shape, dtype }]) => [`m.${path}`, shape, dtype]),
      );
      const initial = model.initialize(0);
      for (const [path, wanted] of expected) {
        const drawn = initial.get(`m.${path}`);
        if (!drawn) continue;
        const room = wanted.dtype.endsWith("16") ? 1e-2 : 1e-6;
        for (const [i, value] of numbersOf(drawn).entries()) near(value, numberOf(wanted.values[i]!), i, room);
      }
      const { graph } = model.trace({ inputs });
      const parameters = new Map(expected.map(([path, value]) => [`m.${path}`, tensorOf(value)]));
      const executable = await engine.compile(graph, { parameters });
      const feeds = new Map(graph.inputs.map(({ attrs }) => [attrs.name, tensorOf(fixture.inputs[attrs.name]!)]));
      const outputs = [...(await executable.run(feeds)).values()];
      const nodes = [...graph.outputs.values()];
      assert.equal(outputs.length, example.results.length);
      for (const [which, wanted] of example.results.entries()) {
        const node = nodes[which]!;
        assert.deepEqual([node.shape, node.dtype], [wanted.shape, wanted.dtype]);
        const data = numbersOf(await outputs[which]!.read());
        const room = ROOM[wanted.dtype] ?? 4e-6;
        for (const [i, value] of wanted.values.map(numberOf).entries()) near(data[i]!, value, i, room);
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

function near(actual: number, expected: number, index: number, room: number): void {
  const same = actual === expected || (Number.isNaN(actual) && Number.isNaN(expected));
  const close = Math.abs(actual - expected) <= room * Math.max(1, Math.abs(expected));
  assert.ok(same || close, `element ${index} is ${actual}, PyTorch's is ${expected}`);
}
