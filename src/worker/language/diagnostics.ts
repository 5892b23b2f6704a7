import { pathToFileURL } from "node:url";
import { type Diagnostic, type DiagnosticRelatedInformation, DiagnosticSeverity } from "vscode-languageserver";
import type { FileSummary, ProblemSummary } from "../../protocol/model";
import { isIn, rangeOf } from "./ranges";

const SEVERITIES: Readonly<Record<ProblemSummary["severity"], DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
};

/**
 * The problems of a file, or of one cell of a notebook. `uri` is the document's, in which related places lie
 * unless they name another file.
 */
export function diagnostics({ problems }: FileSummary, cell?: number, uri?: string): Diagnostic[] {
  return problems
    .filter(({ place }) => isIn(place, cell))
    .map((problem) => ({
      range: rangeOf(problem.place),
      severity: SEVERITIES[problem.severity],
      source: "LoRA Lens",
      message: problem.message,
      ...(problem.code !== undefined && { code: problem.code }),
      ...(uri !== undefined && problem.related && { relatedInformation: relatedTo(problem.related, uri, cell) }),
    }));
}

function relatedTo(
  related: NonNullable<ProblemSummary["related"]>,
  uri: string,
  cell: number | undefined,
): DiagnosticRelatedInformation[] {
  return related
    .filter(({ file, place }) => file !== undefined || isIn(place, cell))
    .map(({ file, place, message }) => {
      const where = file === undefined ? uri : pathToFileURL(file).href;
      return { location: { uri: where, range: rangeOf(place) }, message };
    });
}
