import type { AnalyzeLayer, AnalyzeTotal, InjectionSummary, MemoryEstimate } from "../../../protocol/reports";
import { one, size, whole } from "../../text/amounts";

/** Sentences that say what the numbers mean for this model. */
export function insights(
  injection: InjectionSummary,
  layers: readonly AnalyzeLayer[],
  totals: readonly AnalyzeTotal[],
  memory: MemoryEstimate | null,
): string[] {
  const notes: string[] = [];
  const { rank, alpha, scaling, trainable, percent, targets } = injection;
  const full = targets.reduce((sum, target) => sum + target.full, 0);
  notes.push(
    `Rank ${rank} trains ${whole(trainable)} parameters instead of the ${whole(full)} of the ${targets.length} targeted layers: ${one(full / trainable)}× fewer, ${percent.toFixed(2)} % of the whole model.`,
  );
  const [low, high] = [totals[0], totals.at(-1)];
  if (low && high && low !== high) {
    notes.push(
      `Cost grows in proportion to the rank: from ${whole(low.trainable)} parameters at rank ${low.rank} to ${whole(high.trainable)} at rank ${high.rank}.`,
    );
  }
  const sorted = layers.filter((layer) => layer.targeted).sort((a, b) => b.reduction - a.reduction);
  const [best, worst] = [sorted[0], sorted.at(-1)];
  if (best && worst && best.reduction > worst.reduction * 1.05) {
    notes.push(
      `Layers with two large sides gain most: ${best.path} (${best.inFeatures} → ${best.outFeatures}) shrinks ${one(best.reduction)}×, ${worst.path} (${worst.inFeatures} → ${worst.outFeatures}) only ${one(worst.reduction)}×. The reduction is in · out / (r · (in + out)), so the smaller side decides.`,
    );
  }
  const wasteful = sorted.filter((layer) => layer.reduction <= 1);
  if (wasteful.length > 0) {
    notes.push(
      `At rank ${rank} the adapter of ${wasteful.map((layer) => layer.path).join(", ")} has no fewer parameters than the layer itself: train the layer, or lower the rank.`,
    );
  }
  if (scaling < 0.5) {
    notes.push(
      `The effective scale is ${scaling} (alpha ${alpha} over rank ${rank}): the adapter's contribution is damped. Alpha usually grows with the rank, to r or 2r.`,
    );
  }
  const fully = memory?.methods.find(({ method }) => method === "full");
  const adapted = memory?.methods.find((row) => row.method === "lora" && row.rank === rank);
  if (memory && fully && adapted) {
    const tokens = memory.sequence === undefined ? "" : ` of ${whole(memory.sequence)} tokens`;
    notes.push(
      `At batch ${memory.batch}${tokens}, a training step takes ${size(adapted.total)} with LoRA and ${size(fully.total)} in full. Gradients and Adam's moments shrink from ${size(fully.gradients + fully.optimizer)} to ${size(adapted.gradients + adapted.optimizer)}. Weights (${size(adapted.weights)}) and activations (${size(adapted.activations)} with LoRA, ${size(fully.activations)} in full) remain.`,
    );
  }
  return notes;
}
