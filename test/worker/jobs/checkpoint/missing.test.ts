import assert from "node:assert/strict";
import { inModules, sortMissing } from "../../../../src/worker/jobs/checkpoint/missing";
import type { ParameterInfo } from "../../../../src/worker/readers/model";

const entry = (path: string, more: Partial<ParameterInfo> = {}): ParameterInfo => ({
  path,
  shape: [1],
  dtype: "float32",
  buffer: false,
  initializer: { kind: "constant", value: 0 },
  ...more,
});

const BERT = [
  "bert.embeddings.weight",
  "bert.encoder.layer.0.query.weight",
  "bert.encoder.layer.0.query.bias",
  "bert.encoder.layer.1.query.weight",
  "bert.encoder.layer.1.query.bias",
  "bert.pooler.dense.weight",
  "bert.pooler.dense.bias",
  "classifier.weight",
  "classifier.bias",
].map((path) => entry(path));

const sorted = (
  missing: readonly string[],
  { entries = BERT, base = "bert", allowed = [] as readonly string[] } = {},
) => sortMissing(entries, new Set(missing), base, allowed);

describe("tensors that may be missing from weights", () => {
  const head = ["classifier.weight", "classifier.bias"];
  const pooler = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"];

  it("include a head that is missing as a whole", () => {
    assert.deepEqual(sorted(head), { lacking: [], initialized: head });
  });

  it("include the base model's last module, if only a head follows that is missing, too", () => {
    assert.deepEqual(sorted([...pooler, ...head]), { lacking: [], initialized: [...pooler, ...head] });
    assert.deepEqual(sorted(pooler).lacking, pooler, "the classifier that is there was trained on another pooler");
    assert.deepEqual(sorted([...pooler, ...head], { base: "" }).lacking, pooler);
  });

  it("do not include part of a head, a layer of a list, or anything before existing tensors", () => {
    assert.deepEqual(sorted(["classifier.bias"]), { lacking: ["classifier.bias"], initialized: [] });
    const layer = ["bert.encoder.layer.1.query.weight", "bert.encoder.layer.1.query.bias"];
    assert.deepEqual(sorted([...layer, ...head]).lacking, layer);
    assert.deepEqual(sorted(["bert.embeddings.weight"]).lacking, ["bert.embeddings.weight"]);
  });

  it("are less than half of a model: weights with less belong to another model", () => {
    const entries = ["embed.weight", "layers.0.weight", "layers.1.weight"].map((path) => entry(path));
    const layers = ["layers.0.weight", "layers.1.weight"];
    assert.deepEqual(sorted(layers, { entries, base: "" }).lacking, layers);
  });

  it("include tensors and modules that the user allows, by their full names", () => {
    const missing = ["bert.encoder.layer.0.query.bias", "bert.encoder.layer.1.query.bias"];
    assert.deepEqual(sorted(missing, { allowed: ["bert.encoder.layer.1"] }), {
      lacking: [missing[0]],
      initialized: [missing[1]],
    });
    assert.deepEqual(sorted(missing, { allowed: ["bert.encoder.layer.1.query.b"] }).lacking, missing);
  });

  it("include buffers that the model computes, but not a normalization's statistics", () => {
    const entries = [
      entry("fc.weight"),
      entry("mask", { buffer: true }),
      entry("norm.running_mean", { buffer: true }),
      entry("norm.num_batches_tracked", { buffer: true }),
      entry("out.weight"),
    ];
    const missing = ["mask", "norm.running_mean", "norm.num_batches_tracked"];
    assert.deepEqual(sorted(missing, { entries }), { lacking: ["norm.running_mean"], initialized: [] });
  });

  it("are reported by module where a whole module is missing", () => {
    const all = BERT.map(({ path }) => path);
    assert.deepEqual(inModules([...pooler, ...head], all), ["bert.pooler", "classifier"]);
    assert.deepEqual(inModules(["classifier.bias"], all), ["classifier.bias"]);
    assert.deepEqual(inModules(["bert.encoder.layer.0.query.bias", ...pooler], all), [
      "bert.encoder.layer.0.query.bias",
      "bert.pooler",
    ]);
  });
});
