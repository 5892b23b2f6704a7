/** Charts in the editor's colors. Each has a description for screen readers and a table of its values beside it. */
import { BarChart, LineChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  LegendComponent,
  type LegendComponentOption,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import { type ECharts, type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { type Cell, element, table } from "./dom";

use([
  AriaComponent,
  BarChart,
  GridComponent,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  SVGRenderer,
  TooltipComponent,
]);

export interface Axis {
  readonly name: string;
  readonly format: (value: number) => string;
  /** Powers of ten, for values that span orders of magnitude. */
  readonly log?: boolean;
  /** Powers of this number instead of ten. */
  readonly base?: number;
  /** The ends of the axis; without them, those that fit the values. */
  readonly min?: number;
  readonly max?: number;
  /** Ticks at multiples of a power of two, which read well as KiB and MiB, up to this largest value. */
  readonly binaryTo?: number;
}

interface Described {
  readonly title: string;
  /** What the chart shows, in a sentence. */
  readonly description: string;
  /** Said under the chart, in sight. */
  readonly note?: string;
  /** The table of values under the chart; none for a curve that is still growing. */
  readonly values?: { readonly head: readonly Cell[]; readonly rows: readonly (readonly Cell[])[] };
}

export interface LineSpec extends Described {
  readonly kind: "line";
  readonly x: Axis;
  readonly y: Axis;
  /** Points of each line; `faint` is drawn thin and pale. */
  readonly lines: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
    readonly faint?: boolean;
    readonly symbols?: boolean;
  }[];
  /** A vertical line at this x, with its label. */
  readonly markX?: { readonly at: number; readonly label: string };
  /** The x values are few and have names of their own: spaced evenly. */
  readonly categories?: boolean;
}

export interface BarSpec extends Described {
  readonly kind: "bar";
  readonly value: Axis;
  readonly categories: readonly string[];
  readonly bars: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly stacked?: boolean;
  /** Writes its value beside each bar. */
  readonly labels?: boolean;
}

export type ChartSpec = LineSpec | BarSpec;

export interface Chart {
  readonly element: HTMLElement;
  update(spec: ChartSpec): void;
  dispose(): void;
}

interface Theme {
  readonly text: string;
  readonly faint: string;
  readonly lines: string;
  readonly background: string;
  readonly border: string;
  readonly series: readonly string[];
  readonly font: string;
  readonly size: number;
  readonly highContrast: boolean;
}

const SERIES = ["blue", "orange", "green", "purple", "red", "yellow"];
/** Lines are told apart without their color, too: by their points, and by their dashes once the colors begin again. */
const SYMBOLS = ["circle", "rect", "triangle", "diamond"];
const DASHES = ["solid", "dashed", "dotted"] as const;

function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const value = (name: string, fallback: string) => style.getPropertyValue(`--vscode-${name}`).trim() || fallback;
  const text = value("foreground", style.color);
  return {
    text,
    faint: value("descriptionForeground", text),
    lines: value("charts-lines", "rgba(128, 128, 128, 0.5)"),
    background: value("editorHoverWidget-background", value("editor-background", style.backgroundColor)),
    border: value("editorHoverWidget-border", value("contrastBorder", "rgba(128, 128, 128, 0.5)")),
    series: SERIES.map((name) => value(`charts-${name}`, text)),
    font: style.fontFamily,
    size: Number.parseFloat(style.fontSize) || 13,
    highContrast:
      document.body.classList.contains("vscode-high-contrast") ||
      document.body.classList.contains("vscode-high-contrast-light"),
  };
}

const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Charts on the page: redrawn when the theme changes. */
const shown = new Set<() => void>();

function redrawAll(): void {
  for (const redraw of shown) redraw();
}
const observer = new MutationObserver(redrawAll);
observer.observe(document.documentElement, { attributes: true, attributeFilter: ["style", "class"] });
observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

