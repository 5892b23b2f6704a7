import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Cancelled } from "../../../../src/worker/server/failure";
import { ReadingThread } from "../../../../src/worker/server/reading/readingThread";

const ENTRY = join(__dirname, "../../../../src/worker/server/reading/main.ts");

/** The real thread, from its source. */
function startThread(): Worker {
  return new Worker(`require("tsx/cjs"); require(${JSON.stringify(ENTRY)});`, { eval: true });
}

describe("reading thread, the real one", () => {
  const thread = new ReadingThread({ start: startThread, log: () => undefined });
  after(() => thread.dispose());

  it("reads a model and returns the default targets", async () => {
    const text = `
from torch import nn

class Net(nn.Module):
    def __init__(self, width=768):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in range(4)])
        self.head = nn.Linear(width, 10)
`;
    const { summary, defaultTargets } = await thread.run({
      type: "read",
      file: "net.py",
      text,
      cancel: new SharedArrayBuffer(4),
    });
    assert.deepEqual(
      summary.models[0]!.layers.map(({ path, inFeatures, line }) => [path, inFeatures, line]),
      [
        ["blocks.0", 768, 7],
        ["blocks.1", 768, 7],
        ["blocks.2", 768, 7],
        ["blocks.3", 768, 7],
        ["head", 768, 8],
      ],
    );
    assert.deepEqual(defaultTargets.get("Net"), ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]);
  });

  it("abandons a long reading when it is told to", async () => {
    const text = `
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        total = 0
        while True:
            total = total + 1
`;
    const cancel = new SharedArrayBuffer(4);
    const reading = thread.run({ type: "read", file: "net.py", text, cancel });
    setImmediate(() => Atomics.store(new Int32Array(cancel), 0, 1));
    // Whether as a partial result or as an error is the reader's choice: it is dropped either way.
    await reading.catch((error) => assert.ok(!(error instanceof Cancelled)));
    const next = await thread.run({ type: "read", file: "net.py", text: "", cancel: new SharedArrayBuffer(4) });
    assert.deepEqual(next.summary.models, []);
  });

  it("answers a file without a model with a message", async () => {
    const command = { type: "read", file: "net.txt", text: "", cancel: new SharedArrayBuffer(4) } as const;
    await assert.rejects(thread.run(command), /net\.txt is not a model file/);
  });
});
