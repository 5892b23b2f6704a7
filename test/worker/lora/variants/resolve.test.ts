import assert from "node:assert/strict";
import { sizeOf } from "../../../../src/worker/formats/tensor";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { breakEvenRank, layerCost, trainedNames } from "../../../../src/worker/lora/variants/costs";
import { VARIANTS } from "../../../../src/worker/lora/variants/registry";
import { resolve, resolveAll } from "../../../../src/worker/lora/variants/resolve";

const FC = { path: "fc", kind: "Linear", inFeatures: 768, outFeatures: 3072, bias: true };

describe("a layer's settings by a configuration", () => {
  it("are rank, alpha, dropout and the scaling alpha / r, or alpha / sqrt(r) with rsLoRA", () => {
    const { layer, rank, alpha, scaling, dropout } = resolve(
      loraConfig({ r: 16, lora_alpha: 8, lora_dropout: 0.1 }),
      FC,
    );
    assert.deepEqual(
      { layer, rank, alpha, scaling, dropout },
      { layer: FC, rank: 16, alpha: 8, scaling: 0.5, dropout: 0.1 },
    );
    assert.equal(resolve(loraConfig({ r: 16, lora_alpha: 8, use_rslora: true }), FC).scaling, 2);
  });

  it("include the variant for the configuration's fields, or are refused if there is none", () => {
    assert.equal(resolve(loraConfig(), FC).variant.name, "LoRA");
    assert.equal(resolve(loraConfig({ alpha_pattern: {}, layers_to_transform: null }), FC).variant.name, "LoRA");
    assert.throws(() => resolve(loraConfig({ use_dora: true }), FC), {
      name: "UserError",
      message: "use_dora true is not supported; without it the adapter would compute something else",
    });
    assert.throws(() => resolve(loraConfig({ bias: "all" }), FC), { name: "UserError", message: /^bias "all" is not/ });
    assert.throws(() => resolve(loraConfig(), { ...FC, kind: "Conv2d" }), {
      name: "UserError",
      message: /fc is a Conv2d, for which there is no adapter/,
    });
    // Hugging Face's Conv1D is linear.
    const turned = { ...FC, kind: "Conv1D", weight: { path: "fc.weight", fanInFanOut: true } };
    assert.equal(resolve(loraConfig(), turned).variant.name, "LoRA");
  });

  it("have the cost of the trained tensors", () => {
    const config = loraConfig({ r: 8 });
    assert.deepEqual(layerCost(FC, config), { full: 2_362_368, lora: 30_720, reduction: 2_362_368 / 30_720 });
    assert.equal(breakEvenRank(FC, config), 2_362_368 / 3840);
    assert.deepEqual(trainedNames(resolveAll(config, [FC])), ["fc.lora_A.weight", "fc.lora_B.weight"]);
  });
});

describe("every variant for linear layers", () => {
  for (const variant of VARIANTS.filter((one) => one.adapts(FC))) {
    it(`${variant.name} names its tensors within its layer, and has A and B of the rank where it has them`, () => {
      const fields = Object.fromEntries(variant.fields.map((field) => [field, true]));
      const adapter = { ...resolve(loraConfig({ r: 4, ...fields }), FC), rank: 4 };
      const tensors = adapter.variant.tensors(adapter);
      assert.equal(adapter.variant, variant);
      assert.ok(tensors.some(({ trained }) => trained));
      for (const { name, shape, factor, initial } of tensors) {
        assert.match(name, /^fc\.lora_/);
        assert.ok(factor !== undefined || initial !== undefined, `nothing says how ${name} begins`);
        if (factor) assert.equal(sizeOf(shape) % 4, 0);
      }
    });
  }
});
