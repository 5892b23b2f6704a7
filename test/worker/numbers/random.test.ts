import assert from "node:assert/strict";
import { Random } from "../../../src/worker/numbers/random";

const DRAWS = 200_000;

function moments(draw: () => number): { mean: number; variance: number; kurtosis: number } {
  const values = Float64Array.from({ length: DRAWS }, draw);
  const mean = values.reduce((a, b) => a + b) / DRAWS;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / DRAWS;
  const kurtosis = values.reduce((a, b) => a + (b - mean) ** 4, 0) / DRAWS / variance ** 2;
  return { mean, variance, kurtosis };
}

/** Pearson's statistic against equal counts, as deviations of its own normal approximation. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  const statistic = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

describe("Random", () => {
  it("is fixed by its seed and must never change, since that would change every seeded run", () => {
    const random = new Random(42);
    assert.deepEqual([random.bits(), random.bits(), random.bits()], [1044567193, 1598391105, 1376919516]);
    assert.deepEqual(new Random(7).next(), new Random(7).next());
  });

  it("gives unrelated numbers for neighboring, large and negative seeds", () => {
    const seeds = [0, 1, 2, 3, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    assert.equal(new Set(seeds.map((seed) => new Random(seed).bits())).size, seeds.length);
    // The first draw of consecutive seeds is itself uniform.
    const counts = new Array<number>(64).fill(0);
    for (let seed = 0; seed < 64_000; seed++) counts[new Random(seed).below(64)]!++;
    assert.ok(Math.abs(chiSquare(counts)) < 5);
    assert.throws(() => new Random(0.5), RangeError);
  });

  it("is uniform in [0, 1): moments, buckets, pairs and serial correlation", () => {
    const random = new Random(1);
    const { mean, variance } = moments(() => random.next());
    assert.ok(Math.abs(mean - 0.5) < 5 / Math.sqrt(12 * DRAWS));
    assert.ok(Math.abs(variance - 1 / 12) < 0.001);
    const pairs = new Array<number>(1024).fill(0);
    let correlation = 0;
    let previous = random.next();
    for (let i = 0; i < DRAWS; i++) {
      const next = random.next();
      assert.ok(next >= 0 && next < 1);
      pairs[Math.floor(previous * 32) * 32 + Math.floor(next * 32)]!++;
      correlation += (previous - 0.5) * (next - 0.5) * 12;
      previous = next;
    }
    assert.ok(Math.abs(chiSquare(pairs)) < 5);
    assert.ok(Math.abs(correlation / DRAWS) < 5 / Math.sqrt(DRAWS));
  });

  it("sets each of its 32 bits half of the time", () => {
    const random = new Random(2);
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < DRAWS; i++) {
      const bits = random.bits();
      for (let b = 0; b < 32; b++) ones[b]! += (bits >>> b) & 1;
    }
    for (const n of ones) assert.ok(Math.abs(n - DRAWS / 2) < 5 * Math.sqrt(DRAWS / 4));
  });

  it("draws normals of mean 0, variance 1, kurtosis 3", () => {
    const random = new Random(3);
    const { mean, variance, kurtosis } = moments(() => random.normal());
    assert.ok(Math.abs(mean) < 5 / Math.sqrt(DRAWS));
    assert.ok(Math.abs(variance - 1) < 0.02);
    assert.ok(Math.abs(kurtosis - 3) < 0.1);
  });

  it("draws each number below n equally often, and refuses an invalid n", () => {
    const random = new Random(4);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++;
    assert.ok(Math.abs(chiSquare(counts)) < 5);
    // With n = 3 * 2^30 a plain remainder would give the lowest third twice as often.
    let low = 0;
    for (let i = 0; i < 30_000; i++) low += random.below(3 * 2 ** 30) < 2 ** 30 ? 1 : 0;
    assert.ok(Math.abs(low - 10_000) < 5 * Math.sqrt((30_000 * 2) / 9));
    assert.throws(() => random.below(0), RangeError);
  });

  it("shuffles into each order as often", () => {
    const random = new Random(5);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const values = Uint32Array.of(0, 1, 2, 3);
      random.shuffle(values);
      counts.set(values.join(), (counts.get(values.join()) ?? 0) + 1);
    }
    assert.equal(counts.size, 24);
    assert.ok(Math.abs(chiSquare([...counts.values()])) < 5);
  });
});
