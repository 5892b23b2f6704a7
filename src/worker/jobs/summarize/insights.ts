import type { ChoiceCost, FlowGroup, Insight, LayerKind, SummarizeReport } from "../../../protocol/reports/summary";
import { counted, one, percent, size, whole } from "../../text/amounts";

/** What the sentences are drawn from. */
export type Summarized = Pick<
  SummarizeReport,
  "injection" | "rankStabilized" | "groups" | "kinds" | "choices" | "memory"
>;

/** Kinds of layer as sentences begin with them. */
const KIND_NAMES: Readonly<Record<LayerKind, string>> = {
  attention: "Attention",
  "feed-forward": "The feed-forward layers",
  embedding: "Embeddings",
  convolution: "Convolutions",
  head: "The output head",
  other: "Other layers",
};

/** Sentences that say what the numbers mean for this model, each with the number behind it. */
export function summaryInsights(summary: Summarized): Insight[] {
  return [
    ...whereParametersAre(summary),
    ...whatIsTrained(summary),
    ...whatChoicesCost(summary),
    ...bestAndWorst(summary),
    ...breakEven(summary),
    effectiveScale(summary),
    ...whatStays(summary),
  ];
}

function whereParametersAre({ injection, kinds, groups }: Summarized): Insight[] {
  const found: Insight[] = [];
  const { baseParameters } = injection;
  const [most] = kinds;
  if (most) {
    const holds = most.layerKind === "attention" || most.layerKind === "head" ? "holds" : "hold";
    found.push({
      text: `${KIND_NAMES[most.layerKind]} ${holds} most of the model: ${whole(most.parameters)} of ${whole(baseParameters)} parameters, ${percent(most.percent)}, in ${counted(most.layers, "layer")}.`,
      section: "kinds",
    });
  }
  const largest = largestBy(groups, ({ full }) => full);
  if (largest) {
    const { layers, inFeatures, outFeatures, full } = largest;
    const each =
      layers.length > 1
        ? ` The ${whole(layers.length)} of its pattern hold ${percent((100 * full * layers.length) / baseParameters)} of the model.`
        : "";
    found.push({
      text: `${layers[0]!.path} (${whole(inFeatures)} → ${whole(outFeatures)}) is the largest adapted layer, with ${whole(full)} parameters.${each}`,
      section: "flow",
      layer: layers[0]!,
    });
  }
  return found;
}

function whatIsTrained({ injection: { rank, trainable, percent: part, targets } }: Summarized): Insight[] {
  const full = targets.reduce((sum, target) => sum + target.full, 0);
  return [
    {
      text: `Rank ${whole(rank)} trains ${whole(trainable)} parameters instead of the ${whole(full)} of the ${counted(targets.length, "adapted layer")}: ${one(full / trainable)}× fewer. They are ${percent(part)} of the model with its adapters.`,
      section: "kinds",
    },
  ];
}

function whatChoicesCost({ choices, injection: { rank } }: Summarized): Insight[] {
  const texts: Readonly<Record<ChoiceCost["choice"], (cost: ChoiceCost) => string>> = {
    attention: ({ layers, trainable, percent: part }) =>
      `LoRA on attention only trains ${whole(trainable)} parameters at rank ${whole(rank)}, ${percent(part)}, in ${counted(layers, "layer")}.`,
    "all-linear": ({ layers, trainable, percent: part }) =>
      `LoRA on all linear layers but the head trains ${whole(trainable)} parameters at rank ${whole(rank)}, ${percent(part)}, in ${counted(layers, "layer")}.`,
    head: ({ trainable, percent: part }) =>
      `Training the output head itself, without adapters, trains ${whole(trainable)} parameters, ${percent(part)} of the model.`,
  };
  return choices.map((cost) => ({ text: texts[cost.choice](cost), section: "kinds" }));
}

/** Differences below this part are not worth a sentence. */
const SIMILAR = 1.05;

function bestAndWorst({ groups }: Summarized): Insight[] {
  const best = largestBy(groups, ({ reduction }) => reduction);
  const worst = largestBy(groups, ({ reduction }) => -reduction);
  if (!best || !worst || best.reduction <= SIMILAR * worst.reduction) return [];
  const named = ({ layers, inFeatures, outFeatures }: FlowGroup) =>
    `${layers[0]!.path} (${whole(inFeatures)} → ${whole(outFeatures)})`;
  return [
    {
      text: `LoRA saves most at ${named(best)}: ${one(best.reduction)}× fewer parameters, and least at ${named(worst)}: ${one(worst.reduction)}×. Without biases the factor is in · out / (r · (in + out)), so the smaller side decides.`,
      section: "flow",
      layer: worst.layers[0]!,
    },
  ];
}

function breakEven({ groups }: Summarized): Insight[] {
  const first = largestBy(groups, ({ breakEvenRank }) => -breakEvenRank);
  if (!first) return [];
  const { breakEvenRank, rank, layers, lora, full } = first;
  const { path } = layers[0]!;
  const passed = rank >= breakEvenRank;
  const text = passed
    ? `The adapter of ${path} has ${whole(lora)} parameters and the layer ${whole(full)}: rank ${whole(rank)} is past its break-even rank of ${one(breakEvenRank)}. Lower the rank, or train the layer itself.`
    : `Break-even comes first at ${path}: from rank ${whole(Math.ceil(breakEvenRank))} on, its adapter has at least the ${whole(full)} parameters of the layer. Rank ${whole(rank)} has ${whole(lora)}.`;
  return [{ text, section: "flow", layer: layers[0]! }];
}

function effectiveScale({ injection: { rank, alpha, scaling }, rankStabilized }: Summarized): Insight {
  const by = rankStabilized ? `alpha ${alpha} / √${rank} (rsLoRA)` : `alpha ${alpha} / rank ${rank}`;
  const meaning =
    scaling < 1
      ? "B A x counts less than the output of a layer of its own."
      : scaling > 2
        ? "A step of the optimizer moves the layer's output strongly."
        : "This is in the usual range of 1 to 2.";
  return {
    text: `The effective scale is ${Number(scaling.toPrecision(4))}: ${by}. ${meaning}`,
    section: "flow",
  };
}

function whatStays({ memory, injection: { rank } }: Summarized): Insight[] {
  const full = memory?.methods.find(({ method }) => method === "full");
  const lora = memory?.methods.find((row) => row.method === "lora" && row.rank === rank);
  if (!memory || !full || !lora) return [];
  const tokens = memory.sequence === undefined ? "" : ` of ${counted(memory.sequence, "token")}`;
  return [
    {
      text: `At batch ${whole(memory.batch)}${tokens}, a training step needs ${size(lora.total)} with LoRA and ${size(full.total)} in full. LoRA saves gradients and Adam's moments: ${size(lora.gradients + lora.optimizer)} instead of ${size(full.gradients + full.optimizer)}.`,
      section: "memory",
    },
    {
      text: `LoRA does not save the weights, ${size(lora.weights)} either way. Activations take ${size(lora.activations)} with LoRA and ${size(full.activations)} in full.`,
      section: "memory",
    },
  ];
}

function largestBy<T>(items: readonly T[], value: (item: T) => number): T | undefined {
  return items.reduce<T | undefined>((best, item) => (best && value(best) >= value(item) ? best : item), undefined);
}