export function chart(first: ChartSpec): Chart {
  let spec = first;
  const area = element("div", { class: "chart-area" });
  const title = element("span", {}, spec.title);
  const figure = element(
    "figure",
    { class: spec.kind === "bar" ? "chart bars" : "chart" },
    element("figcaption", {}, title),
    element("div", { class: "chart-scroll" }, area),
  );
  let values: HTMLDetailsElement | undefined;
  let drawn: ECharts | undefined;

  const draw = () => {
    if (!drawn) return;
    if (spec.kind === "bar") area.style.height = `${barHeight(spec)}px`;
    drawn.resize();
    drawn.setOption(optionsOf(spec, readTheme(), area.clientWidth), { notMerge: true });
  };
  const note = element("p", { class: "hint" });
  const tabulate = () => {
    const open = values?.open ?? false;
    values?.remove();
    note.remove();
    title.textContent = spec.title;
    if (spec.note !== undefined) {
      note.textContent = spec.note;
      figure.append(note);
    }
    if (!spec.values) return;
    values = element(
      "details",
      { open },
      element("summary", {}, "Values as a table"),
      table(spec.title, spec.values.head, spec.values.rows),
    );
    figure.append(values);
  };
  // ECharts measures its element, which has a size only once it is on the page.
  const sizes = new ResizeObserver(() => {
    if (area.clientWidth === 0) return;
    if (!drawn) {
      if (spec.kind === "bar") area.style.height = `${barHeight(spec)}px`;
      drawn = init(area, null, { renderer: "svg" });
      area.setAttribute("role", "img");
    }
    draw();
  });
  sizes.observe(area);
  shown.add(draw);
  tabulate();
  return {
    element: figure,
    update: (next) => {
      spec = next;
      draw();
      tabulate();
    },
    dispose: () => {
      sizes.disconnect();
      shown.delete(draw);
      drawn?.dispose();
    },
  };
}

function barHeight({ categories, bars, stacked }: BarSpec): number {
  const each = stacked || bars.length === 1 ? 26 : 14 * bars.length + 12;
  // Room for a legend that wraps on a narrow page, and for the axis with its name.
  return (bars.length > 2 ? 132 : 96) + each * categories.length;
}

function optionsOf(spec: ChartSpec, theme: Theme, width: number): EChartsCoreOption {
  const names = spec.kind === "line" ? spec.lines.map(({ name }) => name) : spec.bars.map(({ name }) => name);
  const legend: LegendComponentOption | undefined =
    names.length > 1
      ? { data: names, top: 0, left: 0, textStyle: { color: theme.text }, inactiveColor: theme.faint }
      : undefined;
  return {
    animation: !reducedMotion() && spec.kind === "bar",
    animationDuration: 200,
    color: [...theme.series],
    textStyle: { color: theme.text, fontFamily: theme.font, fontSize: theme.size },
    aria: {
      enabled: true,
      label: { description: `${spec.title}. ${spec.description}` },
      decal: { show: theme.highContrast },
    },
    ...(legend ? { legend } : {}),
    tooltip: {
      trigger: "axis",
      // Drawn as text in the SVG, so that a name is never read as markup.
      renderMode: "richText",
      confine: true,
      backgroundColor: theme.background,
      borderColor: theme.border,
      textStyle: { color: theme.text, fontSize: theme.size },
      valueFormatter: (value: unknown) =>
        typeof value === "number" ? (spec.kind === "line" ? spec.y : spec.value).format(value) : String(value ?? ""),
    },
    grid: {
      left: 8,
      // Beside the longest bar its value needs a place.
      right: spec.kind === "bar" && spec.labels ? 6 * theme.size : 24,
      top: 30 + (legend ? 18 * legendRows(names, theme, width) : 0),
      bottom: 28,
      containLabel: true,
    },
    ...(spec.kind === "line" ? lineOptions(spec, theme) : barOptions(spec, theme, width)),
  };
}

/** Lines that a legend of these names takes when it wraps: a symbol and its gaps are about 45 pixels wide. */
function legendRows(names: readonly string[], theme: Theme, width: number): number {
  const wide = names.reduce((sum, name) => sum + 45 + name.length * theme.size * 0.6, 0);
  return Math.ceil(wide / Math.max(width, 1));
}

