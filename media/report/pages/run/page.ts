import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { RunOutput, RunReport, RunTensor, RunValue } from "../../../../src/protocol/reports/forward";
import { type Chart, chart } from "../../charts";
import { type Child, element, type Fact, facts, section, table } from "../../dom";
import { count, decimal, duration, fileName, percent, scientific, shape } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { warningList } from "../../warnings";

export function runPage(report: RunReport, host: Host): Page {
  const { adapter, outputs, inputs, inputsFrom, label } = report;
  const charts: Chart[] = [];
  const page = element(
    "main",
    {},
    header(JOBS.run.title, report, host),
    warningList([...report.weights.notes, ...(report.warnings ?? [])]),
    facts([
      ...(adapter ? [differenceFact(outputs)] : []),
      {
        label: "Adapter",
        value: adapter ? fileName(adapter.folder) : "none",
        note: adapter
          ? `rank ${adapter.injection.rank}, scale ${scientific(adapter.injection.scaling)}, on ${count(adapter.injection.targets.length)} ${adapter.injection.targets.length === 1 ? "layer" : "layers"}`
          : "the base ran alone",
      },
      { label: "Sample", value: label ? `${label.column} ${label.value}` : inputNames(inputs), note: inputsFrom },
      { label: "Engine", value: report.engine, note: report.device },
      { label: "Time", value: duration(report.seconds), note: `seed ${report.seed}` },
    ]),
    ...outputs.map((one) => outputSection(one, charts)),
    section(
      "What forward was given",
      table(
        "Inputs of forward",
        [{ text: "Input" }, { text: "Shape" }, { text: "Dtype" }, { text: "First values" }],
        inputs.map((one) => [
          { text: one.name },
          { text: shape(one.shape) },
          { text: one.dtype },
          { text: valuesText(one) },
        ]),
      ),
      element("p", { class: "hint" }, `Inputs: ${inputsFrom}. Weights: ${report.weights.from}.`),
    ),
  );
  return { element: page, charts };
}

function inputNames(inputs: readonly RunTensor[]): string {
  return inputs.map(({ name, shape: dims }) => `${name} ${shape(dims)}`).join(", ");
}

/** Of all outputs the one that differs most. */
function differenceFact(outputs: readonly RunOutput[]): Fact {
  const size = ({ difference }: RunOutput) => asNumber(difference?.largest ?? 0);
  const most = outputs.reduce((a, b) => (Number.isNaN(size(a)) || size(a) >= size(b) ? a : b));
  const { largest = 0, share = null } = most.difference ?? {};
  const value = largest === 0 ? "none" : number(largest);
  const of = share === null ? "" : `, ${percent(100 * share)} of the base's largest value`;
  return { label: "Largest difference", value, note: `in ${most.name}${of}` };
}

function outputSection(output: RunOutput, charts: Chart[]): HTMLElement {
  const { first, adaptedFirst, difference } = output;
  const size = output.shape.reduce((product, dim) => product * dim, 1);
  const title = output.name === "output" ? "Output" : `Output ${output.name}`;
  const part =
    first.length < size ? `First ${count(first.length)} of ${count(size)} values` : `All ${count(size)} values`;
  const head = [
    { text: "Index" },
    { text: adaptedFirst ? "Base" : "Value", numeric: true },
    ...(adaptedFirst
      ? [
          { text: "Adapted", numeric: true },
          { text: "Difference", numeric: true },
        ]
      : []),
  ];
  const rows = first.map((value, i) => [
    { text: String(i) },
    { text: number(value), numeric: true },
    ...(adaptedFirst
      ? [
          { text: number(adaptedFirst[i]!), numeric: true },
          { text: number(differenceOf(value, adaptedFirst[i]!)), numeric: true },
        ]
      : []),
  ]);
  const facts: Child[] = [
    element(
      "p",
      {},
      `${output.dtype} ${shape(output.shape)}, in the output's own unit, such as logits. `,
      difference && differenceText(difference),
    ),
    highestText(output),
  ];
  const finite = [...first, ...(adaptedFirst ?? [])].every((value) => typeof value === "number");
  if (finite && first.length > 1) {
    const bars = [
      { name: adaptedFirst ? "Base" : "Value", values: first.map(asNumber) },
      ...(adaptedFirst ? [{ name: "Adapted", values: adaptedFirst.map(asNumber) }] : []),
    ];
    const made = chart({
      kind: "bar",
      title: `${part} of ${output.name}`,
      description: `A bar for each value${adaptedFirst ? ", base and adapted" : ""}: ${first
        .map((value, i) => `${i}: ${number(value)}${adaptedFirst ? ` and ${number(adaptedFirst[i]!)}` : ""}`)
        .join("; ")}.`,
      value: { name: "Value, in the output's unit", format: decimal },
      categories: first.map((_, i) => String(i)),
      bars,
      values: { head, rows },
    });
    made.element.classList.add("whole");
    charts.push(made);
    return section(title, ...facts, made.element);
  }
  return section(title, ...facts, table(`${part} of ${output.name}`, head, rows));
}

function differenceText({ largest, at, share }: NonNullable<RunOutput["difference"]>): string {
  if (largest === 0) return "Base and adapted are equal in every value: this adapter changes nothing here.";
  const of = share === null ? "" : `, ${percent(100 * share)} of the base's largest value`;
  return `The largest difference is ${number(largest)} at ${shape(at)}${of}.`;
}

/** The class, where the values are logits. */
function highestText({ highest, adaptedHighest, shape: dims }: RunOutput): HTMLElement | false {
  if (highest === null || dims.length > 2) return false;
  const row = dims.length === 2 && dims[0]! > 1 ? " of the first row" : "";
  if (adaptedHighest === undefined || adaptedHighest === highest) {
    const both = adaptedHighest === undefined ? "" : ", with the adapter and without";
    return element("p", {}, `The highest value${row} is at index ${highest}${both}.`);
  }
  const after = adaptedHighest === null ? "nowhere" : `at index ${adaptedHighest}`;
  return element("p", {}, `The highest value${row} is at index ${highest} without the adapter, and ${after} with it.`);
}

function differenceOf(base: RunValue, adapted: RunValue): RunValue {
  return typeof base === "number" && typeof adapted === "number" ? adapted - base : "NaN";
}

function valuesText({ first, shape: dims }: RunTensor): string {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return first.map(number).join(", ") + (first.length < size ? ", …" : "");
}

function asNumber(value: RunValue): number {
  return Number(value);
}

function number(value: RunValue): string {
  return typeof value === "number" ? decimal(value) : value;
}
