import { strict as assert } from "node:assert";
import type { InjectionSummary } from "../../../../src/protocol/reports";
import type { ChoiceCost } from "../../../../src/protocol/reports/summary";
import { type PracticeFacts, practices } from "../../../../src/worker/jobs/summarize/practices";

const injection: InjectionSummary = {
  model: "Net",
  file: "/net.py",
  rank: 8,
  alpha: 16,
  scaling: 2,
  dropout: 0.05,
  targets: [
    { path: "fc", line: 3, inFeatures: 100, outFeatures: 100, bias: false, full: 10_000, lora: 1600, reduction: 6.25 },
  ],
  baseParameters: 20_000,
  trainable: 1600,
  total: 21_600,
  percent: (100 * 1600) / 21_600,
};
const choices: ChoiceCost[] = [
  { choice: "attention", layers: 4, trainable: 6400, percent: 1 },
  { choice: "all-linear", layers: 6, trainable: 9600, percent: 2 },
];

/** Facts that give reason for no practice, but for the changes. */
function found(changes: Partial<PracticeFacts> = {}, inject: Partial<InjectionSummary> = {}): Record<string, string> {
  // An adapter as large as half its layer or more saves too little for LoRA's learning rate.
  const facts: PracticeFacts = {
    injection: { ...injection, trainable: 6000, ...inject },
    rankStabilized: false,
    groups: [],
    kinds: [],
    choices: [],
    memory: null,
    trainableAt: (rank) => 200 * rank,
    startsAtZero: false,
    tied: true,
    ...changes,
  };
  return Object.fromEntries(practices(facts).map(({ id, here }) => [id, here]));
}

describe("best practices", () => {
  it("are none where nothing gives reason", () => {
    assert.deepEqual(found(), {});
  });

  it("name a rank outside 8 to 16, with what the nearest of them trains", () => {
    assert.deepEqual(found({}, { rank: 64, trainable: 12_800 }), {
      rank: "rank 64 trains 12,800 parameters; rank 16 would train 3,200.",
    });
    assert.match(found({}, { rank: 2 }).rank!, /rank 8 would train 1,600\.$/);
    assert.equal(found({}, { rank: 16 }).rank, undefined);
  });

  it("name a scale outside 1 to 2, unless rsLoRA sets it", () => {
    const damped = { alpha: 4, scaling: 0.5 };
    assert.deepEqual(found({}, damped), {
      alpha: "alpha 4 at rank 8 gives a scale of 0.5; alpha 8 gives 1, alpha 16 gives 2.",
    });
    assert.deepEqual(Object.keys(found({}, { alpha: 64, scaling: 8 })), ["alpha"]);
    assert.deepEqual(found({ rankStabilized: true }, damped), {});
  });

  it("compare attention with all linear layers, where there are both", () => {
    assert.deepEqual(found({ choices }), {
      targets:
        "at rank 8, attention alone trains 6,400 parameters in 4 layers, all linear layers 9,600 in 6. The configuration adapts 0.",
    });
    assert.deepEqual(found({ choices: choices.slice(1) }), {});
    assert.deepEqual(found({ choices: choices.map((cost) => ({ ...cost, layers: 4 })) }), {});
  });

  it("name a dropout of 0 or above 0.1, with QLoRA's for a model of the size", () => {
    assert.match(
      found({}, { dropout: 0 }).dropout!,
      /dropout is 0, .* 20,000 parameters, for which QLoRA takes 0\.1\.$/,
    );
    assert.match(found({}, { dropout: 0.3, baseParameters: 65e9 }).dropout!, /30\.0 % of .* QLoRA takes 0\.05\.$/);
    assert.deepEqual(found({}, { dropout: 0.1 }), {});
  });

  it("name the learning rate where adapters are much smaller than their layers", () => {
    assert.deepEqual(found({}, { trainable: 1600 }), {
      "learning-rate":
        "the adapters have 6.3× fewer parameters than their layers. Train starts LoRA at 0.001, full fine-tuning at 0.0001.",
    });
    assert.deepEqual(found({}, { trainable: 5001 }), {});
  });

  it("name the norms where B begins at zero", () => {
    assert.deepEqual(Object.keys(found({ startsAtZero: true })), ["norms"]);
    assert.deepEqual(found({ startsAtZero: false }), {});
  });

  it("name the merge, unless an adapted weight is shared with another module", () => {
    assert.deepEqual(found({ tied: false }), {
      merge:
        "unmerged, each forward pass has 2 more matrix products and 21,600 parameters; merged it has 20,000 again, 6,000 fewer.",
    });
    assert.deepEqual(found({ tied: true }), {});
  });
});
