import { strict as assert } from "node:assert";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { sizesCsv } from "../../../../src/worker/jobs/sizes/csv";
import { sizes } from "../../../../src/worker/jobs/sizes/sizes";

const signal = new AbortController().signal;
const context: JobContext = { onProgress: () => {}, signal, stop: signal };
const csv = async (name: string) =>
  sizesCsv(await sizes({ kind: "sizes", sizes: [{ name, inFeatures: 3, outFeatures: 5 }], ranks: [2] }, context));

describe("the table of sizes as CSV", () => {
  it("has a header and a line for each row, named as in JSON", async () => {
    const [head, row, end] = (await csv("mine")).split("\r\n");
    assert.ok(head!.startsWith("name,layers,inFeatures,outFeatures,bias,rank,"));
    // 20 scalars of the layer, 16 of its adapter.
    assert.equal(row, "mine,,3,5,true,2,4,2,20,15,20,16,1.25,64,32,128,2.5");
    assert.equal(end, "");
  });

  it("quotes names with commas and quotes, and no name starts a formula", async () => {
    assert.match(await csv('a, "b"'), /\r\n"a, ""b""",,3,5/);
    assert.match(await csv("=1+1"), /\r\n'=1\+1,,3,5/);
  });
});
