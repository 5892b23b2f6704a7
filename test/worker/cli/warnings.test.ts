import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { AnalyzeReport, MergeReport, TrainReport, VerifyReport } from "../../../src/protocol/reports";
import type { RunReport } from "../../../src/protocol/reports/forward";
import { writeNpz } from "../../../src/worker/formats/numpy/npz";
import { float32 } from "../../../src/worker/formats/tensor";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke, json, ROOT } from "./invoke";

const CPU = ["--engine", "onnxruntime-cpu"];

describe("warnings on the command line", () => {
  const at = temporaryFolder();

  it("a negative alpha is accepted as in PEFT, and an alpha of 0 with a warning", async () => {
    const options = ["--rank", "4", "--weights", DIGITS_WEIGHTS, ...CPU];
    const negative = await json<VerifyReport>("verify", DIGITS, "--alpha", "-6", ...options);
    assert.equal(negative.passed, true);
    assert.deepEqual([negative.injection.scaling, negative.injection.warnings], [-1.5, undefined]);
    const zero = await invoke("verify", DIGITS, "--alpha", "0", ...options);
    assert.match(zero.out, /^warning: alpha is 0, so the adapter has no effect and gets no gradient\.$/m);
    // What has no effect and does not learn does not pass for an adapter.
    assert.equal(zero.code, 1);
    assert.match(zero.out, /FAILED {2}Only adapters have gradients/);
    assert.match((await invoke("verify", DIGITS, "--alpha", "x", ...options)).error, /--alpha.*must be a number/);
  });

  it("run prints the adapter's warnings first", async () => {
    const fixture = (name: string) => join(ROOT, "test/fixtures/adapters", name);
    const run = [
      "run",
      fixture("model.py"),
      ...["--class", "Mlp", "--weights", fixture("Mlp.safetensors"), "--adapter", fixture("mlp-high-rank")],
      ...["--inputs", at("x.npz"), "--out", at("y.npz"), ...CPU],
    ];
    await writeNpz(at("x.npz"), new Map([["x", float32([1, 12], new Float32Array(12))]]));
    const { out, code } = await invoke(...run);
    assert.equal(code, 0);
    assert.match(out, /^warning: The rank 24 is above the smaller side of fc1 \(12 → 20\), fc2 \(20 → 12\)\./);
    assert.equal((await json<RunReport>(...run)).warnings?.length, 1);
  });

  it("every command says that a rank is above a layer's smaller side, in text and in JSON, and computes", async () => {
    const rank = ["--rank", "65", "--weights", DIGITS_WEIGHTS];
    const warning = /^warning: The rank 65 is above the smaller side of fc1 \(64 → 128\)\. /m;
    const train = ["train", DIGITS, "--data", DIGITS_DATA, "--label", "label", "--out", at("lora"), "--epochs", "1"];
    const runs: readonly (readonly string[])[] = [
      ["analyze", DIGITS, ...rank],
      ["verify", DIGITS, ...rank, ...CPU],
      [...train, ...rank, ...CPU],
      ["merge", DIGITS, "--weights", DIGITS_WEIGHTS, "--adapter", at("lora"), "--out", at("merged.safetensors")],
    ];
    for (const run of runs) {
      const { code, out, error } = await invoke(...run);
      assert.equal(code, 0, error + out);
      assert.match(out, warning, run[0]!);
      const report = await json<AnalyzeReport | VerifyReport | TrainReport | MergeReport>(...run);
      const warnings = report.kind === "merge" ? report.warnings : report.injection?.warnings;
      assert.equal(warnings?.length, 1, run[0]!);
    }
  });
});
