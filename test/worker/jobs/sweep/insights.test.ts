import { strict as assert } from "node:assert";
import type { SweepRun } from "../../../../src/protocol/reports/sweep";
import { findings } from "../../../../src/worker/jobs/sweep/insights";

const run = (rank: number, accuracy: number | null, loss = 1): SweepRun => ({
  rank,
  alpha: 2 * rank,
  scaling: 2,
  trainable: 1000 * rank,
  percent: rank,
  adapterBytes: 4000 * rank,
  before: { loss: 2, accuracy: accuracy === null ? null : 0.1 },
  after: { loss, accuracy },
  seconds: 1,
  samplesPerSecond: 100,
  folder: `r${rank}`,
});

describe("a sweep's findings", () => {
  it("name the best rank, and the smallest within one standard error of it", () => {
    // sqrt(0.9 * 0.1 / 100) is 0.03.
    const runs = [run(4, 0.86), run(8, 0.88), run(16, 0.9), run(32, 0.9)];
    const { best, smallestGood, insights } = findings(runs, 100);
    assert.deepEqual([best, smallestGood], [16, 8]);
    assert.deepEqual(insights, [
      "Rank 16 has the highest accuracy: 90.0 %, from 10.0 % before training.",
      "Rank 8 is the smallest within one standard error (3.0 points for 100 samples) of it: 88.0 % with 8,000 trained parameters instead of 16,000.",
    ]);
    // With four times the samples the error is half as large.
    assert.equal(findings(runs, 400).smallestGood, 16);
  });

  it("say that a rank at the end of those tried may not be the end", () => {
    assert.match(findings([run(4, 0.5), run(8, 0.9)], 400).insights[1]!, /A larger rank may do better still/);
    assert.match(findings([run(4, 0.9), run(8, 0.5)], 400).insights[1]!, /a smaller one may be enough/);
    assert.match(findings([run(2, 0.5), run(4, 0.9), run(8, 0.5)], 400).insights[1]!, /standard error .* of it\.$/);
  });

  it("go by the loss where there is no accuracy", () => {
    const { best, smallestGood, insights } = findings([run(4, null, 0.75), run(8, null, 0.5)], 100);
    assert.deepEqual([best, smallestGood], [8, null]);
    assert.deepEqual(insights, ["Rank 8 has the lowest loss: 0.5000, from 2.000 before training."]);
  });

  it("say when training does not help", () => {
    assert.match(findings([run(4, 0.1), run(8, 0.05)], 100).insights.at(-1)!, /^No rank improves the accuracy/);
    assert.match(findings([run(4, null, 3)], 100).insights.at(-1)!, /^The training does not improve the loss/);
  });
});
