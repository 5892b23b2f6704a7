import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SizesRequest } from "../../../../src/protocol/reports/sizes";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { KNOWN_MODELS } from "../../../../src/worker/jobs/sizes/known";
import { sizes } from "../../../../src/worker/jobs/sizes/sizes";

const ROOT = join(__dirname, "../../../..");
const FIXTURES = join(ROOT, "test/fixtures/sizes");
const signal = new AbortController().signal;
const context: JobContext = { onProgress: () => {}, signal, stop: signal };
const compare = (request: Omit<SizesRequest, "kind"> = {}) => sizes({ kind: "sizes", ...request }, context);

interface PeftCount {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly rank: number;
  readonly layer: number;
  readonly trainable: number;
  readonly total: number;
  readonly scaling: number;
  readonly adapterBytes: number;
  readonly momentBytes: number;
}

describe("the comparison of layer sizes", () => {
  for (const bias of [true, false]) {
    it(`counts 25 of 25 layers ${bias ? "with" : "without"} a bias as PEFT counts them`, async () => {
      const counts: PeftCount[] = JSON.parse(await readFile(join(FIXTURES, "counts.json"), "utf8"));
      const { rows } = await compare({ alpha: 16, ...(!bias && { bias }) });
      const expected = counts.filter((row) => row.bias === bias);
      assert.equal(expected.length, 25);
      assert.deepEqual(
        rows.map((row) => ({
          inFeatures: row.inFeatures,
          outFeatures: row.outFeatures,
          bias: row.bias,
          rank: row.rank,
          layer: row.parameters,
          trainable: row.loraParameters,
          total: row.parameters + row.loraParameters,
          scaling: row.scaling,
          adapterBytes: row.adapterBytes,
          momentBytes: row.optimizerBytes,
        })),
        expected,
      );
    });
  }

  it("gives what the formula r · (in + out) gives at every size and rank", async () => {
    const { rows } = await compare();
    assert.equal(rows.length, 25);
    for (const row of rows) {
      const { inFeatures, outFeatures, rank } = row;
      const lora = rank * (inFeatures + outFeatures);
      const full = inFeatures * outFeatures + outFeatures;
      assert.equal(row.loraParameters, lora);
      assert.equal(row.parameters, full);
      assert.equal(row.parametersWithBias, full);
      assert.equal(row.parametersWithoutBias, inFeatures * outFeatures);
      assert.equal(row.reduction, full / lora);
      assert.equal(row.adapterBytes, 4 * lora);
      assert.equal(row.adapterBytesHalf, 2 * lora);
      assert.equal(row.optimizerBytes, 8 * lora);
      assert.equal(row.breakEvenRank, full / (inFeatures + outFeatures));
      assert.equal(row.alpha, 2 * rank);
      assert.equal(row.scaling, 2);
    }
  });

  it("draws each size's curve to beyond its break-even rank", async () => {
    const report = await compare();
    for (const { curve, breakEvenRank, parameters, inFeatures, outFeatures } of report.sizes) {
      assert.equal(curve[0]!.rank, 1);
      assert.ok(curve.at(-1)!.rank > breakEvenRank);
      assert.ok(curve.at(-1)!.loraParameters > parameters);
      for (const { rank, loraParameters } of curve) assert.equal(loraParameters, rank * (inFeatures + outFeatures));
    }
  });

  it("gives a scale that is proportional to alpha", async () => {
    const { ranks, rows } = await compare({ alpha: 24, ranks: [8, 3] });
    assert.deepEqual(
      ranks.map(({ rank }) => rank),
      [3, 8],
    );
    for (const { rank, scalingPerAlpha } of ranks) assert.equal(24 * scalingPerAlpha, 24 / rank);
    for (const row of rows) assert.equal(row.scaling, 24 / row.rank);
  });

  it("knows the layer sizes of models as transformers builds them", async () => {
    const expected: Record<string, readonly { readonly layers: number }[]> = JSON.parse(
      await readFile(join(FIXTURES, "known.json"), "utf8"),
    );
    assert.deepEqual(KNOWN_MODELS.map(({ id }) => id).sort(), Object.keys(expected).sort());
    for (const { id } of KNOWN_MODELS) {
      const report = await compare({ known: [id], ranks: [8] });
      const found = report.sizes.map(({ inFeatures, outFeatures, bias, layers }) => ({
        inFeatures,
        outFeatures,
        bias,
        layers,
      }));
      const order = (a: (typeof found)[number], b: (typeof found)[number]) =>
        a.inFeatures - b.inFeatures || a.outFeatures - b.outFeatures || Number(a.bias) - Number(b.bias);
      assert.deepEqual(found.sort(order), expected[id], id);
    }
  });

  it("takes the sizes of a model's layers, equal ones together", async () => {
    const file = join(ROOT, "examples/transformer/model.py");
    const report = await compare({ model: { file, class: "SmallTransformer" }, ranks: [8] });
    assert.ok(report.sizes.length > 0 && report.sizes.length < 8, `${report.sizes.length} sizes`);
    const keys = report.sizes.map(({ inFeatures, outFeatures, bias }) => `${inFeatures} ${outFeatures} ${bias}`);
    assert.equal(new Set(keys).size, keys.length);
    for (const { name, layers } of report.sizes) {
      assert.match(name!, /^SmallTransformer /);
      assert.ok(layers! >= 1);
    }
  });

  it("compares the common sizes beside others only when asked to", async () => {
    const one = [{ inFeatures: 10, outFeatures: 20 }];
    assert.equal((await compare({ sizes: one })).sizes.length, 1);
    assert.equal((await compare({ sizes: one, common: true })).sizes.length, 6);
    assert.equal((await compare({ sizes: [...one, ...one] })).sizes.length, 1);
  });

  it("says what is wrong with a size, a rank, an alpha and a model's name", async () => {
    const size = (inFeatures: number, outFeatures: number) => compare({ sizes: [{ inFeatures, outFeatures }] });
    await assert.rejects(size(0, 8), /two whole numbers from 1 to 16,777,216, .* not 0 and 8/);
    await assert.rejects(size(2.5, 8), /not 2\.5 and 8/);
    await assert.rejects(compare({ ranks: [0] }), /ranks must be/);
    await assert.rejects(compare({ alpha: 0 }), /alpha must be a number above 0/);
    await assert.rejects(compare({ known: ["llama-9"] }), /no known model is called "llama-9"; there are bert-base, /);
    const many = Array.from({ length: 65 }, (_, i) => ({ inFeatures: i + 1, outFeatures: 1 }));
    await assert.rejects(compare({ sizes: many }), /65 sizes are too many/);
  });
});
