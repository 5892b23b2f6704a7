import { resolve } from "node:path";
import type { EngineChoice } from "../../../protocol/jobs";
import type { VerifyReport } from "../../../protocol/reports";
import { jobCommand } from "../command";
import { EXIT } from "../failure";
import {
  type AdapterOptions,
  adapterConfig,
  type InputOptions,
  type ModelOptions,
  modelChoice,
  withAdapter,
  withEngine,
  withInputs,
  withModel,
} from "../options";
import { injectionText, small, warningLines } from "../text";

interface VerifyOptions extends ModelOptions, InputOptions, AdapterOptions {
  readonly engine: EngineChoice;
  readonly adapter?: string;
}

export const verify = jobCommand<"verify", VerifyOptions>({
  description: "check that the adapted model is numerically right",
  configure: (command) =>
    withInputs(withEngine(withAdapter(withModel(command)))).option("--adapter <folder>", "verify this saved adapter"),
  request: (file, options) => ({
    kind: "verify",
    model: modelChoice(file, options),
    adapter: adapterConfig(options),
    ...(options.adapter !== undefined && { adapterFolder: resolve(options.adapter) }),
    engine: options.engine,
  }),
  text: verifyText,
  exitCode: ({ passed }) => (passed ? EXIT.fine : EXIT.checkFailed),
  html: true,
});

function verifyText(report: VerifyReport): string {
  const lines = report.checks.map((check) => {
    const relation = check.relation === "at-most" ? "≤" : "≥";
    return `${check.passed ? "passed" : "FAILED"}  ${check.title}: ${small(check.measured)} ${relation} ${small(check.bound)} (${check.unit})${check.detail ? `; ${check.detail}` : ""}`;
  });
  const passed = report.checks.filter((check) => check.passed).length;
  return [
    ...warningLines(report.weights.notes),
    injectionText(report.injection),
    `${report.engine} · ${report.device} · weights: ${report.weights.from} · inputs: ${report.inputs.map((i) => `${i.name} ${i.dtype}[${i.shape.join(", ")}]`).join(", ")} (${report.inputsFrom})`,
    "",
    ...lines,
    "",
    `${report.passed ? "verified" : "NOT verified"}: ${passed} of ${report.checks.length} checks passed in ${report.seconds.toFixed(1)} s`,
  ].join("\n");
}
