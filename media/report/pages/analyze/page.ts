import { JOBS } from "../../../../src/protocol/jobRegistry";
import type { AnalyzeReport } from "../../../../src/protocol/reports";
import { chart } from "../../charts";
import { dropdown } from "../../controls";
import { type Cell, element, facts, section, table } from "../../dom";
import { bytes, count, factor, fileName, percent, scientific, shortCount } from "../../format";
import { header } from "../../header";
import type { Host, Page } from "../../host";
import { memoryChart } from "../../memoryChart";
import { warningList } from "../../warnings";
import { reductionByGroup } from "./groups";
import { layerTable } from "./layerTable";

export function analyzePage(report: AnalyzeReport, host: Host): Page {
  const { injection, totals } = report;
  const full = injection.targets.reduce((sum, target) => sum + target.full, 0);
  const rankNow = report.ranks.includes(injection.rank) ? injection.rank : undefined;
  const targeted = report.layers.filter((layer) => layer.targeted);
  const shown = targeted.length > 0 ? targeted : report.layers;

  const rankAxis = { name: "rank", format: count };
  const mark = rankNow === undefined ? {} : { markX: { at: rankNow, label: "chosen" } };
  const numeric = (text: string): Cell => ({ text, numeric: true });
  const reduction = chart({ ...reductionByGroup(report), ...mark });
  const memoryByRank = chart({
    kind: "line",
    title: "Adapter memory by rank",
    description: "Size of the adapter's tensors and of their two Adam moments in float32, by rank.",
    x: rankAxis,
    y: { name: "bytes", format: bytes, binaryTo: Math.max(...totals.map((total) => total.optimizerBytes)) },
    lines: [
      { name: "adapter", points: totals.map((total) => [total.rank, total.adapterBytes] as const), symbols: true },
      { name: "optimizer", points: totals.map((total) => [total.rank, total.optimizerBytes] as const), symbols: true },
    ],
    categories: true,
    ...mark,
    values: {
      head: [{ text: "Rank" }, { text: "Adapter", numeric: true }, { text: "Optimizer", numeric: true }],
      rows: totals.map((total) => [
        { text: count(total.rank) },
        numeric(bytes(total.adapterBytes)),
        numeric(bytes(total.optimizerBytes)),
      ]),
    },
  });
  const byLayer = (rank: number) => {
    const reductions = shown.map((layer) => layer.byRank.find((entry) => entry.rank === rank)?.reduction ?? 0);
    return {
      kind: "bar" as const,
      title: "Reduction by layer",
      description: `How many times fewer parameters LoRA trains in each layer at rank ${rank}.`,
      value: { name: `times fewer at rank ${rank} (×)`, format: factor },
      categories: shown.map((layer) => layer.path),
      bars: [{ name: "reduction", values: reductions }],
      values: {
        head: [{ text: "Layer" }, { text: `Reduction at rank ${rank}`, numeric: true }],
        rows: shown.map((layer, index) => [{ text: layer.path }, numeric(factor(reductions[index]!))]),
      },
    };
  };
  const remembered = host.choices.rank;
  const firstRank =
    (remembered !== undefined && report.ranks.includes(remembered) ? remembered : rankNow) ?? report.ranks[0];
  const layers = firstRank === undefined ? undefined : chart(byLayer(firstRank));
  if (layers && firstRank !== undefined) {
    const choice = dropdown(
      "Rank of the chart by layer",
      report.ranks.map((rank) => ({ value: String(rank), text: `rank ${rank}` })),
      String(firstRank),
      (value) => {
        layers.update(byLayer(Number(value)));
        host.choose({ ...host.choices, rank: Number(value) });
      },
    );
    layers.element.querySelector("figcaption")?.append(choice);
  }
  const sizes = shown.flatMap((layer) => [layer.full, layer.lora]);
  const parameters = chart({
    kind: "bar",
    title: "Parameters, full against LoRA",
    description: `Parameters of each layer and of its adapter at rank ${injection.rank}.`,
    value: { name: "parameters", format: shortCount, log: Math.max(...sizes) > 30 * Math.min(...sizes) },
    categories: shown.map((layer) => layer.path),
    bars: [
      { name: "full", values: shown.map((layer) => layer.full) },
      { name: `LoRA, rank ${injection.rank}`, values: shown.map((layer) => layer.lora) },
    ],
    values: {
      head: [{ text: "Layer" }, { text: "Full", numeric: true }, { text: "LoRA", numeric: true }],
      rows: shown.map((layer) => [{ text: layer.path }, numeric(count(layer.full)), numeric(count(layer.lora))]),
    },
  });
  const memory = report.memory ? memoryChart(report.memory) : undefined;
  const charts = [reduction, memoryByRank, layers, parameters].filter((made) => made !== undefined);

  const page = element(
    "main",
    {},
    header(JOBS.analyze.title, injection, host),
    warningList(injection.warnings),
    facts([
      { label: "Trainable", value: count(injection.trainable), note: `${percent(injection.percent)} of all` },
      { label: "Total", value: count(injection.total), note: `${count(injection.baseParameters)} base + adapters` },
      { label: "Reduction", value: factor(full / injection.trainable), note: `over the ${count(full)} of the targets` },
      {
        label: "Scale",
        value: scientific(injection.scaling),
        note: `rank ${injection.rank} · alpha ${injection.alpha}`,
      },
    ]),
    report.insights.length > 0 &&
      section(
        "What stands out",
        element("ul", { class: "insights" }, ...report.insights.map((text) => element("li", {}, text))),
      ),
    section("Layers and ranks", layerTable(report, host), totalsTable(report)),
    section("Charts", element("div", { class: "charts" }, ...charts.map((made) => made.element))),
    section(
      "Training memory",
      memory
        ? memory.element
        : element(
            "p",
            {},
            `No estimate: ${report.memoryUnavailable ?? `the forward pass in ${fileName(injection.file)} was not traced`}`,
          ),
    ),
  );
  return { element: page, charts: memory ? [...charts, memory] : charts };
}

function totalsTable({ totals, injection }: AnalyzeReport): HTMLElement {
  return element(
    "details",
    { open: true },
    element("summary", {}, `All ${count(injection.targets.length)} targeted layers together`),
    table(
      "Totals by rank",
      [
        { text: "Rank" },
        { text: "Trainable", numeric: true },
        { text: "Share of all", numeric: true },
        { text: "Reduction", numeric: true },
        { text: "Adapter file", numeric: true },
        { text: "Adam's moments", numeric: true },
      ],
      totals.map((total) => [
        { text: total.rank === injection.rank ? `${total.rank} (chosen)` : String(total.rank) },
        { text: count(total.trainable), numeric: true },
        { text: percent(total.percent), numeric: true },
        { text: factor(total.reduction), numeric: true },
        { text: bytes(total.adapterBytes), numeric: true },
        { text: bytes(total.optimizerBytes), numeric: true },
      ]),
    ),
  );
}
