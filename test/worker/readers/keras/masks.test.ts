import assert from "node:assert/strict";
import { openKerasJson } from "../../../../src/worker/readers/keras/reader";
import { chooseModel } from "../../../../src/worker/readers/open";

const embed = (mask: boolean) => ({
  class_name: "Embedding",
  config: { name: "embed", input_dim: 9, output_dim: 4, mask_zero: mask, batch_input_shape: [null, 6] },
});
const layer = (kind: string, config: object = {}) => ({
  class_name: kind,
  config: { name: kind.toLowerCase(), ...config },
});

function ops(training: boolean, ...layers: object[]): string[] {
  const text = JSON.stringify({ class_name: "Sequential", config: { name: "net", layers } });
  return chooseModel(openKerasJson("model.json", text))
    .trace({ training })
    .graph.nodes.map((n) => n.op);
}

describe("masks of Keras files that do not write them out", () => {
  it("reach recurrent layers and pooling through layers that hand them on", () => {
    for (const last of [layer("LSTM", { units: 3 }), layer("GlobalAveragePooling1D")]) {
      const middle = layer("Dense", { units: 4 });
      assert.ok(ops(false, embed(true), middle, last).includes("equal"), JSON.stringify(last));
      assert.ok(!ops(false, embed(false), middle, last).includes("equal"));
    }
  });

  it("end at a layer that does not hand them on", () => {
    const reshape = layer("Reshape", { target_shape: [3, 8] });
    assert.ok(!ops(false, embed(true), reshape, layer("LSTM", { units: 3 })).includes("equal"));
  });

  it("are refused where a layer uses them in an unsupported way", () => {
    assert.throws(() => ops(false, embed(true), layer("Softmax")), /the mask of its input .* is not supported/);
  });
});

describe("noise layers", () => {
  it("pass their input on at inference and say that training has no noise", () => {
    for (const [kind, config] of [
      ["GaussianNoise", { stddev: 0.1 }],
      ["GaussianDropout", { rate: 0.1 }],
      ["AlphaDropout", { rate: 0.1 }],
    ] as const) {
      assert.deepEqual(ops(false, embed(false), layer(kind, config)), ops(false, embed(false)));
      assert.throws(() => ops(true, embed(false), layer(kind, config)), /noise in training is not supported/);
    }
  });

  it("drop whole channels in SpatialDropout", () => {
    assert.deepEqual(ops(true, embed(false), layer("SpatialDropout1D", { rate: 0.5 })).slice(-3), [
      "constant",
      "dropout",
      "mul",
    ]);
  });
});
