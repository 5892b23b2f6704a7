import assert from "node:assert/strict";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { initializeAdapter } from "../../../../src/worker/lora/init/initialize";

const TARGETS = [
  { path: "fc1", inFeatures: 64, outFeatures: 300 },
  { path: "blocks.0.fc2", inFeatures: 400, outFeatures: 50 },
];

function values(adapter: ReturnType<typeof initializeAdapter>, name: string): Float32Array {
  return adapter.get(name)!.data as Float32Array;
}

function range(data: Float32Array): [number, number] {
  return [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
}

const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);

describe("initializeAdapter", () => {
  it("draws A uniformly within ±1/sqrt(in) and leaves B zero", () => {
    const adapter = initializeAdapter(TARGETS, loraConfig({ r: 8 }), 0);
    assert.deepEqual(
      [...adapter].map(([name, { shape, dtype }]) => [name, dtype, ...shape]),
      [
        ["fc1.lora_A.weight", "float32", 8, 64],
        ["fc1.lora_B.weight", "float32", 300, 8],
        ["blocks.0.fc2.lora_A.weight", "float32", 8, 400],
        ["blocks.0.fc2.lora_B.weight", "float32", 50, 8],
      ],
    );
    for (const { path, inFeatures } of TARGETS) {
      const a = values(adapter, `${path}.lora_A.weight`);
      const bound = 1 / Math.sqrt(inFeatures);
      const [low, high] = range(a);
      assert.ok(low >= -bound && high <= bound && low < -0.95 * bound && high > 0.95 * bound);
      assert.ok(Math.abs(deviation(a) - bound / Math.sqrt(3)) < 0.1 * bound);
      assert.ok(values(adapter, `${path}.lora_B.weight`).every((b) => b === 0));
    }
  });

  it("draws gaussian A with standard deviation 1/r", () => {
    const adapter = initializeAdapter(TARGETS, loraConfig({ r: 16, init_lora_weights: "gaussian" }), 0);
    const a = values(adapter, "blocks.0.fc2.lora_A.weight");
    assert.ok(Math.abs(deviation(a) - 1 / 16) < 0.003);
    assert.ok(range(a)[1] > 3 / 16);
    assert.ok(values(adapter, "fc1.lora_B.weight").every((b) => b === 0));
  });

  it("draws B too when init_lora_weights is false", () => {
    const adapter = initializeAdapter(TARGETS, loraConfig({ r: 8, init_lora_weights: false }), 0);
    const [low, high] = range(values(adapter, "fc1.lora_B.weight"));
    const bound = 1 / Math.sqrt(8);
    assert.ok(low >= -bound && high <= bound && low < -0.95 * bound && high > 0.95 * bound);
  });

  it("is fixed by the seed, and a layer's values do not depend on the other targets", () => {
    const config = loraConfig({ r: 8 });
    const both = initializeAdapter(TARGETS, config, 3);
    assert.deepEqual(initializeAdapter(TARGETS, config, 3), both);
    assert.deepEqual(
      initializeAdapter(TARGETS.slice(1), config, 3).get("blocks.0.fc2.lora_A.weight"),
      both.get("blocks.0.fc2.lora_A.weight"),
    );
    assert.notDeepEqual(initializeAdapter(TARGETS, config, 4).get("fc1.lora_A.weight"), both.get("fc1.lora_A.weight"));
  });

  it("names what is supported when asked for another way", () => {
    assert.throws(() => initializeAdapter(TARGETS, loraConfig({ init_lora_weights: "pissa" }), 0), {
      name: "UserError",
      message:
        /^a fresh adapter with init_lora_weights "pissa" is not supported; supported are true, false, "gaussian"/,
    });
  });
});
