import { strict as assert } from "node:assert";
import type { AnalyzeReport, MergeReport, TrainReport, VerifyReport } from "../../../src/protocol/reports";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, DIGITS_DATA, DIGITS_WEIGHTS, invoke, json } from "./invoke";

const CPU = ["--engine", "onnxruntime-cpu"];

describe("warnings on the command line", () => {
  const at = temporaryFolder();

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
