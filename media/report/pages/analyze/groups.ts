import type { AnalyzeReport, EqualLayers } from "../../../../src/protocol/reports";
import type { LineSpec } from "../../charts";
import { count, factor } from "../../format";

/** More lines than that cannot be told apart. */
const DRAWN = 8;

/** Reduction against rank: a line for each group of equal layers. */
export function reductionByGroup({ ranks, groups }: AnalyzeReport): LineSpec {
  const weight = ({ full, paths }: EqualLayers) => full * paths.length;
  const largest = new Set([...groups].sort((a, b) => weight(b) - weight(a)).slice(0, DRAWN));
  const left =
    groups.length > DRAWN
      ? ` The ${DRAWN} groups with the most parameters of ${groups.length} are drawn; the table has all.`
      : "";
  return {
    kind: "line",
    title: "Reduction against rank",
    description: `How many times fewer parameters are trained at each group of equal layers, for each rank.${left}`,
    ...(left !== "" && { note: left.trim() }),
    x: { name: "rank", format: count },
    y: { name: "times fewer (×)", format: factor, log: true },
    lines: groups
      .filter((group) => largest.has(group))
      .map((group) => ({
        name: groupName(group),
        points: group.byRank.map(({ rank, reduction }) => [rank, reduction] as const),
        symbols: true,
      })),
    categories: true,
    values: {
      head: [{ text: "Equal layers" }, ...ranks.map((rank) => ({ text: `Rank ${rank}`, numeric: true }))],
      rows: groups.map((group) => [
        { text: groupName(group) },
        ...group.byRank.map(({ reduction }) => ({ text: factor(reduction), numeric: true })),
      ]),
    },
  };
}

function groupName({ name, inFeatures, outFeatures, bias, paths }: EqualLayers): string {
  const times = paths.length === 1 ? "" : ` × ${count(paths.length)}`;
  return `${name}${times} (${inFeatures} → ${outFeatures}${bias ? "" : ", no bias"})`;
}
