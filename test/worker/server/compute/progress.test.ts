import { strict as assert } from "node:assert";
import type { JobProgress } from "../../../../src/protocol/jobs";
import type { EpochResult } from "../../../../src/protocol/reports";
import { ThrottledProgress } from "../../../../src/worker/server/compute/progress";

function step(n: number, validation?: EpochResult): JobProgress {
  return {
    message: `step ${n}`,
    fraction: n / 10,
    training: {
      kind: "train-progress",
      step: n,
      steps: 10,
      epoch: 1,
      epochs: 1,
      losses: [n],
      samplesPerSecond: 1,
      secondsLeft: 1,
      ...(validation ? { validation } : {}),
    },
  };
}

describe("progress", () => {
  it("is thinned out without dropping any step's loss", () => {
    let now = 0;
    const sent: JobProgress[] = [];
    const progress = new ThrottledProgress(
      (state) => sent.push(state),
      () => now,
    );
    progress.add(step(1));
    progress.add(step(2));
    progress.add(step(3));
    assert.deepEqual(
      sent.map((state) => state.message),
      ["step 1"],
    );
    now = 150;
    progress.add(step(4));
    progress.add(step(5));
    progress.flush();
    progress.flush();
    assert.deepEqual(
      sent.map((state) => [state.message, state.training!.losses]),
      [
        ["step 1", [1]],
        ["step 4", [2, 3, 4]],
        ["step 5", [5]],
      ],
    );
  });

  it("sends the end of an epoch at once", () => {
    const sent: JobProgress[] = [];
    const progress = new ThrottledProgress(
      (state) => sent.push(state),
      () => 0,
    );
    progress.add(step(1));
    const validation = { epoch: 1, trainLoss: 1, validationLoss: 2, validationAccuracy: 0.5 };
    progress.add(step(2, validation));
    assert.deepEqual(sent[1]!.training!.validation, validation);
  });

  it("sends what is left by itself", async () => {
    const last = await new Promise<JobProgress>((resolve) => {
      const progress = new ThrottledProgress((state) => {
        if (state.message === "step 2") resolve(state);
      });
      progress.add(step(1));
      progress.add(step(2));
    });
    assert.deepEqual(last.training!.losses, [2]);
  });
});
