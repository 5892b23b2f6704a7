import { strict as assert } from "node:assert";
import { slopeAtZero } from "../../../../src/worker/jobs/verify/slopes";
import { Random } from "../../../../src/worker/lora/random";

const around = (f: (x: number) => number) => async (h: number) => {
  const here = f(0);
  return [f(h) - here, here - f(-h)] as const;
};

async function check(f: (x: number) => number, slope: number, within: number, largest = 0.5): Promise<void> {
  const found = await slopeAtZero(around(f), largest);
  assert.ok(Math.abs(found.value - slope) <= within * Math.abs(slope), `${found.value} for ${slope}`);
  assert.ok(found.error < 0.1 * Math.abs(slope), `uncertain by ${found.error}`);
}

describe("slopes by finite differences", () => {
  it("are near the derivative of smooth functions, however far the first step reaches", async () => {
    await check((x) => Math.exp(3 * x), 3, 1e-4);
    await check((x) => Math.sin(20 * x), 20, 1e-4);
    await check((x) => Math.tanh(50 * x) + 0.3 * x, 50.3, 1e-3);
    await check((x) => 2 * x + 5 * x ** 3, 2, 1e-6);
  });

  it("come from small steps where many relus turn within the large ones", async () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = new Random(seed);
      const units = Array.from(
        { length: 200 },
        () => [random.normal(), random.normal(), random.normal() / 14] as const,
      );
      const f = (x: number) => units.reduce((sum, [a, b, c]) => sum + c * Math.max(0, a * x + b), 0);
      const slope = units.reduce((sum, [a, b, c]) => sum + (b > 0 ? a * c : 0), 0);
      if (Math.abs(slope) > 0.2) await check(f, slope, 0.02);
    }
  });

  it("are as uncertain as two sides differ where a relu turns at the very place", async () => {
    const found = await slopeAtZero(
      around((x) => x + Math.max(0, x - 1e-9)),
      0.5,
    );
    assert.ok(found.error >= 0.4, `${found.value} ± ${found.error}, and the slope is 1`);
  });

  it("are found below float32's rounding, and are uncertain where there is nothing but rounding", async () => {
    const random = new Random(1);
    await check((x) => Math.exp(x) + 1e-7 * random.normal(), 1, 1e-3);
    const noise = await slopeAtZero(
      around(() => 1e-7 * random.normal()),
      0.5,
    );
    assert.ok(noise.error > 0.1 * Math.abs(noise.value));
  });
});
