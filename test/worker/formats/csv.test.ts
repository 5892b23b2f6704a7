import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import * as path from "node:path";
import { readTable } from "../../../src/worker/formats/csv";
import { temporaryFolder } from "./temporaryFolder";

const DIGITS = path.join(__dirname, "../../../examples/digits/digits.csv");

describe("csv", () => {
  const at = temporaryFolder();
  const table = async (text: string, label = "label") => {
    await writeFile(at("data.csv"), text);
    return readTable(at("data.csv"), label);
  };

  it("reads the digits", async () => {
    const digits = await readTable(DIGITS, "label");
    assert.equal(digits.rows, 1797);
    assert.equal(digits.columns.length, 64);
    assert.equal(digits.features.length, 1797 * 64);
    assert.deepEqual(digits.columns.slice(0, 2), ["p00", "p01"]);
    assert.deepEqual([...digits.features.subarray(0, 8)], [0, 0, 5, 13, 9, 1, 0, 0]);
    assert.equal(digits.labels.kind, "numbers");
    assert.deepEqual([...digits.labels.values.subarray(0, 12)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  });

  it("takes the label from any column, and the others in order", async () => {
    const { columns, rows, features } = await table("a,label,b\n1,0,2\n-3.5,1,4e2\n");
    assert.deepEqual(columns, ["a", "b"]);
    assert.equal(rows, 2);
    assert.deepEqual(features, Float32Array.of(1, 2, -3.5, 400));
  });

  it("reads a byte order mark, quotes, spaces, empty lines, CRLF, and a last line without an end", async () => {
    const { columns, features } = await table('\ufeff"a, b", label\r\n"1" , 0\r\n\r\n 2,1');
    assert.deepEqual(columns, ["a, b"]);
    assert.deepEqual(features, Float32Array.of(1, 2));
  });

  it("treats labels as sorted names if one is not a number, otherwise as numbers, and lists each label once in order", async () => {
    assert.deepEqual((await table("x,label\n1,dog\n1,cat\n1,dog\n")).labels, {
      kind: "names",
      values: Int32Array.of(1, 0, 1),
      names: ["cat", "dog"],
      name: "dog",
    });
    assert.deepEqual((await table("x,label\n1,10\n1,9\n1,-1\n1,10.0\n1,0.5\n")).labels, {
      kind: "numbers",
      values: Float64Array.of(10, 9, -1, 10, 0.5),
      distinct: [-1, 0.5, 9, 10],
    });
    assert.deepEqual((await table("x,label\n1,-0\n1,0\n1,1000000007\n")).labels, {
      kind: "numbers",
      values: Float64Array.of(0, 0, 1000000007),
      distinct: [0, 1000000007],
    });
    assert.deepEqual((await table("x,label\n1,1\n1,one\n")).labels, {
      kind: "names",
      values: Int32Array.of(0, 1),
      names: ["1", "one"],
      name: "one",
    });
  });

  const wrong: readonly [what: string, text: string, message: RegExp][] = [
    ["an empty file", "", /data\.csv is empty; it needs a header row/],
    ["a header alone", "a,label\n", /has a header but no rows/],
    ["blank lines alone", "\n\n", /has no rows/],
    [
      "a missing label column",
      "a,b,Labels\n1,2,3\n",
      /no column "label"; its columns are a, b, Labels\. Did you mean "Labels"\?/,
    ],
    ["a missing label column, none alike", "a,b\n1,2\n", /no column "label"; its columns are a, b$/],
    ["a missing header row", "1,2,3\n4,5,6\n", /look like data: the first line must name the columns/],
    ["a column named twice", "a,a,label\n1,2,3\n", /names the column "a" twice/],
    ["no features", "label\n1\n", /no column besides the label/],
    ["text among the numbers", "a,b,label\n1,2,0\n1,red,1\n", /line 3, column "b" is "red", not a number/],
    ["an empty cell", "a,label\n,1\n", /line 2, column "a" is empty, not a number/],
    ["infinity", "a,label\nInfinity,1\n", /column "a" is "Infinity", not a number/],
    ["an empty label", "a,label\n1,\n", /line 2: the label "label" is empty/],
    ["a short row", "a,b,label\n1,2,0\n1,2\n", /line 3: 2 values where the header has 3 columns/],
    ["a long row", "a,label\n1,2,3\n", /line 2: 3 values where the header has 2 columns/],
    ["an open quote", 'a,label\n"1,2\n3,4\n', /Quote Not Closed/],
  ];
  for (const [what, text, message] of wrong) {
    it(`says what is wrong with ${what}`, async () => {
      await assert.rejects(table(text), { name: "UserError", message });
    });
  }

  it("says that a missing file does not exist", async () => {
    await assert.rejects(readTable(at("missing.csv"), "label"), /missing\.csv does not exist/);
  });

  it("lets other events run while it reads, reports its progress, and stops when cancelled", async () => {
    const row = `${Array.from({ length: 50 }, (_, i) => i * 1.5).join(",")},1\n`;
    const header = `${Array.from({ length: 50 }, (_, i) => `c${i}`).join(",")},label\n`;
    await writeFile(at("large.csv"), header + row.repeat(20_000));
    const shares: number[] = [];
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    const { rows } = await readTable(at("large.csv"), "label", { onProgress: (share) => shares.push(share) });
    clearInterval(ticking);
    assert.equal(rows, 20_000);
    assert.ok(turns > 5, `${turns} turns`);
    assert.ok(shares.length > 3 && shares.every((share, i) => share <= 1 && share >= (shares[i - 1] ?? 0)));

    const stop = new AbortController();
    const reading = readTable(at("large.csv"), "label", { signal: stop.signal, onProgress: () => stop.abort() });
    await assert.rejects(reading, { name: "AbortError" });
  });
});
