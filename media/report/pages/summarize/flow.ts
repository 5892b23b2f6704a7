import type { FlowGroup, LayerLine, SummarizeReport } from "../../../../src/protocol/reports/summary";
import { dropdown } from "../../controls";
import { element } from "../../dom";
import { count } from "../../format";
import type { Host } from "../../host";
import { flowInWords, flowPicture } from "./flowPicture";

/** The forward pass at a chosen group of layers, as a picture and in words. */
export function flow(report: SummarizeReport, host: Host): HTMLElement {
  const { groups } = report;
  const place = element("div", { class: "flow-place" });
  const show = (group: FlowGroup) => place.replaceChildren(flowOf(group, report, host));
  const first = groups.find(({ pattern }) => pattern === host.choices.flow) ?? groups[0];
  if (!first) return place;
  show(first);
  if (groups.length === 1) return place;
  const choice = dropdown(
    "Layers whose forward pass is shown",
    groups.map((group, i) => ({ value: String(i), text: groupName(group) })),
    String(groups.indexOf(first)),
    (value) => {
      const group = groups[Number(value)];
      if (!group) return;
      show(group);
      host.choose({ ...host.choices, flow: group.pattern });
    },
  );
  return element("div", {}, element("div", { class: "controls" }, choice), place);
}

/** `layers.*.fc1 × 12 (768 → 3072)` */
export function groupName({ pattern, layers, inFeatures, outFeatures }: FlowGroup): string {
  const times = layers.length === 1 ? "" : ` × ${count(layers.length)}`;
  return `${pattern}${times} (${inFeatures} → ${outFeatures})`;
}

function flowOf(group: FlowGroup, { begins, rankStabilized, injection }: SummarizeReport, host: Host): HTMLElement {
  const picture = flowPicture(group, begins, rankStabilized);
  const first = group.layers[0];
  if (host.editor && first) {
    picture.classList.add("leads");
    picture.addEventListener("click", () => reveal(first, injection.file, host));
  }
  const others = group.layers.length - 1;
  return element(
    "figure",
    { class: "flow-figure" },
    picture,
    element(
      "figcaption",
      {},
      first && layerLink(first, injection.file, host),
      others > 0 && ` and ${count(others)} equal ${others === 1 ? "layer" : "layers"}`,
      element("ol", {}, ...flowInWords(group, begins, rankStabilized).map((sentence) => element("li", {}, sentence))),
    ),
  );
}

/** A layer's path; in the editor it leads to the layer's line. */
export function layerLink(layer: LayerLine, file: string, host: Host): HTMLElement {
  const { path, line, cell } = layer;
  if (!host.editor) return element("code", {}, path);
  const link = element(
    "button",
    {
      type: "button",
      class: "link",
      title: `Show ${cell === undefined ? "" : `cell ${cell}, `}line ${line} in the editor`,
    },
    path,
  );
  link.addEventListener("click", () => reveal(layer, file, host));
  return link;
}

function reveal({ line, cell }: LayerLine, file: string, host: Host): void {
  host.post({ type: "reveal", file, line, ...(cell === undefined ? {} : { cell }) });
}
