import { join } from "node:path";
import type { SweepRequest, TrainRequest } from "../../../protocol/jobs";
import { loraConfig } from "../../lora/config/config";
import { checkGiven } from "../../lora/config/given";
import { checkedRanks } from "../ranks";

/** Each rank is a whole training. */
const MAX_RANKS = 32;

/** The ranks of a sweep and what each is trained with. Throws a UserError before anything is trained. */
export function trainings(request: SweepRequest): ReadonlyMap<number, TrainRequest> {
  const ranks = checkedRanks(request.ranks, MAX_RANKS);
  const all = new Map(ranks.map((rank) => [rank, trainingAt(request, rank)]));
  for (const { adapter } of all.values()) checkGiven(adapter);
  return all;
}

function trainingAt({ ranks: _, fixedAlpha, ...request }: SweepRequest, rank: number): TrainRequest {
  const { r, lora_alpha } = loraConfig(ratioOf(request.adapter));
  // One division, so that a ratio of whole numbers gives whole numbers.
  const alpha = fixedAlpha ?? (lora_alpha * rank) / r;
  return {
    ...request,
    kind: "train",
    method: "lora",
    adapter: { ...request.adapter, r: rank, lora_alpha: alpha },
    output: join(request.output, folderOf(rank)),
  };
}

function ratioOf({ r, lora_alpha }: SweepRequest["adapter"]) {
  return { ...(r !== undefined && { r }), ...(lora_alpha !== undefined && { lora_alpha }) };
}

/** Name of the folder of a rank's adapter. */
export function folderOf(rank: number): string {
  return `r${rank}`;
}

/** alpha / r of all runs; null if alpha is fixed. */
export function alphaPerRank({ adapter, fixedAlpha }: SweepRequest): number | null {
  if (fixedAlpha !== undefined) return null;
  const { r, lora_alpha } = loraConfig(ratioOf(adapter));
  return lora_alpha / r;
}

const plain = (n: number): string => String(Number(n.toPrecision(4)));

/** How alpha and the scale depend on the rank. */
export function alphaNote(request: SweepRequest): string {
  const ratio = alphaPerRank(request);
  const rslora = request.adapter.use_rslora === true;
  if (ratio === null) {
    const falls = rslora ? "alpha / √rank" : "alpha / rank";
    return `Alpha is ${plain(request.fixedAlpha!)} at every rank, so the scale (${falls}) falls as the rank grows.`;
  }
  const grows = `Alpha grows with the rank (alpha = ${plain(ratio)} × rank)`;
  return rslora
    ? `${grows}, so the scale (alpha / √rank) grows with the square root of the rank.`
    : `${grows}, so the scale is ${plain(ratio)} at every rank.`;
}
