/**
 * `npm test`: build, types, lint, unit tests, tests in a real VS Code. The last line is `N passed, N failed`; the exit
 * code is 0 only when something passed and nothing failed. `--only unit` and `--only vscode` run a part.
 */
import { fork, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { build, root } from "./build.mjs";
import { type Counts, testFiles } from "./testPhase";

const say = (line: string) => process.stdout.write(`${line}\n`);
const total = { passed: 0, failed: 0, skipped: 0 };

/** Announces a step, runs it, and counts what it throws as one failure. True when it did not throw. */
async function step(name: string, work: () => void | Promise<void>): Promise<boolean> {
  say(`\n— ${name}`);
  try {
    await work();
    return true;
  } catch (error) {
    total.failed++;
    say(`${name} failed: ${(error as Error).message}`);
    return false;
  }
}

/** Runs a command of node_modules/.bin with its output shown. */
function tool(command: string, ...args: string[]): void {
  const shell = process.platform === "win32";
  const { status, error } = spawnSync("npx", ["--no-install", command, ...args], {
    cwd: root,
    stdio: "inherit",
    shell,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`exit code ${status}`);
}

/** Runs a test process, adds up its counts, and counts its early end as a failure: native code can crash. */
function phase(script: string, args: readonly string[] = []): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(script, args, { cwd: root, execArgv: ["--import", "tsx"] });
    let counts: Counts | undefined;
    child.on("message", (message) => {
      counts = message as Counts;
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (!counts) return reject(new Error(`its process ended early (${signal ?? `exit code ${code}`})`));
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
      if (counts.passed + counts.failed === 0) return reject(new Error("no test ran"));
      return resolve();
    });
  });
}

const PARTS = {
  unit: () => step("unit tests", () => phase("scripts/runMocha.mts", testFiles("test", "test/vscode"))),
  vscode: async () => {
    await step("tests inside VS Code's extension host", () => phase("test/vscode/runInside.ts"));
    await step("tests in a VS Code window", () => phase("scripts/runMocha.mts", testFiles("test/vscode/outside")));
  },
};

const { values } = parseArgs({ options: { only: { type: "string" } } });
const { only } = values;
if (only !== undefined && only !== "unit" && only !== "vscode") {
  process.stderr.write(`--only ${only}: there are unit and vscode\n`);
  process.exit(2);
}

const built = await step("build", () => build({ log: say }));
if (only === undefined) {
  await step("types", () => {
    tool("tsc", "-p", ".");
    tool("tsc", "-p", "media");
  });
  await step("lint", () => tool("biome", "check"));
}
if (only !== "vscode") await PARTS.unit();
if (only !== "unit") {
  if (built) await PARTS.vscode();
  else say("\nwithout a build there is nothing to test in VS Code");
}

if (total.skipped > 0) say(`\n${total.skipped} skipped`);
say(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
