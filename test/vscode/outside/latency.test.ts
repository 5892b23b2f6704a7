import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleForHost } from "../../../scripts/build.mjs";
import { fileAppears } from "../fileAppears";
import { root, TestWindow } from "../harness";
import type { LensAnswer } from "../latencyProbe";

/** What the issue asks for. The median, since any one request can meet a busy machine. */
const BOUND_MS = 100;

describe("while a model trains", function () {
  this.timeout(180_000);

  it(`code lenses are answered within ${BOUND_MS} ms`, async () => {
    const outdir = join(root, "dist", "test");
    await bundleForHost(["test/vscode/latencyProbe.ts"], outdir);
    const window = await TestWindow.open({ file: "digits/model.py", tests: join(outdir, "latencyProbe.js") });
    try {
      await window.lenses("Train…").click();
      await window.startTraining(100_000);
      const steps = window.panel().locator(".fact", { hasText: "Step" }).locator(".value");
      const stepsDone = async () => Number((await steps.textContent())!.split(" ")[0]!.replaceAll(",", ""));
      await steps.waitFor();
      const before = await stepsDone();
      await writeFile(join(window.folder, "measure"), "");
      const answers = JSON.parse(await fileAppears(window.folder, "answers.json")) as LensAnswer[];
      await steps.filter({ hasNotText: new RegExp(`^${before.toLocaleString("en-US")} `) }).waitFor();

      for (const { titles } of answers) assert.ok(titles.includes("LoRA r=8 · 1,536 trainable · 5.4× fewer · scale 2"));
      const sorted = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
      const median = sorted[sorted.length >> 1]!;
      process.stdout.write(
        `      ${sorted.length} requests: median ${median.toFixed(1)} ms, largest ${sorted.at(-1)!.toFixed(1)} ms\n`,
      );
      assert.ok(median <= BOUND_MS, `the median of ${sorted.length} requests is ${median.toFixed(1)} ms`);
      await window.panel().getByRole("button", { name: "Stop" }).click();
      await window.panel().locator(".verdict.stopped").waitFor();
    } finally {
      await window.close();
    }
  });
});
