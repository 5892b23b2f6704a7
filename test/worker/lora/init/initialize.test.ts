import assert from "node:assert/strict";
import type { Tensor } from "../../../../src/worker/formats/tensor";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { initializeAdapter } from "../../../../src/worker/lora/init/initialize";
import { linearAdapters } from "../linearAdapters";

const TARGETS = [
  { path: "fc1", inFeatures: 64, outFeatures: 300 },
  { path: "blocks.0.fc2", inFeatures: 400, outFeatures: 50 },
];

const adapters = (r: number) => linearAdapters(loraConfig({ r }), ...TARGETS);

function values(adapter: ReadonlyMap<string, Tensor>, name: string): Float32Array {
  return adapter.get(name)!.data as Float32Array;
}

function range(data: Float32Array): [number, number] {
  return [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
}

const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);

describe("initializeAdapter", () => {
  it("draws A uniformly within ±1/sqrt(in) and leaves B zero", async () => {
    const adapter = await initializeAdapter(adapters(8), true, 0);
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

  it("draws gaussian A with standard deviation 1/r", async () => {
    const adapter = await initializeAdapter(adapters(16), "gaussian", 0);
    const a = values(adapter, "blocks.0.fc2.lora_A.weight");
    assert.ok(Math.abs(deviation(a) - 1 / 16) < 0.003);
    assert.ok(range(a)[1] > 3 / 16);
    assert.ok(values(adapter, "fc1.lora_B.weight").every((b) => b === 0));
  });

  it("draws B too when init_lora_weights is false", async () => {
    const adapter = await initializeAdapter(adapters(8), false, 0);
    const [low, high] = range(values(adapter, "fc1.lora_B.weight"));
    const bound = 1 / Math.sqrt(8);
    assert.ok(low >= -bound && high <= bound && low < -0.95 * bound && high > 0.95 * bound);
  });

  it("is fixed by the seed, and a layer's values do not depend on the other targets", async () => {
    const first = async (seed: number) => (await initializeAdapter(adapters(8), true, seed)).get("fc1.lora_A.weight");
    const both = await initializeAdapter(adapters(8), true, 3);
    assert.deepEqual(await initializeAdapter(adapters(8), true, 3), both);
    assert.deepEqual(
      (await initializeAdapter(adapters(8).slice(1), true, 3)).get("blocks.0.fc2.lora_A.weight"),
      both.get("blocks.0.fc2.lora_A.weight"),
    );
    assert.notDeepEqual(await first(4), both.get("fc1.lora_A.weight"));
  });

  it("lists the supported initializations when another is requested", async () => {
    await assert.rejects(initializeAdapter(adapters(8), "pissa", 0), {
      name: "UserError",
      message:
        /^a fresh adapter with init_lora_weights "pissa" is not supported; supported are true, false, "gaussian"/,
    });
  });
});
