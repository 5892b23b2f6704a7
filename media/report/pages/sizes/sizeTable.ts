import type { SizeRow, SizesReport } from "../../../../src/protocol/reports/sizes";
import { dataCell, element } from "../../dom";
import { bytes, count, decimal, factor } from "../../format";
import type { Host } from "../../host";
import { shapeText } from "./names";

interface Column {
  readonly id: string;
  readonly title: string;
  /** What the sorting compares. */
  readonly key: (row: SizeRow) => number | string;
  readonly cell: (row: SizeRow) => HTMLElement;
}

/** A row for each size and rank, sortable by each column. */
export function sizeTable(report: SizesReport, host: Host): HTMLElement {
  const body = element("tbody", {});
  const heads = new Map<string, HTMLElement>();
  const fill = () => {
    const { sort } = host.choices;
    const column = COLUMNS.find(({ id }) => id === sort?.column);
    const rows = [...report.rows];
    if (column) rows.sort((a, b) => compare(column.key(a), column.key(b)) * (sort?.descending ? -1 : 1));
    body.replaceChildren(...rows.map((row) => element("tr", {}, ...COLUMNS.map(({ cell }) => cell(row)))));
    for (const [id, head] of heads) {
      const chosen = id === column?.id;
      head.setAttribute("aria-sort", chosen ? (sort?.descending ? "descending" : "ascending") : "none");
    }
  };
  const headRow = element("tr", {});
  for (const { id, title } of COLUMNS) {
    const press = element("button", { type: "button", class: "sort" }, title);
    press.addEventListener("click", () => {
      const before = host.choices.sort;
      // Numbers are most often looked for from the largest on.
      const descending = before?.column === id ? !before.descending : id !== "name";
      host.choose({ ...host.choices, sort: { column: id, descending } });
      fill();
    });
    const head = element("th", { scope: "col", class: id !== "name" && "numeric" }, press);
    heads.set(id, head);
    headRow.append(head);
  }
  fill();
  return element(
    "div",
    { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Sizes and ranks" },
    element(
      "table",
      { class: "sizes" },
      element("caption", { class: "hidden" }, "Cost of an adapter at each size and rank"),
      element("thead", {}, headRow),
      body,
    ),
  );
}

const numeric = (
  id: string,
  title: string,
  key: (row: SizeRow) => number,
  text: (value: number) => string,
): Column => ({
  id,
  title,
  key,
  cell: (row) => dataCell({ text: text(key(row)), numeric: true }),
});

const COLUMNS: readonly Column[] = [
  {
    id: "name",
    title: "Size",
    key: (row) => `${shapeText(row)} ${row.name ?? ""}`,
    cell: (row) =>
      element(
        "th",
        { scope: "row" },
        shapeText(row),
        row.name !== null && element("small", {}, nameOf(row.name, row.layers)),
      ),
  },
  numeric("rank", "Rank", ({ rank }) => rank, count),
  {
    id: "parameters",
    title: "Parameters",
    key: ({ parameters }) => parameters,
    cell: (row) =>
      dataCell({
        text: count(row.parameters),
        note: row.bias
          ? `${count(row.parametersWithoutBias)} without bias`
          : `${count(row.parametersWithBias)} with bias`,
        numeric: true,
      }),
  },
  numeric("lora", "LoRA", ({ loraParameters }) => loraParameters, count),
  numeric("reduction", "Reduction", ({ reduction }) => reduction, factor),
  numeric("float32", "Adapter, float32", ({ adapterBytes }) => adapterBytes, bytes),
  numeric("half", "Half precision", ({ adapterBytesHalf }) => adapterBytesHalf, bytes),
  numeric("optimizer", "Adam’s moments", ({ optimizerBytes }) => optimizerBytes, bytes),
  numeric("breakEven", "Break-even rank", ({ breakEvenRank }) => breakEvenRank, decimal),
];

function nameOf(name: string, layers: number | null): string {
  if (layers === null) return name;
  return layers === 1 ? `${name}, 1 layer` : `${name}, ${layers} layers`;
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
