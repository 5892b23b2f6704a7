import type { LayerKind, SummarizeReport } from "../../../../src/protocol/reports/summary";
import { type Chart, chart } from "../../charts";
import type { Cell } from "../../dom";
import { count, factor, percent, shortCount } from "../../format";

const NAMES: Readonly<Record<LayerKind, string>> = {
  attention: "attention",
  "feed-forward": "feed-forward",
  embedding: "embedding",
  convolution: "convolution",
  head: "output head",
  other: "other",
};

/** Spread of values from which bars on a plain axis are too short to see. */
const WIDE_SPREAD = 30;

/** Parameters by kind of layer, and of adapters on the kind's linear layers. */
export function kindsChart({ kinds, injection }: SummarizeReport): Chart {
  const numeric = (text: string): Cell => ({ text, numeric: true });
  const { rank } = injection;
  const values = kinds.flatMap(({ parameters, lora }) => [parameters, lora]).filter((value) => value > 0);
  const largest = kinds[0];
  return chart({
    kind: "bar",
    title: "Parameters by kind of layer",
    description: [
      largest && `The largest kind is ${NAMES[largest.layerKind]}, with ${percent(largest.percent)} of the model.`,
      `LoRA counts adapters of rank ${rank} on all linear layers of a kind, adapted or not.`,
    ]
      .filter(Boolean)
      .join(" "),
    value: { name: "parameters", format: shortCount, log: Math.max(...values) > WIDE_SPREAD * Math.min(...values) },
    categories: kinds.map(({ layerKind }) => NAMES[layerKind]),
    bars: [
      { name: "parameters", values: kinds.map(({ parameters }) => parameters) },
      // A logarithmic axis has no zero.
      { name: `LoRA, rank ${rank}`, values: kinds.map(({ lora }) => (lora === 0 ? Number.NaN : lora)) },
    ],
    values: {
      head: [
        { text: "Kind" },
        ...["Layers", "Parameters", "Share", "Adapted", `LoRA, rank ${rank}`, "Reduction"].map(numeric),
      ],
      rows: kinds.map((row) => [
        { text: NAMES[row.layerKind] },
        numeric(count(row.layers)),
        numeric(count(row.parameters)),
        numeric(percent(row.percent)),
        numeric(row.linear === 0 ? "none is linear" : `${count(row.adapted)} of ${count(row.linear)}`),
        numeric(row.linear === 0 ? "" : count(row.lora)),
        numeric(row.reduction === null ? "" : factor(row.reduction)),
      ]),
    },
  });
}
