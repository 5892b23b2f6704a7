import { strict as assert } from "node:assert";
import { writeFile } from "node:fs/promises";
import { UserError } from "../../../../../src/worker/formats/errors";
import { dataSourceOf } from "../../../../../src/worker/training/data/registry";
import { temporaryFolder } from "../../../formats/temporaryFolder";

describe("columns of a CSV file", () => {
  const at = temporaryFolder();

  async function columns(text: string): Promise<readonly string[]> {
    await writeFile(at("data.csv"), text);
    return dataSourceOf(at("data.csv")).columns(at("data.csv"));
  }

  it("are those of its first line, with quotes, spaces and a byte order mark taken off", async () => {
    assert.deepEqual(await columns('\uFEFFa, "b,c" ,label\n1,2,3\n'), ["a", "b,c", "label"]);
    assert.deepEqual(await columns("a,b"), ["a", "b"]);
  });

  it("are refused where the first line names fewer than two", async () => {
    for (const text of ["", "a\n1\n"]) {
      await assert.rejects(
        columns(text),
        (e) => e instanceof UserError && /no header line with at least two/.test(e.message),
      );
    }
    await assert.rejects(columns('a,"b\n'), (e) => e instanceof UserError && /cannot read the header/.test(e.message));
    await assert.rejects(
      dataSourceOf(at("none.csv")).columns(at("none.csv")),
      (e) => e instanceof UserError && /cannot read the header .*none\.csv/.test(e.message),
    );
  });

  it("are read from a file with another ending, too, as CSV", async () => {
    await writeFile(at("table.txt"), "a,b\n1,2\n");
    assert.deepEqual(await dataSourceOf(at("table.txt")).columns(at("table.txt")), ["a", "b"]);
  });
});
