/** Runs the test files named by its arguments under mocha and tells its parent process the counts. */
import { resolve } from "node:path";
import Mocha from "mocha";
import options from "../.mocharc.json";
import { root } from "./build.mjs";
import type { Counts } from "./testPhase";

const mocha = new Mocha({ timeout: options.timeout, forbidOnly: options["forbid-only"], reporter: "spec" });
for (const file of process.argv.slice(2)) mocha.addFile(resolve(root, file));
await mocha.loadFilesAsync();
const runner = mocha.run(() => {
  const stats = runner.stats!;
  const counts: Counts = { passed: stats.passes, failed: stats.failures, skipped: stats.pending };
  if (process.send) process.send(counts, () => process.exit(0));
  else process.exit(counts.failed > 0 ? 1 : 0);
});
