import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { MergeReport } from "../../../../src/protocol/reports";
import { button } from "../../controls";
import { element, facts, section, table, verdict } from "../../dom";
import { bytes, count, decimal, fileName, percent } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { warningList } from "../../warnings";

export function mergePage(report: MergeReport, host: Host): Page {
  const { merged, checkpoint } = report;
  const page = element(
    "main",
    {},
    header(JOBS.merge.title, { model: report.model }, host),
    warningList([...report.weights.notes, ...(report.warnings ?? [])]),
    verdict(true, `Merged the adapter into ${count(merged.length)} ${merged.length === 1 ? "layer" : "layers"}`),
    facts([
      { label: checkpoint ? "Folder" : "File", value: fileName(report.output), note: report.output },
      { label: "Size", value: bytes(report.bytes), note: `${count(report.tensors)} tensors${shards(report)}` },
      { label: "Adapter", value: fileName(report.adapter), note: report.adapter },
    ]),
    report.loadedBy &&
      element(
        "p",
        {},
        `${report.loadedBy.library} loads it; its predictions differ from the merged model's by ${decimal(report.loadedBy.difference)} at most.`,
      ),
    checkpoint && element("p", {}, copiedText(checkpoint)),
    host.editor &&
      element(
        "p",
        {},
        button("Open", () => host.post({ type: "openOutput" }), "secondary"),
      ),
    section(
      "What changed",
      table(
        "Change of each merged layer's weight",
        [
          { text: "Layer" },
          { text: "Norm of the change", numeric: true },
          { text: "Norm of the weight", numeric: true },
          { text: "Change", numeric: true },
        ],
        merged.map(({ path, deltaNorm, weightNorm }) => [
          { text: path },
          { text: decimal(deltaNorm), numeric: true },
          { text: decimal(weightNorm), numeric: true },
          { text: weightNorm > 0 ? percent((100 * deltaNorm) / weightNorm) : "from zero", numeric: true },
        ]),
      ),
      element("p", { class: "hint" }, "Norms are Frobenius norms; the change is scaling · B A."),
    ),
  );
  return { element: page, charts: [] };
}

function shards({ checkpoint }: MergeReport): string {
  return checkpoint && checkpoint.files.length > 1 ? ` in ${count(checkpoint.files.length - 1)} shards` : "";
}

function copiedText({ copied, leftOut }: NonNullable<MergeReport["checkpoint"]>): string {
  const names = copied.length > 0 ? copied.join(", ") : "nothing";
  const left = leftOut.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  return `Copied from the base's folder: ${names}.${left === "" ? "" : ` Not copied: ${left}.`}`;
}
