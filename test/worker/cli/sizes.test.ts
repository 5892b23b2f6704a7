import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import type { SizesReport } from "../../../src/protocol/reports/sizes";
import { temporaryFolder } from "../formats/temporaryFolder";
import { DIGITS, invoke, json } from "./invoke";

describe("lora-lens sizes", () => {
  const at = temporaryFolder();

  it("prints five sizes at five ranks as JSON, with a bias", async () => {
    const { rows } = await json<SizesReport>("sizes");
    assert.equal(rows.length, 25);
    const { inFeatures, outFeatures, bias, rank, parameters, loraParameters, reduction, adapterBytes, breakEvenRank } =
      rows[1]!;
    assert.deepEqual(
      { inFeatures, outFeatures, bias, rank, parameters, loraParameters, reduction, adapterBytes, breakEvenRank },
      {
        inFeatures: 768,
        outFeatures: 768,
        bias: true,
        rank: 8,
        parameters: 590_592,
        loraParameters: 12_288,
        reduction: 48.0625,
        adapterBytes: 49_152,
        breakEvenRank: 384.5,
      },
    );
  });

  it("takes sizes, ranks, known models and a model's own sizes", async () => {
    const sizes = await json<SizesReport>("sizes", "--size", "10x20", "--size", "30×40", "--ranks", "2,1", "--no-bias");
    assert.deepEqual(
      sizes.rows.map((row) => [row.inFeatures, row.outFeatures, row.rank, row.bias, row.parameters]),
      [
        [10, 20, 1, false, 200],
        [10, 20, 2, false, 200],
        [30, 40, 1, false, 1200],
        [30, 40, 2, false, 1200],
      ],
    );
    const known = await json<SizesReport>("sizes", "--known", "llama-2-7b,gpt2", "--ranks", "8");
    assert.deepEqual(
      known.sizes.map(({ inFeatures, outFeatures, bias, layers }) => [inFeatures, outFeatures, bias, layers]),
      [
        [4096, 4096, false, 128],
        [4096, 11008, false, 64],
        [11008, 4096, false, 32],
        [768, 2304, true, 12],
        [768, 768, true, 12],
        [768, 3072, true, 12],
        [3072, 768, true, 12],
      ],
    );
    const model = await json<SizesReport>("sizes", "--model-sizes", DIGITS, "--common", "--ranks", "8");
    assert.equal(model.rows.length, 5 + 3);
    assert.equal(model.rows[5]!.name, "DigitClassifier fc1");
  });

  it("prints a table and writes it as CSV", async () => {
    const { code, out, error } = await invoke("sizes", "--csv", at("sizes.csv"));
    assert.deepEqual({ code, error }, { code: 0, error: "" });
    assert.match(out, /BERT-base attention +768 → 768 +yes +8 +590,592 +12,288 +48\.1× +2 +48\.0 KiB/);
    const lines = (await readFile(at("sizes.csv"), "utf8")).trimEnd().split("\r\n");
    assert.equal(lines.length, 26);
    assert.match(lines[2]!, /^BERT-base attention,,768,768,true,8,16,2,590592,/);
  });

  it("refuses a size that is none", async () => {
    const { code, out, error } = await invoke("sizes", "--size", "768");
    assert.deepEqual({ code, out }, { code: 2, out: "" });
    assert.match(error, /it must be inputs and outputs, such as 768x3072/);
  });
});
