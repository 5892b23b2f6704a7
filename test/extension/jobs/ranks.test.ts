import { strict as assert } from "node:assert";
import { OFFERED_RANKS, parseRanks, ranksText } from "../../../src/extension/jobs/ranks";

describe("the ranks of a sweep as one line", () => {
  it("are read as they are offered, each once and by rising rank", () => {
    assert.deepEqual(parseRanks(ranksText(OFFERED_RANKS)), OFFERED_RANKS);
    assert.deepEqual(parseRanks(" 16,4 , 16"), [4, 16]);
  });

  for (const text of ["", "4,", "0", "4, 1.5", "-4", "4 8", "four", "9999999"]) {
    it(`are refused when they are no list of ranks: "${text}"`, () => assert.equal(parseRanks(text), undefined));
  }

  it("are refused when there are more than 32", () => {
    const ranks = (n: number) => Array.from({ length: n }, (_, i) => i + 1).join(",");
    assert.equal(parseRanks(ranks(32))?.length, 32);
    assert.equal(parseRanks(ranks(33)), undefined);
  });
});
