import { pythonReader } from "../../../../../../src/worker/readers/python/reader";
import { type Described, onlyModel, Reference } from "./reference";

const fixture = new Reference<{ program: string; results: Described[] }>("programs.json");

/** A model whose forward is the program. */
function source(program: string): string {
  const lines = program.startsWith("for ") ? [program] : program.split("; ");
  return `import math
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def forward(self, ${fixture.parameters}):
${lines.map((line) => `        ${line}`).join("\n")}
        return r
`;
}

describe("torch programs have PyTorch's shapes, dtypes and values", () => {
  for (const { program, results } of fixture.results) {
    it(program, async () => {
      await fixture.compare(onlyModel(await pythonReader.open("model.py", source(program))), results);
    });
  }
});
