import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleForHost } from "../../../scripts/build.mjs";
import { fileAppears } from "../fileAppears";
import { root, TestWindow } from "../harness";
import type { LensAnswer } from "../latencyProbe";

/**
 * Times of lens requests in the extension host, each of whose answers must be whole. They are printed, not asserted: a
 * busy machine must not turn a right answer red. The aim is a median below 100 ms.
 */
async function measure({ folder }: TestWindow, when: "idle" | "training"): Promise<number[]> {
  await writeFile(join(folder, `measure-${when}`), "");
  const answers = JSON.parse(await fileAppears(folder, `${when}.json`)) as LensAnswer[];
  for (const { titles } of answers) assert.ok(titles.includes("LoRA r=8 · 1,536 trainable · 5.4× fewer · scale 2"));
  return answers.map(({ milliseconds }) => milliseconds);
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

describe("while a model trains", function () {
  this.timeout(180_000);

  it("code lenses are answered completely between two steps shown on the page", async () => {
    const outdir = join(root, "dist", "test");
    await bundleForHost(["test/vscode/latencyProbe.ts"], outdir);
    const window = await TestWindow.open({ file: "digits/model.py", tests: join(outdir, "latencyProbe.js") });
    try {
      await window.lenses("Train…").waitFor();
      const idle = await measure(window, "idle");
      await window.clickLens("Train…");
      await window.startTraining(100_000);
      const steps = window.panel().locator(".fact", { hasText: "Step" }).locator(".value");
      const stepsDone = async () => Number((await steps.textContent())!.split(" ")[0]!.replaceAll(",", ""));
      await steps.waitFor();
      const before = await stepsDone();
      const training = await measure(window, "training");
      await steps.filter({ hasNotText: new RegExp(`^${before.toLocaleString("en-US")} `) }).waitFor();
      process.stdout.write(
        `      medians of ${training.length}: ${median(idle).toFixed(1)} ms idle, ${median(training).toFixed(1)} ms while training\n`,
      );
      await window.panel().getByRole("button", { name: "Stop" }).click();
      await window.panel().locator(".verdict.stopped").waitFor();
    } finally {
      await window.close();
    }
  });
});
