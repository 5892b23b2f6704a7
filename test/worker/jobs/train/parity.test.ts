import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { swiftshaderEnvironment } from "../../engines/swiftshader";
import { CASES, type Parity, parity } from "./parity";

const run = promisify(execFile);

function assertAgrees({ steps, loss, adapter }: Parity): void {
  assert.equal(steps, 100);
  assert.ok(loss <= 1e-4, `losses differ by up to ${loss}, relative`);
  assert.ok(adapter <= 1e-4, `adapters differ by up to ${adapter}, relative to their largest element`);
}

/** The same weights, batches and setup as PyTorch with PEFT: every loss of 100 steps, and the adapter they end with. */
describe("training parity with PyTorch and PEFT", () => {
  for (const engine of ["onnxruntime-cpu", "tfjs"] as const) {
    for (const name of CASES) {
      it(`${name} on ${engine}`, async () => assertAgrees(await parity(name, engine))).timeout(120_000);
    }
  }

  describe("on onnxruntime-webgpu with a software device", function () {
    this.timeout(240_000);
    let results: Record<string, Parity>;

    before(async function () {
      if (process.platform !== "linux" || process.arch !== "x64") this.skip(); // what the software device is built for
      const script = join(__dirname, "parityProcess.ts");
      const env = await swiftshaderEnvironment();
      const { stdout } = await run(process.execPath, ["--import", "tsx", script, ...CASES], { env });
      results = JSON.parse(stdout);
    });

    for (const name of CASES) it(name, () => assertAgrees(results[name]!));
  });
});
