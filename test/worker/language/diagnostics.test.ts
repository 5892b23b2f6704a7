import { strict as assert } from "node:assert";
import { DiagnosticSeverity } from "vscode-languageserver";
import { diagnostics } from "../../../src/worker/language/diagnostics";
import { targetChoices } from "../../../src/worker/language/targets";
import { linear, model, reading } from "./files";

describe("diagnostics", () => {
  it("carry place, severity and message", () => {
    const place = { line: 3, column: 5, endLine: 4, endColumn: 2 };
    const problems = (["error", "warning", "information"] as const).map((severity) => ({
      line: 3,
      message: severity,
      severity,
      place,
    }));
    const range = { start: { line: 2, character: 4 }, end: { line: 3, character: 1 } };
    assert.deepEqual(diagnostics({ models: [], problems }), [
      { range, severity: DiagnosticSeverity.Error, source: "LoRA Lens", message: "error" },
      { range, severity: DiagnosticSeverity.Warning, source: "LoRA Lens", message: "warning" },
      { range, severity: DiagnosticSeverity.Information, source: "LoRA Lens", message: "information" },
    ]);
  });
});

describe("target choices", () => {
  const net = reading([
    model("Net", [linear("fc", 768, 768, 4), linear("odd", null, 3, 5), linear("head", 768, 10, 6)]),
  ]);

  it("price each Linear of known size and select the default targets", () => {
    const { layers, scaling } = targetChoices(net, "Net", { r: 8, lora_alpha: 32, use_rslora: false });
    assert.equal(scaling, 4);
    assert.deepEqual(
      layers.map(({ path, lora, full, selected }) => [path, lora, full, selected]),
      [
        ["fc", 12_288, 590_592, true],
        ["head", 6_224, 7_690, false],
      ],
    );
  });

  it("list the file's classes when the requested one is missing", () => {
    assert.throws(() => targetChoices(net, "Other", {}), /no model Other was found in the file; it has Net/);
  });
});