/** The power of two that divides 0 to `most` into four to seven parts. */
function binaryStep(most: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(most, 4) / 3.5));
}

function axisOf(axis: Axis, theme: Theme) {
  const step = axis.binaryTo === undefined ? undefined : binaryStep(axis.binaryTo);
  return {
    ...(step === undefined ? {} : { interval: step, min: 0, max: Math.ceil(axis.binaryTo! / step) * step }),
    type: axis.log ? ("log" as const) : ("value" as const),
    ...(axis.base === undefined ? {} : { logBase: axis.base }),
    name: axis.name,
    nameTextStyle: { color: theme.faint },
    axisLabel: { color: theme.faint, formatter: axis.format, hideOverlap: true },
    axisLine: { lineStyle: { color: theme.lines } },
    splitLine: { lineStyle: { color: theme.lines, opacity: theme.highContrast ? 1 : 0.4 } },
  };
}

function lineOptions(spec: LineSpec, theme: Theme): EChartsCoreOption {
  const below = { nameLocation: "middle" as const, nameGap: 28 };
  return {
    xAxis: spec.categories
      ? {
          type: "category" as const,
          name: spec.x.name,
          nameTextStyle: { color: theme.faint },
          axisLabel: { color: theme.faint },
          axisLine: { lineStyle: { color: theme.lines } },
          data: spec.lines[0]?.points.map(([x]) => spec.x.format(x)) ?? [],
          ...below,
        }
      : {
          ...axisOf(spec.x, theme),
          splitLine: { show: false },
          min: spec.x.min ?? "dataMin",
          max: spec.x.max ?? "dataMax",
          ...below,
        },
    yAxis: {
      ...axisOf(spec.y, theme),
      nameLocation: "end",
      nameTextStyle: { color: theme.faint, align: "left" },
      scale: true,
    },
    series: spec.lines.map(({ name, points, faint, symbols }, index) => ({
      type: "line" as const,
      name,
      data: spec.categories ? points.map(([, y]) => y) : points,
      showSymbol: symbols ?? false,
      symbol: SYMBOLS[index % SYMBOLS.length],
      symbolSize: 7,
      lineStyle: {
        width: faint ? 1 : 2,
        opacity: faint ? 0.45 : 1,
        type: DASHES[Math.floor(index / SERIES.length) % DASHES.length],
      },
      ...(spec.markX && index === 0
        ? {
            markLine: {
              silent: true,
              symbol: "none",
              lineStyle: { color: theme.faint, type: "dashed" as const },
              label: { formatter: spec.markX.label, color: theme.text, position: "insideEndTop" as const },
              data: [{ xAxis: spec.categories ? spec.x.format(spec.markX.at) : spec.markX.at }],
            },
          }
        : {}),
    })),
  };
}

function barOptions(spec: BarSpec, theme: Theme, width: number): EChartsCoreOption {
  return {
    xAxis: { ...axisOf(spec.value, theme), nameLocation: "middle", nameGap: 28 },
    yAxis: {
      type: "category" as const,
      data: [...spec.categories],
      inverse: true,
      axisLabel: { color: theme.text, width: Math.max(80, width * 0.35), overflow: "truncate" as const },
      axisLine: { lineStyle: { color: theme.lines } },
      axisTick: { show: false },
    },
    series: spec.bars.map(({ name, values }) => ({
      type: "bar" as const,
      name,
      data: [...values],
      barMaxWidth: 18,
      ...(spec.stacked ? { stack: "all" } : {}),
      ...(spec.labels
        ? {
            label: {
              show: true,
              position: "right" as const,
              color: theme.text,
              formatter: ({ value }: { value: unknown }) => spec.value.format(Number(value)),
            },
          }
        : {}),
      ...(theme.highContrast ? { itemStyle: { borderColor: theme.text, borderWidth: 1 } } : {}),
    })),
  };
}
