import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EngineSummary } from "../../../src/protocol/reports";
import type { Availability } from "../../../src/worker/engines/engine";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { trainTiny } from "./step";
import { swiftshaderEnvironment } from "./swiftshader";

interface Found {
  readonly availability: Availability;
  readonly automatic: string;
  readonly engines: readonly EngineSummary[];
  readonly failures: readonly string[];
  readonly losses: readonly number[];
  readonly adapters: readonly number[];
}

const run = promisify(execFile);

/** Said before anything runs, with what to do. */
const LACKING = /^convTranspose of three dimensions.*: ONNX Runtime's WebGPU has no transposed convolution over three/;

describe("ONNX Runtime (WebGPU)", function () {
  this.timeout(240_000);

  describe("on a software device", () => {
    let found: Found;

    before(async function () {
      if (process.platform !== "linux" || process.arch !== "x64") this.skip(); // what @sparticuz/chromium is built for
      const script = join(__dirname, "webgpuProcess.ts");
      const env = await swiftshaderEnvironment();
      const { stdout } = await run(process.execPath, ["--import", "tsx", script], { env, maxBuffer: 1 << 26 });
      found = JSON.parse(stdout) as Found;
    });

    it("is available, and says that the device is software", () => {
      const { availability } = found;
      assert.ok(availability.available, availability.available ? "" : availability.reason);
      assert.equal(availability.software, true);
    });

    it("is not what auto picks", () => {
      assert.equal(found.automatic, "onnxruntime-cpu");
      const summary = found.engines.find(({ id }) => id === "onnxruntime-webgpu")!;
      assert.deepEqual([summary.available, summary.software, summary.chosen], [true, true, false]);
    });

    it("computes every op as the reference does, except for a kernel that it reports as missing", () => {
      assert.deepEqual(
        found.failures.filter((failure) => !LACKING.test(failure)),
        [],
      );
      assert.ok(found.failures.length > 0, "it has the kernel now");
    });

    it("trains as the CPU does, with state on the device", async () => {
      const cpu = await trainTiny(onnxruntimeEngine("cpu"), 5);
      for (const [i, loss] of cpu.losses.entries()) assert.ok(Math.abs(found.losses[i]! - loss) < 1e-5 * loss);
      for (const [i, value] of cpu.adapters.data.entries()) {
        assert.ok(Math.abs(found.adapters[i]! - Number(value)) < 1e-4, `adapter element ${i}`);
      }
    });
  });

  it("says why it is not available, without ending the process", async () => {
    const script = `
      const { onnxruntimeEngine } = require("./src/worker/engines/onnxruntime/engine");
      onnxruntimeEngine("webgpu").available().then((a) => process.stdout.write(JSON.stringify(a)));`;
    // No Vulkan driver at all.
    const env = { ...process.env, VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" };
    const options = { env, cwd: join(__dirname, "..", "..", "..") };
    const { stdout } = await run(process.execPath, ["--import", "tsx", "--eval", script], options);
    const availability = JSON.parse(stdout) as Availability;
    if (process.platform !== "linux") return;
    assert.equal(availability.available, false);
    assert.match(availability.available ? "" : availability.reason, /no GPU that WebGPU can use was found.*Vulkan/);
  });
});
