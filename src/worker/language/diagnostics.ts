import { type Diagnostic, DiagnosticSeverity } from "vscode-languageserver";
import type { FileSummary, ProblemSummary } from "../../protocol/model";
import { rangeOf } from "./ranges";

const SEVERITIES: Readonly<Record<ProblemSummary["severity"], DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
};

export function diagnostics(summary: FileSummary): Diagnostic[] {
  return summary.problems.map((problem) => ({
    range: rangeOf(problem.place),
    severity: SEVERITIES[problem.severity],
    source: "LoRA Lens",
    message: problem.message,
  }));
}
