import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Cancelled, type JobFailure } from "../../../../src/worker/server/failure";
import type { ReadingCommand } from "../../../../src/worker/server/reading/readingProtocol";
import { ReadingThread } from "../../../../src/worker/server/reading/readingThread";

const ENTRY = join(__dirname, "../processes", "reading.cjs");

function read(text: string): ReadingCommand & { type: "read" } {
  return { type: "read", file: "net.py", text, cancel: new SharedArrayBuffer(4) };
}

describe("reading thread", () => {
  let thread: ReadingThread;
  let starts: number;
  beforeEach(() => {
    starts = 0;
    thread = new ReadingThread({
      start: () => {
        starts++;
        return new Worker(ENTRY);
      },
      timeLimitMs: 20_000,
      log: () => undefined,
    });
  });
  afterEach(() => thread.dispose());

  it("starts with the first command and stays", async () => {
    assert.equal(starts, 0);
    const first = await thread.run(read(""));
    const second = await thread.run(read(""));
    assert.equal(first.summary.problems[0]!.message, "reading 1 of net.py");
    assert.equal(second.summary.problems[0]!.message, "reading 2 of net.py");
    assert.equal(starts, 1);
  });

  for (const [how, message] of [
    ["crash", /the reading thread crashed: out of wits/],
    ["exit", /ended with exit code 3/],
  ] as const) {
    it(`settles and starts again after a ${how}`, async () => {
      const broken = thread.run(read(`# ${how}`));
      const next = thread.run(read(""));
      await assert.rejects(broken, message);
      assert.equal((await next).summary.problems[0]!.message, "reading 1 of net.py");
      assert.equal(starts, 2);
    });
  }

  it("is ended when it exceeds the time limit", async () => {
    const impatient = new ReadingThread({ start: () => new Worker(ENTRY), timeLimitMs: 300, log: () => undefined });
    await assert.rejects(impatient.run(read("# hang")), /longer than 0\.3 s and was stopped/);
    await impatient.dispose();
  });

  it("hands a defect on with its message", async () => {
    await assert.rejects(thread.run(read("# defect")), (error: JobFailure) => {
      assert.deepEqual(error.error, { message: "cannot read this", defect: true });
      return true;
    });
  });

  it("does not start a command that was cancelled while it waited", async () => {
    const abandoned = read("# crash");
    const first = thread.run(read(""));
    const second = thread.run(abandoned);
    Atomics.store(new Int32Array(abandoned.cancel), 0, 1);
    await first;
    await assert.rejects(second, Cancelled);
  });

  it("settles what is under way when it is disposed of", async () => {
    const hanging = thread.run(read("# until cancelled"));
    await new Promise<void>((resolve) => setImmediate(resolve));
    await thread.dispose();
    await assert.rejects(hanging, Cancelled);
    await assert.rejects(thread.run(read("")), Cancelled);
  });
});
