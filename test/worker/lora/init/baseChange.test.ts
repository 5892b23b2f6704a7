import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { changedWeight, changesBase } from "../../../../src/worker/lora/init/changedWeight";
import { savedInitialization } from "../../../../src/worker/lora/init/registry";
import { DEFAULT_TARGETS, withTargets } from "../../../../src/worker/lora/targets/modelDefaults";
import { pauseFor } from "../../../../src/worker/numbers/algebra/matrix";
import { Random } from "../../../../src/worker/numbers/random";
import { linearAdapters } from "../linearAdapters";

describe("what init_lora_weights does to the base", () => {
  /** The change that loading an adapter with the word makes, by its name; undefined for none. */
  const changeOf = (config: Parameters<typeof loraConfig>[0]): string | undefined => {
    const [adapter] = linearAdapters(loraConfig(config), { path: "fc", inFeatures: 6, outFeatures: 10 });
    const init = savedInitialization(config?.init_lora_weights);
    init.refuse?.(config?.init_lora_weights, adapter!);
    return changesBase(init) ? (JSON.parse(init.name) as string) : undefined;
  };

  /** As PEFT 0.21's from_pretrained does with a layer of 6 inputs and 10 outputs at rank 4. */
  const LOADED: readonly (readonly [word: unknown, change: "pissa" | "olora" | undefined])[] = [
    [undefined, undefined],
    [true, undefined],
    [false, undefined],
    [null, undefined],
    ["", undefined],
    [0, undefined],
    [[], undefined],
    ["gaussian", undefined],
    ["GAUSSIAN", undefined],
    ["eva", undefined],
    ["orthogonal", undefined],
    ["mica", undefined],
    ["MiCA", undefined],
    ["lora_ga", undefined],
    ["pissa", "pissa"],
    ["olora", "olora"],
    ["OLoRA", "olora"],
  ];
  it("is the same as in PEFT, for every value that PEFT loads", () => {
    for (const [word, change] of LOADED) {
      assert.equal(changeOf({ r: 4, init_lora_weights: word }), change, JSON.stringify(word));
    }
  });

  /** What PEFT fails on, but for the random pissa_niter_4, which it loads in another way each time. */
  const REFUSED: readonly (readonly [word: unknown, why: RegExp])[] = [
    ["pissa_niter_4", /randomized SVD.*path_initial_model_for_weight_conversion/],
    ["corda", /data that the adapter does not contain.*path_initial_model_for_weight_conversion/],
    ["loftq", /bitsandbytes.*GPU/],
    ["pissa_foo", /PEFT does not know it\. /],
    ["PiSSA", /PEFT does not know it in this spelling; it knows "pissa"/],
    ["EVA", /it knows "eva"/],
    ["Orthogonal", /it knows "orthogonal"/],
    ["foo", /PEFT does not know it\. To go on, correct it in adapter_config\.json; known are true/],
    ["true", /PEFT does not know it/],
    [1, /PEFT accepts true, false or a string/],
    [["x"], /PEFT accepts true, false or a string/],
  ];
  it("is refused where PEFT fails or it cannot be repeated, with the value, the reason and what to do", () => {
    for (const [word, why] of REFUSED) {
      assert.throws(
        () => changeOf({ r: 4, init_lora_weights: word }),
        (error: unknown) => {
          assert.ok(error instanceof Error && error.name === "UserError", String(error));
          assert.ok(error.message.startsWith(`init_lora_weights is ${JSON.stringify(word)}, `), error.message);
          assert.match(error.message, why);
          assert.match(error.message, /To go on, /);
          return true;
        },
      );
    }
    assert.throws(() => changeOf({ r: 3, init_lora_weights: "orthogonal" }), /needs an even rank.*r is 3/);
    for (const lora_alpha of [0, -4]) {
      const config = { r: 4, lora_alpha, init_lora_weights: "pissa" };
      assert.throws(() => changeOf(config), /takes their roots and gets NaN.*lora_alpha above 0/);
      assert.equal(changeOf({ ...config, init_lora_weights: "olora" }), "olora");
    }
  });

  const random = (rows: number, columns: number) => {
    const from = new Random(5);
    return { rows, columns, data: Float32Array.from({ length: rows * columns }, () => from.normal()) };
  };
  const pause = pauseFor(undefined);
  const change = (kind: "pissa" | "olora", matrix: ReturnType<typeof random>, fanInFanOut = false) => {
    const init = savedInitialization(kind);
    assert.ok(changesBase(init));
    return changedWeight(init, { path: "fc.weight", matrix, fanInFanOut }, { rank: 4, scaling: 1.5 }, pause);
  };

  it("adds up to the original weight with the initial A and B", async () => {
    for (const [kind, fanInFanOut] of [
      ["pissa", false],
      ["pissa", true],
      ["olora", false],
    ] as const) {
      const matrix = random(9, 7);
      const { residual, a, b } = await change(kind, matrix, fanInFanOut);
      let largest = 0;
      for (let i = 0; i < 9; i++) {
        for (let j = 0; j < 7; j++) {
          const [input, output] = fanInFanOut ? [i, j] : [j, i];
          const low = a.reduce((sum, row, k) => sum + b[k]![output]! * row[input]!, 0);
          const sum = residual.data[i * 7 + j]! + 1.5 * low;
          largest = Math.max(largest, Math.abs(low));
          assert.ok(Math.abs(sum - matrix.data[i * 7 + j]!) < 1e-6, `${kind} [${i}, ${j}]`);
        }
      }
      assert.ok(largest > 0.1);
    }
  });

  it("is refused where rounding decides the result, and gets a warning where it nearly does", async () => {
    const diagonal = (values: readonly number[]) => {
      const data = new Float32Array(values.length ** 2);
      for (const [i, value] of values.entries()) data[i * values.length + i] = value;
      return { rows: values.length, columns: values.length, data };
    };
    await assert.rejects(change("pissa", diagonal([9, 8, 7, 5, 5, 1])), {
      name: "UserError",
      message: /singular values 4 and 5 of fc\.weight are equal within float32's rounding/,
    });
    assert.match(
      (await change("pissa", diagonal([9, 8, 7, 5.0003, 5, 1]))).warning!,
      /4 and 5 of fc\.weight differ by/,
    );
    assert.equal((await change("pissa", diagonal([9, 8, 7, 6, 5, 1]))).warning, undefined);
    // Equal ones that are all subtracted, or all zero, leave no doubt.
    assert.equal((await change("pissa", diagonal([5, 5, 5, 5, 2, 2]))).warning, undefined);
    assert.equal((await change("pissa", diagonal([5, 4, 0, 0, 0, 0]))).warning, undefined);
    assert.equal((await change("pissa", diagonal([5, 5, 5, 5]))).warning, undefined);
    const dependent = random(6, 6);
    for (let i = 0; i < 6; i++) dependent.data[i * 6 + 2] = dependent.data[i * 6]! + dependent.data[i * 6 + 1]!;
    await assert.rejects(change("olora", dependent), {
      name: "UserError",
      message: /the first 4 columns of fc\.weight are linearly dependent/,
    });
    const infinite = random(6, 6);
    infinite.data[3] = Infinity;
    for (const kind of ["pissa", "olora"] as const) {
      await assert.rejects(change(kind, infinite), {
        name: "UserError",
        message: /fc\.weight has values that are not/,
      });
    }
  });

  it("is refused for OLoRA on a weight stored [in, out] that is not square: PEFT cannot load it either", async () => {
    await assert.rejects(change("olora", random(6, 8), true), { name: "UserError", message: /stored \[in, out\]/ });
    assert.match((await change("olora", random(6, 6), true)).warning!, /the transpose of the subtracted matrix/);
  });
});

describe("target modules that are null", () => {
  const config = { ...loraConfig(), target_modules: null };

  it("are PEFT's for the model's type", () => {
    const theirs = JSON.parse(readFileSync(join(__dirname, "../../../fixtures/adapters/default_targets.json"), "utf8"));
    assert.deepEqual(DEFAULT_TARGETS, theirs);
    assert.deepEqual(withTargets(config, { className: "M", modelType: "phi" }).target_modules, theirs.phi);
  });

  it("are refused for a model type without a default in PEFT, and for a model without a type", () => {
    for (const modelType of ["vit", "toString"]) {
      assert.throws(() => withTargets(config, { className: "M", modelType }), {
        name: "UserError",
        message: new RegExp(`no default for the model_type "${modelType}" of M\\. Name the layers in target_modules`),
      });
    }
    assert.throws(() => withTargets(config, { className: "M" }), /M has no configuration with a model_type/);
  });
});
