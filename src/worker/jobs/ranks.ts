import { UserError } from "../formats/errors";

/** The ranks that a table or a sweep is to compare, each once, by rising rank. Throws a UserError on nonsense. */
export function checkedRanks(ranks: readonly number[], most: number): readonly number[] {
  if (ranks.length === 0 || ranks.length > most || ranks.some((r) => !Number.isInteger(r) || r < 1)) {
    throw new UserError(`ranks must be 1 to ${most} whole numbers of 1 or more, not ${ranks.join(", ")}`);
  }
  return [...new Set(ranks)].sort((a, b) => a - b);
}
