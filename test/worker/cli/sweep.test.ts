import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SweepReport } from "../../../src/protocol/reports/sweep";
import { loadAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_WEIGHTS, invoke, json, ROOT } from "./invoke";

const DATA = join(ROOT, "examples/digits/rotated.csv");
const TASK = [DIGITS, "--weights", DIGITS_WEIGHTS, "--data", DATA, "--label", "label", "--engine", "onnxruntime-cpu"];

describe("lora-lens sweep", () => {
  const at = temporaryFolder();

  it("trains an adapter per rank, prints the report that it saves, and writes it as a page", async () => {
    const options = ["--ranks", "4,2", "--alpha", "6", "--dropout", "0.1", "--target-modules", "fc2", "--epochs", "1"];
    const report = await json<SweepReport>("sweep", ...TASK, ...options, "--out", at("s"), "--html", at("s.html"));
    assert.deepEqual(
      report.runs.map(({ rank, alpha, folder }) => [rank, alpha, folder]),
      [
        [2, 6, "r2"],
        [4, 6, "r4"],
      ],
    );
    assert.deepEqual(report.targets, ["fc2"]);
    assert.deepEqual(JSON.parse(await readFile(at("s/sweep.json"), "utf8")), report);
    const { config } = await loadAdapter(at("s/r4"));
    assert.deepEqual([config.r, config.lora_alpha, config.lora_dropout], [4, 6, 0.1]);
    const html = await readFile(at("s.html"), "utf8");
    assert.ok(html.includes("<title>Rank sweep of DigitClassifier · LoRA Lens</title>"));
  });

  it("prints a line per rank with quality, cost and time, and what alpha does", async () => {
    const { code, out, error } = await invoke("sweep", ...TASK, "--ranks", "2,4", "--epochs", "1", "--out", at("s"));
    assert.deepEqual([code, error], [0, ""]);
    assert.match(out, /Alpha grows with the rank \(alpha = 2 × rank\), so the scale is 2 at every rank\./);
    assert.match(out, /^ +2 +4 +2 +896 +3\.32 % +3\.5 KiB +10\.0 % → \d+\.\d % +19\.03 → \d/m);
    assert.match(out, /^ +4 +8 +2 +1,792 +6\.42 % +7\.0 KiB/m);
    assert.ok(out.includes(`wrote ${at("s/sweep.json")}`));
  });

  it("offers the ranks 4 to 64, and takes no rank and no method", async () => {
    const { out } = await invoke("sweep", "--help");
    assert.match(out, /\(default:\s+4,8,16,32,64\)/);
    for (const option of [
      ["--rank", "4"],
      ["--method", "full"],
    ]) {
      const { code, error } = await invoke("sweep", ...TASK, ...option, "--out", at("s"));
      assert.equal(code, 2);
      assert.match(error, /unknown option/);
    }
  });

  it("says which ranks it takes", async () => {
    const { code, error } = await invoke("sweep", ...TASK, "--ranks", "0", "--out", at("s"));
    assert.equal(code, 2);
    assert.match(error, /ranks must be 1 to 32 whole numbers from 1 to 16,777,216, not 0/);
  });
});
