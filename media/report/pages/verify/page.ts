import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { VerifyCheck, VerifyReport } from "../../../../src/protocol/reports";
import { element, facts, mark, section, verdict } from "../../dom";
import { count, duration, factor, fileName, percent, scientific, shape } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { warningList } from "../../warnings";

export function verifyPage(report: VerifyReport, host: Host): Page {
  const { injection, checks } = report;
  const failed = checks.filter((check) => !check.passed);
  const outcome = report.passed
    ? `All ${checks.length} checks passed`
    : `${failed.length} of ${checks.length} checks failed: ${failed.map(({ title }) => title).join(", ")}`;
  const inputs = report.inputs.map(({ name, shape: dims, dtype }) => `${name} ${shape(dims)} ${dtype}`).join(", ");
  const page = element(
    "main",
    {},
    header(JOBS.verify.title, injection, host),
    warningList([...report.weights.notes, ...(injection.warnings ?? [])]),
    verdict(report.passed, outcome),
    facts([
      {
        label: "Adapter",
        value: `rank ${injection.rank}`,
        note: `alpha ${injection.alpha} · scale ${scientific(injection.scaling)}`,
      },
      {
        label: "Targets",
        value: `${count(injection.targets.length)} ${injection.targets.length === 1 ? "layer" : "layers"}`,
        note: `of ${injection.model}`,
      },
      {
        label: "Trainable",
        value: count(injection.trainable),
        note: `${percent(injection.percent)} of ${count(injection.total)}`,
      },
      { label: "Engine", value: report.engine, note: report.device },
      { label: "Time", value: duration(report.seconds), note: `seed ${report.seed}` },
    ]),
    section("Checks", element("ol", { class: "checks" }, ...checks.map(checkRow))),
    section(
      "What was run",
      element(
        "dl",
        { class: "plain" },
        ...pair("Inputs", `${inputs} (${report.inputsFrom})`),
        ...pair("Weights", report.weights.from),
        ...pair(
          "Model",
          `${injection.model} in ${fileName(injection.file)}, ${count(injection.baseParameters)} parameters`,
        ),
        ...pair("Targets", injection.targets.map(({ path }) => path).join(", ")),
        ...(injection.leftOut ?? []).flatMap(({ path, why }) => pair("Left out", `${path}: ${why}`)),
        ...pair("Reduction", factor(injection.targets.reduce((sum, { full }) => sum + full, 0) / injection.trainable)),
      ),
    ),
  );
  return { element: page, charts: [] };
}

function pair(term: string, value: string): [HTMLElement, HTMLElement] {
  return [element("dt", {}, term), element("dd", {}, value)];
}

function checkRow(check: VerifyCheck): HTMLElement {
  const { id, title, meaning, measured, unit, relation, bound, boundFrom, passed, detail } = check;
  const sign = relation === "at-most" ? (passed ? "≤" : ">") : passed ? "≥" : "<";
  return element(
    "li",
    { class: `check ${passed ? "passed" : "failed"}`, "data-check": id },
    mark(passed),
    element(
      "div",
      { class: "check-text" },
      element("h3", {}, title, element("span", { class: "outcome" }, passed ? "passed" : "failed")),
      element("p", {}, meaning),
      detail !== undefined && element("p", { class: "detail" }, detail),
      element("details", {}, element("summary", {}, "Why this bound"), element("p", {}, boundFrom)),
    ),
    element(
      "p",
      { class: "measured" },
      element("span", { class: "number" }, `${scientific(measured)} ${sign} ${scientific(bound)}`),
      element("small", {}, unit),
    ),
  );
}
