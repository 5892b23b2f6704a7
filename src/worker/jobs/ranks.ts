import { UserError } from "../formats/errors";

/** Ranks that costs are compared at when nobody names others. */
export const RANKS: readonly number[] = [4, 8, 16, 32, 64];
/** As many as a table's columns and a chart's points can show. */
const MAX_RANKS = 64;
/** Above any layer's features, so that counts stay exact. */
const MAX_RANK = 2 ** 24;

/**
 * Each rank once, rising. Throws a UserError for other than whole numbers from 1 to 16,777,216.
 * @param most how many there may be.
 */
export function checkedRanks(ranks: readonly number[], most = MAX_RANKS): readonly number[] {
  const valid = (r: number) => Number.isInteger(r) && r >= 1 && r <= MAX_RANK;
  if (ranks.length === 0 || ranks.length > most || !ranks.every(valid)) {
    throw new UserError(
      `ranks must be 1 to ${most} whole numbers from 1 to ${MAX_RANK.toLocaleString("en-US")}, not ${ranks.join(", ")}`,
    );
  }
  return [...new Set(ranks)].sort((a, b) => a - b);
}
