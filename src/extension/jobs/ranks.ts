/** Ranks as one line of text: what the sweep's dialog offers and takes. */

/** As many as an analysis compares. */
export const OFFERED_RANKS: readonly number[] = [4, 8, 16, 32, 64];

/** The worker takes no more: each rank is a whole training. */
const MOST_RANKS = 32;

export function ranksText(ranks: readonly number[]): string {
  return ranks.join(", ");
}

/** Each rank once, by rising rank; undefined if the text is no list of ranks. */
export function parseRanks(text: string): readonly number[] | undefined {
  const parts = text.split(",").map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,6}$/.test(part) && Number(part) >= 1)) return undefined;
  const ranks = [...new Set(parts.map(Number))].sort((a, b) => a - b);
  return ranks.length <= MOST_RANKS ? ranks : undefined;
}
