import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { Insight, Practice, SummarizeReport, SummarySection } from "../../../../src/protocol/reports/summary";
import { type Chart, chart } from "../../charts";
import { element, facts } from "../../dom";
import { count, decimal, factor, fileName, percent } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { memoryChart } from "../../memoryChart";
import { warningList } from "../../warnings";
import { qualityCharts } from "../sweep/runs";
import { flow, layerLink } from "./flow";
import { kindsChart } from "./kinds";

const SECTIONS: Readonly<Record<SummarySection, string>> = {
  flow: "How the forward pass flows",
  memory: "Training memory",
  kinds: "Kinds of layer",
  quality: "Quality against rank",
  practices: "Best practices that apply here",
};

export function summarizePage(report: SummarizeReport, host: Host): Page {
  const { injection, practices } = report;
  const full = injection.targets.reduce((sum, target) => sum + target.full, 0);
  const memory = report.memory ? memoryChart(report.memory) : undefined;
  const kinds = kindsChart(report);
  const quality = report.sweep ? qualityCharts(report.sweep.runs, report.sweep.lossLabel).map(chart) : [];
  const page = element(
    "main",
    {},
    header(JOBS.summarize.title, injection, host),
    warningList(injection.warnings),
    facts([
      { label: "Trainable", value: count(injection.trainable), note: `${percent(injection.percent)} of all` },
      { label: "Total", value: count(injection.total), note: `${count(injection.baseParameters)} base + adapters` },
      { label: "Reduction", value: factor(full / injection.trainable), note: `over the ${count(full)} of the targets` },
      {
        label: "Scale",
        value: decimal(injection.scaling),
        note: `rank ${injection.rank} · alpha ${injection.alpha}`,
      },
    ]),
    element("section", {}, element("h2", {}, "What stands out"), insightList(report, host)),
    part("flow", flow(report, host)),
    part(
      "memory",
      memory
        ? memory.element
        : element(
            "p",
            {},
            `No estimate: ${report.memoryUnavailable ?? `the forward pass in ${fileName(injection.file)} was not traced`}`,
          ),
      memory && memoryHint(injection.file),
    ),
    part("kinds", kinds.element),
    part("quality", ...qualityParts(report, quality)),
    practices.length > 0 && part("practices", ...practices.map(practice)),
  );
  return { element: page, charts: [...(memory ? [memory] : []), kinds, ...quality] };
}

function part(id: SummarySection, ...children: readonly (HTMLElement | undefined)[]): HTMLElement {
  return element("section", { id }, element("h2", { tabindex: -1 }, SECTIONS[id]), ...children);
}

/** Charts of the sweep, or how to get one. */
function qualityParts({ sweep, sweepProblems, injection }: SummarizeReport, charts: readonly Chart[]): HTMLElement[] {
  const problems = sweepProblems.map((problem) => element("p", { class: "hint" }, problem));
  if (sweep) {
    return [
      element("div", { class: "charts" }, ...charts.map((made) => made.element)),
      element(
        "p",
        { class: "hint" },
        `From the sweep of ${sweep.finishedAt.slice(0, 10)} on ${fileName(sweep.data)}. ${sweep.alphaNote}`,
      ),
      ...problems,
    ];
  }
  return [
    element(
      "p",
      { class: "none" },
      "There is no sweep beside the model yet. LoRA Lens: Sweep Ranks… in the editor trains the model at several ranks and fills this chart, as does ",
      element("code", {}, `lora-lens sweep ${fileName(injection.file)} --data CSV --label COLUMN --out DIR`),
      " with DIR beside the model file.",
    ),
    ...problems,
  ];
}

function memoryHint(file: string): HTMLElement {
  return element(
    "p",
    { class: "hint" },
    "Batch and sequence are those of the example inputs unless they are chosen: ",
    element("code", {}, `lora-lens summarize ${fileName(file)} --batch 8 --sequence 512`),
  );
}

function insightList({ insights, injection }: SummarizeReport, host: Host): HTMLElement {
  return element("ul", { class: "insights" }, ...insights.map((insight) => insightItem(insight, injection.file, host)));
}

function insightItem({ text, section, layer }: Insight, file: string, host: Host): HTMLElement {
  const link = element("button", { type: "button", class: "link" }, SECTIONS[section]);
  link.addEventListener("click", () => {
    const heading = document.getElementById(section)?.querySelector("h2");
    heading?.scrollIntoView({ block: "start" });
    heading?.focus();
  });
  return element(
    "li",
    {},
    text,
    element("small", { class: "where" }, layer && layerLink(layer, file, host), layer && " · ", link),
  );
}

function practice({ id, text, source, here }: Practice): HTMLElement {
  return element(
    "div",
    { class: "practice", "data-practice": id },
    element("p", {}, text),
    element("p", { class: "here" }, element("strong", {}, "Here: "), here),
    element("p", { class: "hint" }, "Source: ", element("a", { href: source.url }, source.title)),
  );
}
