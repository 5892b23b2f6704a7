import type { BeginsAs, FlowGroup } from "../../../../src/protocol/reports/summary";
import { count, decimal } from "../../format";

const SVG = "http://www.w3.org/2000/svg";
/** Size of the picture's own units, which are pixels on a narrow page. */
const [WIDTH, HEIGHT] = [456, 520];

/** Left lane: the frozen weight. Right lane: the adapter, wide enough for how A and B begin. */
const [FROZEN_X, FROZEN_WIDTH] = [4, 172];
const [ADAPTER_X, ADAPTER_WIDTH] = [200, 252];
const FROZEN_MIDDLE = FROZEN_X + FROZEN_WIDTH / 2;
const ADAPTER_MIDDLE = ADAPTER_X + ADAPTER_WIDTH / 2;
const LINE = 18;

/** What the picture says, in the order in which the values pass. */
export function flowInWords(group: FlowGroup, begins: BeginsAs, rankStabilized: boolean): string[] {
  const { inFeatures, outFeatures, bias, full, rank, dropout, a, b } = group;
  return [
    `The input x has ${count(inFeatures)} features. It takes two ways.`,
    `The frozen way: W₀ (${count(outFeatures)} × ${count(inFeatures)})${bias ? " and its bias" : ""}, ${count(full)} parameters, which are not trained.`,
    `The adapter's way begins with ${dropout === 0 ? "no dropout" : `a dropout of ${decimal(dropout)}`}.`,
    `Then A (${count(rank)} × ${count(inFeatures)}), ${count(a)} trained parameters. A starts as ${begins.a}.`,
    `Then B (${count(outFeatures)} × ${count(rank)}), ${count(b)} trained parameters. B starts as ${begins.b}.`,
    `The result is multiplied by ${scaleText(group, rankStabilized)}.`,
    `The sum of both ways is the output, with ${count(outFeatures)} features.`,
  ];
}

/** The forward pass of an adapted layer: x to W₀, and x to dropout, A, B and the scale; then the sum. */
export function flowPicture(group: FlowGroup, begins: BeginsAs, rankStabilized: boolean): SVGSVGElement {
  const { inFeatures, outFeatures, bias, full, rank, dropout, a, b } = group;
  const svg = make("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "flow",
    role: "img",
    "aria-label": flowInWords(group, begins, rankStabilized).join(" "),
  });
  const middle = WIDTH / 2;
  svg.append(
    arrow(`M ${middle} 37 V 58 H ${FROZEN_MIDDLE} V 202`),
    arrow(`M ${middle} 37 V 58 H ${ADAPTER_MIDDLE} V 74`),
    arrow(`M ${ADAPTER_MIDDLE} 103 V 122`),
    arrow(`M ${ADAPTER_MIDDLE} 202 V 250`),
    arrow(`M ${ADAPTER_MIDDLE} 330 V 348`),
    arrow(`M ${FROZEN_MIDDLE} 282 V 420 H ${middle - 15}`),
    arrow(`M ${ADAPTER_MIDDLE} 378 V 420 H ${middle + 15}`),
    arrow(`M ${middle} 435 V 464`),
    box("value", middle - 90, 8, 180, [`x · ${count(inFeatures)} features`]),
    box("frozen", FROZEN_X, 204, FROZEN_WIDTH, [
      "W₀ · frozen",
      `${count(outFeatures)} × ${count(inFeatures)}`,
      bias ? "with its bias" : "no bias",
      `${count(full)} parameters`,
    ]),
    box("value", ADAPTER_X, 74, ADAPTER_WIDTH, [dropout === 0 ? "no dropout" : `dropout ${decimal(dropout)}`]),
    box("trained", ADAPTER_X, 124, ADAPTER_WIDTH, [
      "A · trained",
      `${count(rank)} × ${count(inFeatures)}`,
      `${count(a)} parameters`,
      `starts as ${begins.a}`,
    ]),
    label(ADAPTER_MIDDLE + 10, 230, `r = ${count(rank)}`, "start"),
    box("trained", ADAPTER_X, 252, ADAPTER_WIDTH, [
      "B · trained",
      `${count(outFeatures)} × ${count(rank)}`,
      `${count(b)} parameters`,
      `starts as ${begins.b}`,
    ]),
    box("value", ADAPTER_X, 350, ADAPTER_WIDTH, [`× ${scaleText(group, rankStabilized)}`]),
    make("circle", { class: "value", cx: middle, cy: 420, r: 14 }),
    label(middle, 425, "+", "middle"),
    box("value", middle - 140, 466, 280, [
      `h = W₀ x${bias ? " + b" : ""} + ${decimal(group.scaling)} · B A x`,
      `${count(outFeatures)} features`,
    ]),
  );
  return svg;
}

function scaleText({ alpha, rank, scaling }: FlowGroup, rankStabilized: boolean): string {
  const [by, of] = rankStabilized ? [`√${rank}`, "α/√r"] : [String(rank), "α/r"];
  return `${of} = ${decimal(alpha)}/${by} = ${decimal(scaling)}`;
}

/** A box with lines of text; the first names it. */
function box(kind: "frozen" | "trained" | "value", x: number, y: number, width: number, lines: readonly string[]) {
  const height = lines.length * LINE + 10;
  const group = make("g", { class: kind }, make("rect", { x, y, width, height, rx: 4 }));
  for (const [i, text] of lines.entries()) {
    const written = label(x + width / 2, y + 18 + i * LINE, text, "middle");
    if (i === 0) written.setAttribute("class", "name");
    group.append(written);
  }
  return group;
}

function label(x: number, y: number, text: string, anchor: "start" | "middle") {
  return make("text", { x, y, "text-anchor": anchor }, text);
}

/** A line along the path's horizontal and vertical steps, with a head at its end. */
function arrow(path: string) {
  let [x, y, fromX, fromY] = [0, 0, 0, 0];
  for (const [, command, first, second] of path.matchAll(/([MHV]) (\S+)(?: (\d\S*))?/g)) {
    [fromX, fromY] = [x, y];
    if (command !== "V") x = Number(first);
    if (command === "V") y = Number(first);
    else if (command === "M") y = Number(second);
  }
  const [dx, dy] = [Math.sign(x - fromX), Math.sign(y - fromY)];
  const [tailX, tailY] = [x - 6 * dx, y - 6 * dy];
  // A marker would need an id of its own on the page.
  const head = `M ${tailX - 4 * dy} ${tailY - 4 * dx} L ${x} ${y} L ${tailX + 4 * dy} ${tailY + 4 * dx}`;
  return make("path", { class: "arrow", d: `${path} ${head}` });
}

function make<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}
