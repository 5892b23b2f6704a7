import assert from "node:assert/strict";
import { pythonReader } from "../../../../../../src/worker/readers/python/reader";
import { type Described, near, numberOf, numbersOf, onlyModel, Reference, tensorOf } from "./reference";

interface Case {
  readonly make: string;
  readonly call: string;
  readonly state: Record<string, Described>;
  readonly results: Described[];
}
const fixture = new Reference<Case>("modules.json");

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

    def forward(self, ${fixture.parameters}):
        m = self.m
        return ${call}
`;

describe("torch.nn's layers hold and give what PyTorch's do", () => {
  for (const example of fixture.results) {
    it(`${example.make}: ${example.call}`, async () => {
      const model = onlyModel(await pythonReader.open("model.py", source(example)));
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
        for (const [i, value] of numbersOf(drawn).entries()) near(value, numberOf(wanted.values[i]!), path, room);
      }
      const parameters = new Map(expected.map(([path, value]) => [`m.${path}`, tensorOf(value)]));
      await fixture.compare(model, example.results, undefined, parameters);
    });
  }
});
