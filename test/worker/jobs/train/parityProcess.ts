import { parity } from "./parity";

/** Run by parity.test.ts where the environment names the software device; prints a Parity for each case as JSON. */
async function main(): Promise<void> {
  const results: Record<string, unknown> = {};
  for (const name of process.argv.slice(2)) results[name] = await parity(name, "onnxruntime-webgpu");
  process.stdout.write(JSON.stringify(results));
}

main().catch((error: Error) => {
  process.stderr.write(String(error.stack));
  process.exitCode = 1;
});
