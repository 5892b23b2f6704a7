import type { Practice, PracticeSource } from "../../../protocol/reports/summary";
import { TRAIN_METHODS } from "../../../protocol/training";
import { counted, one, percent, whole } from "../../text/amounts";
import type { Summarized } from "./insights";

/** What decides which practices apply. */
export interface PracticeFacts extends Summarized {
  /** The adapters' parameters by rank, in scalars. */
  readonly trainableAt: (rank: number) => number;
  /** A fresh B is zero. */
  readonly startsAtZero: boolean;
  /** An adapted layer shares its weight with another module, so that a merge changes both. */
  readonly tied: boolean;
}

/** A practice, and when it applies. */
interface PracticeRow extends Omit<Practice, "here"> {
  /** A sentence from the model's own numbers; undefined where nothing gives reason for the practice. */
  readonly here: (facts: PracticeFacts) => string | undefined;
}

const hu = (section: string): PracticeSource => ({
  title: `Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ${section}`,
  url: "https://arxiv.org/abs/2106.09685",
});
const qlora = (section: string): PracticeSource => ({
  title: `Dettmers et al., QLoRA: Efficient Finetuning of Quantized LLMs, ${section}`,
  url: "https://arxiv.org/abs/2305.14314",
});

/** Ranks to start with. */
const [LOW_RANK, HIGH_RANK] = [8, 16];
/** Usual factors of alpha to rank. */
const [LOW_SCALE, HIGH_SCALE] = [1, 2];
/** QLoRA's dropout for its smaller models. */
const DROPOUT = 0.1;
/** Models up to this size are QLoRA's smaller ones. */
const SMALL_MODEL = 13e9;
/** Adapters are much smaller than their layers from this reduction on. */
const SMALL_ADAPTER = 2;

const PRACTICES: readonly PracticeRow[] = [
  {
    id: "rank",
    text: "Start with a rank of 8 to 16. Raise it only if a higher rank is measurably better: in the paper, ranks of 1 to 8 did about as well as 64.",
    source: hu("section 7.2"),
    here: ({ injection: { rank, trainable }, trainableAt }) => {
      if (rank >= LOW_RANK && rank <= HIGH_RANK) return undefined;
      const near = rank < LOW_RANK ? LOW_RANK : HIGH_RANK;
      return `rank ${rank} trains ${whole(trainable)} parameters; rank ${near} would train ${whole(trainableAt(near))}.`;
    },
  },
  {
    id: "alpha",
    text: "Set alpha to the rank, or to twice the rank, and leave it there. Tune the learning rate instead: the two act alike.",
    source: hu("section 4.1"),
    here: ({ injection: { rank, alpha, scaling }, rankStabilized }) => {
      if (rankStabilized || (scaling >= LOW_SCALE && scaling <= HIGH_SCALE)) return undefined;
      return `alpha ${alpha} at rank ${rank} gives a scale of ${Number(scaling.toPrecision(4))}; alpha ${LOW_SCALE * rank} gives ${LOW_SCALE}, alpha ${HIGH_SCALE * rank} gives ${HIGH_SCALE}.`;
    },
  },
  {
    id: "targets",
    text: "Adapters on attention alone are the smallest start. Adapters on all linear layers came as close to full fine-tuning as it gets in QLoRA's experiments, where attention alone did not.",
    source: qlora("section 4"),
    here: ({ choices, kinds, injection: { rank } }) => {
      const attention = choices.find(({ choice }) => choice === "attention");
      const all = choices.find(({ choice }) => choice === "all-linear");
      if (!attention || !all || attention.layers === all.layers) return undefined;
      const now = kinds.reduce((sum, { adapted }) => sum + adapted, 0);
      return `at rank ${rank}, attention alone trains ${whole(attention.trainable)} parameters in ${counted(attention.layers, "layer")}, all linear layers ${whole(all.trainable)} in ${whole(all.layers)}. The configuration adapts ${whole(now)}.`;
    },
  },
  {
    id: "dropout",
    text: "Use a dropout of 0.05 to 0.1 on the adapter's input when data is scarce. QLoRA uses 0.1 up to 13 billion parameters, and 0.05 above.",
    source: qlora("appendix B.2"),
    here: ({ injection: { dropout, baseParameters, trainable } }) => {
      if (dropout > 0 && dropout <= DROPOUT) return undefined;
      const fitting = baseParameters <= SMALL_MODEL ? "0.1" : "0.05";
      const model = `the model has ${whole(baseParameters)} parameters, for which QLoRA takes ${fitting}`;
      return dropout === 0
        ? `dropout is 0, so nothing but the rank keeps ${whole(trainable)} trained parameters from learning samples by heart; ${model}.`
        : `dropout is ${dropout}: ${percent(100 * dropout)} of the adapter's input is zero in each step; ${model}.`;
    },
  },
  {
    id: "learning-rate",
    text: "Take about ten times the learning rate of full fine-tuning.",
    source: {
      title: "Schulman and Thinking Machines Lab, LoRA Without Regret, 2025",
      url: "https://thinkingmachines.ai/blog/lora/",
    },
    here: ({ injection: { targets, trainable } }) => {
      const full = targets.reduce((sum, target) => sum + target.full, 0);
      if (full < SMALL_ADAPTER * trainable) return undefined;
      const { lora, full: fully } = TRAIN_METHODS;
      return `the adapters have ${one(full / trainable)}× fewer parameters than their layers. Train starts LoRA at ${lora.learningRate}, full fine-tuning at ${fully.learningRate}.`;
    },
  },
  {
    id: "norms",
    text: "Watch the norms of A and B. B begins at zero, so A has no gradient until B has grown. A norm of B that stays near zero means that nothing is learned; one that keeps growing, that the learning rate is too high.",
    source: hu("section 4.1"),
    here: ({ startsAtZero, groups, injection: { targets, scaling } }) => {
      if (!startsAtZero) return undefined;
      const entries = groups.reduce((sum, { b, layers }) => sum + b * layers.length, 0);
      return `the ${whole(entries)} numbers in B of ${counted(targets.length, "layer")} begin at zero, and B A is multiplied by ${Number(scaling.toPrecision(4))}.`;
    },
  },
  {
    id: "merge",
    text: "Merge the adapter into the weights for deployment: the model then is as fast as before.",
    source: hu("section 4.1, No Additional Inference Latency"),
    here: ({ tied, injection: { targets, trainable, total, baseParameters } }) => {
      if (tied) return undefined;
      return `unmerged, each forward pass has ${whole(2 * targets.length)} more matrix products and ${whole(total)} parameters; merged it has ${whole(baseParameters)} again, ${whole(trainable)} fewer.`;
    },
  },
];

/** The practices that the model or its configuration gives reason for. */
export function practices(facts: PracticeFacts): Practice[] {
  return PRACTICES.flatMap(({ here, ...practice }) => {
    const sentence = here(facts);
    return sentence === undefined ? [] : [{ ...practice, here: sentence }];
  });
}
