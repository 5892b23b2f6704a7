import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { GivenConfig } from "../../../../src/protocol/lora";
import { analyze } from "../../../../src/worker/jobs/analyze/analyze";
import type { JobContext } from "../../../../src/worker/jobs/context";

const FILE = join(__dirname, "../../../../examples/digits/model.py");

const signal = new AbortController().signal;
const context: JobContext = { onProgress: () => {}, signal, stop: signal };

/** The digits example by hand: fc1 64 → 128, fc2 128 → 128, head 128 → 10, each with a bias. */
const FC1 = 64 * 128 + 128;
const FC2 = 128 * 128 + 128;
const HEAD = 128 * 10 + 10;
const BASE = FC1 + FC2 + HEAD;
/** Both targets' adapters at rank 1. */
const PER_RANK = 64 + 128 + (128 + 128);

describe("analyze", () => {
  const digits = (choice: GivenConfig = {}) =>
    analyze({ kind: "analyze", model: { file: FILE }, adapter: choice }, context);

  it("counts each layer at each rank", async () => {
    const { layers, ranks } = await digits();
    assert.deepEqual(ranks, [4, 8, 16, 32, 64]);
    const expected = [
      { path: "fc1", full: FC1, sizes: 64 + 128, targeted: true },
      { path: "fc2", full: FC2, sizes: 128 + 128, targeted: true },
      { path: "head", full: HEAD, sizes: 128 + 10, targeted: false },
    ];
    assert.deepEqual(
      layers.map(({ path, full, targeted }) => ({ path, full, targeted })),
      expected.map(({ path, full, targeted }) => ({ path, full, targeted })),
    );
    layers.forEach((layer, i) => {
      const { full, sizes } = expected[i]!;
      assert.equal(layer.breakEvenRank, full / sizes);
      for (const at of layer.byRank) {
        assert.equal(at.lora, at.rank * sizes);
        assert.equal(at.reduction, full / (at.rank * sizes));
      }
    });
  });

  it("puts targeted layers of equal cost together, each group with the numbers of one of its layers", async () => {
    const file = join(__dirname, "../../../../examples/transformer/model.py");
    const { groups, layers } = await analyze(
      { kind: "analyze", model: { file, class: "SmallTransformer" }, adapter: { target_modules: "all-linear" } },
      context,
    );
    const targeted = layers.filter((layer) => layer.targeted);
    assert.deepEqual(groups.flatMap(({ paths }) => paths).sort(), targeted.map(({ path }) => path).sort());
    assert.ok(groups.length < targeted.length, `${groups.length} groups of ${targeted.length} layers`);
    for (const { paths, inFeatures, outFeatures, bias, full, byRank } of groups) {
      for (const path of paths) {
        const layer = targeted.find((one) => one.path === path)!;
        assert.deepEqual(
          { inFeatures: layer.inFeatures, outFeatures: layer.outFeatures, bias: layer.bias, byRank: layer.byRank },
          { inFeatures, outFeatures, bias, byRank },
        );
        assert.equal(layer.full, full);
      }
    }
    const separate = (await digits()).groups;
    assert.deepEqual(
      separate.map(({ name, paths }) => [name, paths]),
      [
        ["fc1", ["fc1"]],
        ["fc2", ["fc2"]],
      ],
    );
  });

  it("adds up the targets, as PEFT's print_trainable_parameters does", async () => {
    const { injection, totals } = await digits();
    assert.equal(injection.trainable, 8 * PER_RANK);
    assert.equal(injection.total, BASE + 8 * PER_RANK);
    assert.equal(injection.percent, (100 * 8 * PER_RANK) / (BASE + 8 * PER_RANK));
    for (const total of totals) {
      const trainable = total.rank * PER_RANK;
      assert.equal(total.trainable, trainable);
      assert.equal(total.percent, (100 * trainable) / (BASE + trainable));
      assert.equal(total.reduction, (FC1 + FC2) / trainable);
      assert.equal(total.adapterBytes, 4 * trainable);
      assert.equal(total.optimizerBytes, 8 * trainable);
    }
  });

  it("explains the numbers in sentences", async () => {
    const { insights } = await digits();
    const note = insights.join("\n");
    assert.match(note, /Rank 8 trains 3,584 parameters instead of the 24,832 of the 2 targeted layers: 6\.9× fewer/);
    assert.match(note, /from 1,792 parameters at rank 4 to 28,672 at rank 64/);
    assert.match(note, /fc2 \(128 → 128\) shrinks 8\.1×, fc1 \(64 → 128\) only 5\.4×/);
    assert.doesNotMatch(note, /damped|no fewer scalars/);
  });

  it("warns of a damped scale, and of adapters larger than their layers", async () => {
    const { injection, insights } = await digits({ r: 64, lora_alpha: 16 });
    assert.equal(injection.scaling, 0.25);
    const note = insights.join("\n");
    assert.match(note, /effective scale is 0\.25 \(alpha 16 over rank 64\)/);
    assert.match(note, /adapter of fc1 has no fewer parameters|adapter of .*fc1.* has no fewer parameters/);
  });

  it("takes rsLoRA's scale", async () => {
    const { injection } = await digits({ r: 16, lora_alpha: 16, use_rslora: true });
    assert.equal(injection.scaling, 4);
  });

  it("refuses invalid ranks and unknown layers", async () => {
    const request = { kind: "analyze", model: { file: FILE }, adapter: {} } as const;
    await assert.rejects(analyze({ ...request, ranks: [8, 0] }, context), /ranks must be/);
    await assert.rejects(analyze({ ...request, ranks: [] }, context), /ranks must be/);
    await assert.rejects(analyze({ ...request, focus: "fc3" }, context), /no Linear layer "fc3"/);
  });
});
