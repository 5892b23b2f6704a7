import type { AnalyzeLayer, AnalyzeReport } from "../../../../src/protocol/reports";
import { checkbox, textField } from "../../controls";
import { dataCell, element } from "../../dom";
import { count, factor } from "../../format";
import type { Host } from "../../host";

interface Column {
  readonly id: string;
  readonly title: string;
  /** The value to sort by. */
  readonly key: (layer: AnalyzeLayer) => number | string;
  readonly cell: (layer: AnalyzeLayer) => HTMLElement;
  readonly numeric: boolean;
}

/** Layers against ranks: sortable by each column, filtered by path, the layer in focus marked and scrolled to. */
export function layerTable(report: AnalyzeReport, host: Host): HTMLElement {
  const columns = columnsOf(report, host);
  const body = element("tbody", {});
  const heads = new Map<string, HTMLElement>();
  const none = element("p", { class: "none", role: "status" });

  const fill = () => {
    const { sort, filter = "", targetedOnly = false } = host.choices;
    const column = columns.find(({ id }) => id === sort?.column);
    const wanted = filter.trim().toLowerCase();
    const rows = report.layers.filter(
      (layer) => (!targetedOnly || layer.targeted) && layer.path.toLowerCase().includes(wanted),
    );
    if (column) rows.sort((a, b) => compare(column.key(a), column.key(b)) * (sort?.descending ? -1 : 1));
    body.replaceChildren(...rows.map((layer) => row(layer, columns, report.focus)));
    none.textContent = rows.length === 0 ? "No layer matches." : "";
    for (const [id, head] of heads) {
      const chosen = id === column?.id;
      head.setAttribute("aria-sort", chosen ? (sort?.descending ? "descending" : "ascending") : "none");
    }
  };

  const headRow = element("tr", {});
  for (const { id, title, numeric } of columns) {
    const press = element("button", { type: "button", class: "sort" }, title);
    press.addEventListener("click", () => {
      const before = host.choices.sort;
      // Numbers are most often looked for from the largest on.
      const descending = before?.column === id ? !before.descending : numeric;
      host.choose({ ...host.choices, sort: { column: id, descending } });
      fill();
    });
    const head = element("th", { scope: "col", class: numeric && "numeric" }, press);
    heads.set(id, head);
    headRow.append(head);
  }
  fill();

  const scroll = element(
    "div",
    { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Layers and ranks" },
    element(
      "table",
      { class: "layers" },
      element("caption", { class: "hidden" }, "Cost of an adapter at each layer and rank"),
      element("thead", {}, headRow),
      body,
    ),
  );
  // Once the table has its place on the page.
  requestAnimationFrame(() => body.querySelector(".focus")?.scrollIntoView({ block: "center" }));

  return element(
    "div",
    { class: "layer-table" },
    element(
      "div",
      { class: "controls" },
      textField("Filter layers by path", host.choices.filter ?? "", (filter) => {
        host.choose({ ...host.choices, filter });
        fill();
      }),
      checkbox("Targeted layers only", host.choices.targetedOnly ?? false, (targetedOnly) => {
        host.choose({ ...host.choices, targetedOnly });
        fill();
      }),
    ),
    scroll,
    none,
    element("p", { class: "hint" }, "Each rank's column shows the reduction, with the adapter's parameters below it."),
  );
}

function row(layer: AnalyzeLayer, columns: readonly Column[], focus: string | undefined): HTMLElement {
  const inFocus = layer.path === focus;
  return element(
    "tr",
    { class: inFocus && "focus", "aria-current": inFocus && "true", "data-layer": layer.path },
    ...columns.map(({ cell }) => cell(layer)),
  );
}

function columnsOf({ injection, ranks }: AnalyzeReport, host: Host): Column[] {
  return [
    {
      id: "path",
      title: "Layer",
      numeric: false,
      key: ({ path }) => path,
      cell: (layer) => nameCell(layer, injection.file, host),
    },
    {
      id: "targeted",
      title: "Targeted",
      numeric: false,
      key: ({ targeted }) => Number(targeted),
      cell: ({ targeted }) => dataCell({ text: targeted ? "✓ yes" : "no" }),
    },
    {
      id: "shape",
      title: "In → out",
      numeric: true,
      key: ({ inFeatures, outFeatures }) => inFeatures * outFeatures,
      cell: ({ inFeatures, outFeatures, bias }) =>
        dataCell({ text: `${inFeatures} → ${outFeatures}`, note: bias ? "with bias" : "no bias", numeric: true }),
    },
    {
      id: "full",
      title: "Parameters",
      numeric: true,
      key: ({ full }) => full,
      cell: ({ full }) => dataCell({ text: count(full), numeric: true }),
    },
    {
      id: "breakEven",
      title: "Break-even rank",
      numeric: true,
      key: ({ breakEvenRank }) => breakEvenRank,
      cell: ({ breakEvenRank }) => dataCell({ text: breakEvenRank.toFixed(1), numeric: true }),
    },
    ...ranks.map(
      (rank, index): Column => ({
        id: `rank-${rank}`,
        title: rank === injection.rank ? `r = ${rank} (chosen)` : `r = ${rank}`,
        numeric: true,
        key: ({ byRank }) => byRank[index]?.reduction ?? 0,
        cell: ({ byRank }) => {
          const entry = byRank[index];
          return dataCell(
            { text: entry ? factor(entry.reduction) : "", note: entry ? count(entry.lora) : "", numeric: true },
            rank === injection.rank ? "chosen" : "",
          );
        },
      }),
    ),
  ];
}

function nameCell({ path, line, cell }: AnalyzeLayer, file: string, host: Host): HTMLElement {
  if (!host.editor) return element("th", { scope: "row" }, path);
  const link = element(
    "button",
    {
      type: "button",
      class: "link",
      title: `Show ${cell === undefined ? "" : `cell ${cell}, `}line ${line} in the editor`,
    },
    path,
  );
  link.addEventListener("click", () =>
    host.post({ type: "reveal", file, line, ...(cell === undefined ? {} : { cell }) }),
  );
  return element("th", { scope: "row" }, link);
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
