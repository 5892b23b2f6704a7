import { strict as assert } from "node:assert";
import { CASES, parity } from "./parity";

/** The same weights, batches and setup as PyTorch with PEFT: every loss of 100 steps, and the adapter they end with. */
describe("training parity with PyTorch and PEFT", () => {
  for (const engine of ["onnxruntime-cpu", "tfjs"] as const) {
    for (const name of CASES) {
      it(`${name} on ${engine}`, async () => {
        const result = await parity(name, engine);
        assert.equal(result.steps, 100);
        assert.ok(result.loss <= 1e-4, `losses differ by up to ${result.loss}, relative`);
        assert.ok(result.adapter <= 1e-3, `adapters differ by up to ${result.adapter}, relative`);
      }).timeout(120_000);
    }
  }
});
