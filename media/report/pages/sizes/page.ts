import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { SizesReport } from "../../../../src/protocol/reports/sizes";
import { chart } from "../../charts";
import { dropdown, named, setOptions, textField } from "../../controls";
import { element, facts, section } from "../../dom";
import { bytes, factor, scientific } from "../../format";
import { header } from "../../header";
import type { Choices, Host, Page } from "../../host";
import { memoryChart, parametersChart, reductionChart, sizesChart } from "./charts";
import { alphaOf, type Chosen, chosenOf, DTYPES, keyOf, rowsAt } from "./chosen";
import { editing } from "./editing";
import { sizeText } from "./names";
import { sizeTable } from "./sizeTable";

/** Layer sizes against ranks. The controls choose among what the report has; other sizes and ranks are asked for. */
export function sizesPage(first: SizesReport, host: Host): Page {
  let report = first;
  let chosen = chosenOf(report, host.choices);
  const reduction = chart(reductionChart(report, chosen));
  const memory = chart(memoryChart(report, chosen));
  const bySize = chart(sizesChart(report, chosen));
  const parameters = chart(parametersChart(report, chosen));

  const choose = (change: Partial<Choices>) => {
    host.choose({ ...host.choices, ...change });
    redraw();
  };
  const rankControl = dropdown("Rank", ranksOf(report), String(chosen.rank), (rank) => choose({ rank: Number(rank) }));
  const alphaControl = textField("Alpha: twice the rank", chosen.alphaText, (alpha) => choose({ alpha }));
  const dtypeControl = dropdown(
    "Adapter dtype",
    DTYPES.map(({ id }) => ({ value: id, text: id })),
    chosen.dtype.id,
    (dtype) => choose({ dtype }),
  );
  const sizeControl = dropdown("Size of this chart", sizesOf(report), String(chosen.size), (index) =>
    choose({ size: keyOf(report.sizes[Number(index)]!) }),
  );
  parameters.element.querySelector("figcaption")?.append(sizeControl);

  const summary = element("div", {}, strip(report, chosen));
  const table = element("div", {}, sizeTable(report, host));
  const changes = host.editor ? editing(report, host) : undefined;
  const redraw = () => {
    chosen = chosenOf(report, host.choices);
    summary.replaceChildren(strip(report, chosen));
    reduction.update(reductionChart(report, chosen));
    memory.update(memoryChart(report, chosen));
    bySize.update(sizesChart(report, chosen));
    parameters.update(parametersChart(report, chosen));
  };

  const page = element(
    "main",
    { class: "sizes-page" },
    header(JOBS.sizes.title, undefined, host, ["json", "csv", "html"]),
    element("p", { class: "subject" }, "What LoRA costs and saves at one linear layer of each size."),
    element(
      "div",
      { class: "controls live" },
      named("Rank", rankControl),
      named("Alpha", alphaControl),
      named("Adapter dtype", dtypeControl),
    ),
    summary,
    section(
      "Table",
      changes?.element,
      table,
      element(
        "p",
        { class: "hint" },
        "LoRA trains rank · (in + out) parameters. The reduction is the layer’s parameters over LoRA’s. At the break-even rank both are equal.",
      ),
    ),
    section(
      "Charts",
      element("div", { class: "charts" }, ...[reduction, memory, bySize, parameters].map((made) => made.element)),
    ),
  );
  return {
    element: page,
    charts: [reduction, memory, bySize, parameters],
    update: (next) => {
      if (next.kind !== "sizes") return false;
      report = next;
      redraw();
      setOptions(rankControl, ranksOf(report), String(chosen.rank));
      setOptions(sizeControl, sizesOf(report), String(chosen.size));
      table.replaceChildren(sizeTable(report, host));
      changes?.update(report);
      return true;
    },
  };
}

const ranksOf = ({ ranks }: SizesReport) => ranks.map(({ rank }) => ({ value: String(rank), text: String(rank) }));
const sizesOf = ({ sizes }: SizesReport) =>
  sizes.map((size, index) => ({ value: String(index), text: sizeText(size) }));

function strip(report: SizesReport, { rank, alphaText, alpha, scaling, dtype }: Chosen): HTMLElement {
  const rows = rowsAt(report, rank);
  const span = (values: readonly number[], text: (value: number) => string) => {
    const [least, most] = [text(Math.min(...values)), text(Math.max(...values))];
    return least === most ? least : `${least} to ${most}`;
  };
  const typed = alphaText.trim() === "" || alphaOf(alphaText) !== undefined;
  return facts([
    {
      label: `Reduction at rank ${rank}`,
      value: span(
        rows.map((row) => row.reduction),
        factor,
      ),
      note: "smallest to largest of the sizes",
    },
    { label: "Adapter of one layer", value: span(rows.map(dtype.bytes), bytes), note: dtype.id },
    {
      label: "Adam’s moments",
      value: span(
        rows.map((row) => row.optimizerBytes),
        bytes,
      ),
      note: "float32, in which PEFT trains adapters",
    },
    {
      label: "Scale",
      value: scientific(scaling),
      note: typed
        ? `alpha ${alpha} / rank ${rank}`
        : `alpha ${alpha} / rank ${rank}; "${alphaText}" is no number above 0`,
    },
  ]);
}
