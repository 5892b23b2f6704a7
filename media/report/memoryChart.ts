import type { MemoryEstimate, MethodMemory } from "../../src/protocol/reports";
import { TRAIN_METHODS } from "../../src/protocol/training";
import { type Chart, chart } from "./charts";
import type { Cell } from "./dom";
import { bytes, count, percent } from "./format";

const KINDS: readonly { readonly key: Exclude<keyof MethodMemory, "method" | "rank">; readonly name: string }[] = [
  { key: "weights", name: "weights" },
  { key: "adapter", name: "adapters" },
  { key: "gradients", name: "gradients" },
  { key: "optimizer", name: "Adam's moments" },
  { key: "activations", name: "activations" },
  { key: "update", name: "Adam's update" },
];

/** Memory of a training step, a stacked bar a method. */
export function memoryChart({ batch, sequence, weights, methods }: MemoryEstimate): Chart {
  const numeric = (text: string): Cell => ({ text, numeric: true });
  const names = methods.map(({ method, rank }) =>
    rank === undefined ? TRAIN_METHODS[method].label : `${TRAIN_METHODS[method].label}, rank ${rank}`,
  );
  const full = methods.find(({ method }) => method === "full");
  const lora = methods.find(({ method }) => method === "lora");
  const shown = KINDS.filter(({ key }) => methods.some((row) => row[key] > 0));
  const dtypes = weights.map((part) => `${bytes(part.bytes)} in ${part.dtype}`).join(", ");
  const scores = Math.max(...methods.map((row) => row.attentionScores));
  return chart({
    kind: "bar",
    title: `Memory of a training step at batch ${count(batch)}${sequence === undefined ? "" : `, ${count(sequence)} tokens each`}`,
    description: [
      full &&
        lora &&
        `LoRA of rank ${lora.rank} needs ${bytes(lora.total)}, full fine-tuning ${bytes(full.total)}: ${percent(100 * (1 - lora.total / full.total))} less with LoRA.`,
      `The weights are ${dtypes}. Estimated for Adam in PyTorch with PEFT, with fused attention. The peak is a little less than all kinds together, which are not all there at once. Training in LoRA Lens takes about as much for LoRA, and up to three times as much for full fine-tuning.`,
      scores > 0 && `Attention that is not fused keeps up to ${bytes(scores)} of scores besides.`,
    ]
      .filter(Boolean)
      .join(" "),
    value: { name: "bytes", format: bytes, binaryTo: Math.max(...methods.map(({ total }) => total)) },
    categories: names,
    bars: shown.map(({ key, name }) => ({ name, values: methods.map((row) => row[key]) })),
    stacked: true,
    values: {
      head: [{ text: "Kind" }, ...names.map(numeric)],
      rows: [
        ...shown.map(({ key, name }) => [{ text: name }, ...methods.map((row) => numeric(bytes(row[key])))]),
        [{ text: "peak" }, ...methods.map((row) => numeric(bytes(row.total)))],
        [{ text: "attention scores, not fused" }, ...methods.map((row) => numeric(bytes(row.attentionScores)))],
      ],
    },
  });
}
