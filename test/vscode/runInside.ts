/** Runs test/vscode/inside/ in a real extension host, prints each result, and tells its parent process the counts. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleForHost } from "../../scripts/build.mjs";
import { type Counts, testFiles } from "../../scripts/testPhase";
import { root, stopAll, TestWindow } from "./harness";
import { type InsideResult, RESULTS_VARIABLE } from "./insideProtocol";

/** A whole run may take this long. */
const LIMIT_MS = 10 * 60_000;

async function runInside(): Promise<InsideResult[]> {
  const tests = testFiles("test/vscode/inside");
  const outdir = join(root, "dist", "test");
  await rm(outdir, { recursive: true, force: true });
  await bundleForHost(["test/vscode/insideMain.ts", ...tests], outdir);

  const folder = await mkdtemp(join(tmpdir(), "lora-lens-results-"));
  const results = join(folder, "results.jsonl");
  const log: string[] = [];
  let exited: (code: number) => void = () => {};
  const exit = new Promise<number>((resolve) => {
    exited = resolve;
  });
  try {
    const window = await TestWindow.open({
      tests: join(outdir, "insideMain.js"),
      env: { [RESULTS_VARIABLE]: results },
      prepare: async (page) => {
        await page.exposeFunction("codeAutomationLog", (type: string, values: unknown[]) => {
          if (type === "error") log.push(values.map(String).join(" "));
        });
        await page.exposeFunction("codeAutomationExit", (code: number) => exited(code));
      },
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not finished after ${LIMIT_MS / 60_000} minutes`)), LIMIT_MS);
    });
    await Promise.race([exit, late]).finally(() => clearTimeout(timer));
    await window.close();
    const text = await readFile(results, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw new Error(`no test ran in the extension host; it said:\n${log.join("\n")}`);
      throw error;
    });
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as InsideResult);
  } finally {
    await stopAll();
    await rm(folder, { recursive: true, force: true });
  }
}

const MARKS = { passed: "✔", failed: "✖", pending: "-" } as const;

runInside().then(
  (results) => {
    for (const { title, state, milliseconds, error } of results) {
      process.stdout.write(`  ${MARKS[state]} ${title}${milliseconds ? ` (${milliseconds}ms)` : ""}\n`);
      if (error) process.stdout.write(`${error.replace(/^/gm, "      ")}\n`);
    }
    const count = (state: InsideResult["state"]) => results.filter((result) => result.state === state).length;
    const counts: Counts = { passed: count("passed"), failed: count("failed"), skipped: count("pending") };
    if (process.send) process.send(counts, () => process.exit(0));
    else process.exit(counts.failed > 0 ? 1 : 0);
  },
  (error: Error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(1);
  },
);
