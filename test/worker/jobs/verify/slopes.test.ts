import { strict as assert } from "node:assert";
import { type Slope, slopesAtZero } from "../../../../src/worker/jobs/verify/slopes";
import { Random } from "../../../../src/worker/numbers/random";

type Function = (x: number) => number;

const ROUNDING = 1e-9;

/** Slopes from both sides, from ahead and from behind. */
function slopes(f: Function, largest = 0.5, rounding = ROUNDING): Promise<Slope[]> {
  return slopesAtZero(async (t) => f(t) - f(0), largest, rounding);
}

describe("slopes by finite differences", () => {
  it("are near the derivative of smooth functions, within the error that they report", async () => {
    for (const [f, slope] of [
      [(x) => Math.exp(3 * x), 3],
      [(x) => Math.sin(20 * x), 20],
      [(x) => Math.tanh(50 * x) + 0.3 * x, 50.3],
      [(x) => 2 * x + 5 * x ** 3, 2],
    ] as readonly (readonly [Function, number])[]) {
      for (const { value, error } of await slopes(f)) {
        assert.ok(error < 0.01 * slope, `${f}: uncertain by ${error}`);
        assert.ok(Math.abs(value - slope) <= 2 * error, `${f}: ${value} for ${slope}, uncertain by ${error}`);
      }
    }
  });

  it("are right near a relu's kink, unless there are kinks on both sides of the point", async () => {
    let wrong = 0;
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed);
      const units = Array.from({ length: 200 }, () => [random.normal(), random.normal(), random.normal()] as const);
      // One turns so near that no step is smaller.
      units.push([1, seed % 2 === 0 ? 1e-7 : -1e-7, 2]);
      const f: Function = (x) => units.reduce((sum, [a, b, c]) => sum + c * Math.max(0, a * x + b), 0);
      const slope = units.reduce((sum, [a, b, c]) => sum + (b > 0 ? a * c : 0), 0);
      const found = await slopes(f);
      const nearest = Math.min(...found.map(({ value }) => Math.abs(value - slope)));
      if (nearest > 0.01 * Math.max(1, Math.abs(slope))) wrong++;
    }
    assert.ok(wrong <= 10, `${wrong} of 200`);
  });

  it("are found despite rounding, and are reported as uncertain where rounding is all there is", async () => {
    const random = new Random(1);
    const [found] = await slopes((x) => Math.exp(x) + (x === 0 ? 0 : 1e-7 * random.normal()));
    assert.ok(Math.abs(found!.value - 1) < 1e-3 && found!.error < 1e-2, JSON.stringify(found));
    for (const noise of await slopes((x) => (x === 0 ? 0 : 1e-7 * random.normal())))
      assert.ok(noise.error > Math.abs(noise.value) / 3, JSON.stringify(noise));
    // What a step cannot change at all is as uncertain as the rounding that hides it.
    const [hidden] = await slopes(() => 0, 0.5, 1e-3);
    assert.ok(hidden!.error >= 1e-3);
  });

  it("take smaller steps only until a slope is good enough", async () => {
    let runs = 0;
    const f = async (t: number) => {
      runs++;
      return Math.exp(t) - 1;
    };
    const [enough] = await slopesAtZero(f, 0.5, ROUNDING, () => true);
    assert.ok(Math.abs(enough!.value - 1) < 1e-2 && runs < 14, `${runs} runs`);
    assert.equal((await slopesAtZero(f, 0.5, ROUNDING, () => false)).length, 3);
  });
});
