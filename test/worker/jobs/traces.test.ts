import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { planAdapter } from "../../../src/worker/jobs/adapter";
import { loadSamples } from "../../../src/worker/jobs/train/samples";
import type { Model } from "../../../src/worker/readers/model";
import { temporaryFolder } from "../formats/temporaryFolder";
import { modelNamed, readTorch } from "../readers/python/reading";

const SOURCE = (forward: string) => `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return ${forward}
`;

/** Tracing a large model takes seconds: a job hands its trace on. */
describe("how often a job traces the model", () => {
  const at = temporaryFolder();

  /** A model that counts its traces. */
  async function counted(forward: string): Promise<{ model: Model; traces: () => number }> {
    const model = modelNamed(await readTorch(SOURCE(forward)), "Net");
    let count = 0;
    const trace: Model["trace"] = (options) => {
      count++;
      return model.trace(options);
    };
    return { model: Object.create(model, { trace: { value: trace } }) as Model, traces: () => count };
  }

  it("is not at all to plan an adapter for an existing graph", async () => {
    const { model, traces } = await counted("self.head(self.fc(x))");
    const { graph } = model.trace();
    assert.equal(planAdapter(model, { r: 2 }, graph).layers.length, 1);
    assert.equal(traces(), 1);
  });

  it("is once where it cannot be traced", async () => {
    const { model, traces } = await counted("self.head(self.fc(unknown))");
    assert.equal(planAdapter(model, { r: 2 }).uses, undefined);
    assert.equal(traces(), 1);
  });

  it("is not again for laying out the data", async () => {
    await writeFile(at("data.csv"), "a,b,c,d,y\n1,2,3,4,0\n1,2,3,5,1\n");
    const { model, traces } = await counted("self.head(self.fc(x))");
    const example = model.trace();
    const signal = new AbortController().signal;
    const choice = { file: at("data.csv"), label: "y", validation: 0, seed: 0 };
    const { data } = await loadSamples(model, choice, signal, example);
    assert.deepEqual(data.inputs[0]!.shape.slice(1), [4]);
    assert.equal(traces(), 1);
  });
});
