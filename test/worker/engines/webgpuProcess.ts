import { chooseEngine, listEngines } from "../../../src/worker/engines/choose";
import { onnxruntimeEngine } from "../../../src/worker/engines/onnxruntime/engine";
import { CASES } from "./cases";
import { check, FLOAT32, type Tolerance } from "./check";
import { trainTiny } from "./step";

/** WGSL lets sin and cos be off by 2^-11. */
function toleranceOf(name: string): Tolerance {
  return /^(sin|cos) /.test(name) ? { ...FLOAT32, atol: 2 ** -11 } : FLOAT32;
}

/** Run by webgpu.test.ts in a process whose environment names the software device; prints what it found as JSON. */
async function main(): Promise<void> {
  const engine = onnxruntimeEngine("webgpu");
  const availability = await engine.available();
  const automatic = (await chooseEngine("auto")).engine.id;
  const failures: string[] = [];
  let training: Awaited<ReturnType<typeof trainTiny>> | undefined;
  if (availability.available) {
    for (const one of CASES) {
      await check(engine, one, toleranceOf(one.name)).catch((error: Error) =>
        failures.push(`${one.name}: ${error.message}`),
      );
    }
    training = await trainTiny(engine, 5);
  }
  const adapters = training && Array.from(training.adapters.data, Number);
  const report = {
    availability,
    automatic,
    engines: await listEngines(),
    failures,
    losses: training?.losses,
    adapters,
  };
  process.stdout.write(JSON.stringify(report));
}

main().catch((error) => {
  process.stderr.write(String(error.stack));
  process.exitCode = 1;
});
