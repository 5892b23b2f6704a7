import { pythonReader } from "../../../../../../src/worker/readers/python/reader";
import { type Described, onlyModel, Reference } from "./reference";

const fixture = new Reference<Described & { readonly expression: string }>("expressions.json");
/** Single operations: float32 sums of a few dozen terms in another order. */
const ROOM = 2e-6;

/** A model whose forward is the expression. */
function source(expression: string): string {
  return `import math
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def forward(self, ${fixture.parameters}):
        return ${expression}
`;
}

describe("torch expressions have PyTorch's shape, dtype and values", () => {
  for (const expected of fixture.results) {
    it(expected.expression, async () => {
      const model = onlyModel(await pythonReader.open("model.py", source(expected.expression)));
      await fixture.compare(model, [expected], () => ROOM);
    });
  }
});
