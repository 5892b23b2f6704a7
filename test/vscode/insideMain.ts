/** Runs in the extension host: mocha over the bundled tests beside this bundle, each result appended to a file. */
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";
import { type InsideResult, RESULTS_VARIABLE } from "./insideProtocol";

export async function run(): Promise<void> {
  const results = process.env[RESULTS_VARIABLE];
  if (!results) throw new Error(`${RESULTS_VARIABLE} is not set`);
  const report = (result: InsideResult) => appendFileSync(results, `${JSON.stringify(result)}\n`);

  const mocha = new Mocha({ timeout: 60_000, reporter: class {} as unknown as typeof Mocha.reporters.Base });
  const folder = join(__dirname, "inside");
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".test.js"))) mocha.addFile(join(folder, name));
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    runner.on("pass", (test) =>
      report({ title: test.fullTitle(), state: "passed", ...(test.duration ? { milliseconds: test.duration } : {}) }),
    );
    runner.on("pending", (test) => report({ title: test.fullTitle(), state: "pending" }));
    runner.on("fail", (test, error) =>
      report({ title: test.fullTitle(), state: "failed", error: error.stack ?? String(error) }),
    );
  });
  if (failures > 0) throw new Error(`${failures} tests failed`);
}
