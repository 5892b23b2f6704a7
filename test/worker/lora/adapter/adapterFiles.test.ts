import assert from "node:assert/strict";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { convert } from "../../../../src/worker/formats/convert";
import { readHeader, readTensors, writeSafetensors } from "../../../../src/worker/formats/safetensors";
import { float32 } from "../../../../src/worker/formats/tensor";
import { checkAdapter, loadAdapter, saveAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { loraConfig } from "../../../../src/worker/lora/config/config";
import { initializeAdapter } from "../../../../src/worker/lora/init/initialize";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { linearAdapters } from "../linearAdapters";

/** Written by PEFT's save_pretrained after 100 steps (test/fixtures/training/make_parity.py). */
const REFERENCE = path.join(__dirname, "../../../fixtures/training/mlp-adam/final");
const TARGETS = [
  { path: "fc1", inFeatures: 20, outFeatures: 32 },
  { path: "fc2", inFeatures: 32, outFeatures: 32 },
];

const adapters = (config = loraConfig({ r: 4 })) => linearAdapters(config, ...TARGETS);

describe("adapter files", () => {
  const at = temporaryFolder();

  it("loads what PEFT saved", async () => {
    const adapter = await loadAdapter(REFERENCE);
    assert.equal(adapter.config.r, 4);
    assert.equal(adapter.config.lora_alpha, 8);
    assert.deepEqual([...adapter.config.target_modules!].sort(), ["fc1", "fc2"]);
    assert.deepEqual([...adapter.tensors.keys()].sort(), [
      "fc1.lora_A.weight",
      "fc1.lora_B.weight",
      "fc2.lora_A.weight",
      "fc2.lora_B.weight",
    ]);
    checkAdapter(adapter, adapters());
    assert.ok((adapter.tensors.get("fc2.lora_B.weight")!.data as Float32Array).some((x) => x !== 0));
  });

  it("saves what it loaded: the same values exactly, and every field", async () => {
    const adapter = await loadAdapter(REFERENCE);
    const files = await saveAdapter(at("new/folder"), adapter.config, adapter.tensors);
    assert.deepEqual((await readdir(at("new/folder"))).sort(), ["adapter_config.json", "adapter_model.safetensors"]);
    assert.equal(files.length, 2);
    const ours = JSON.parse(await readFile(files[0]!, "utf8"));
    const theirs = JSON.parse(await readFile(path.join(REFERENCE, "adapter_config.json"), "utf8"));
    assert.deepEqual(ours, theirs);
    assert.deepEqual(Object.keys(ours), Object.keys(theirs));
    const [saved, reference] = [
      await readHeader(files[1]!),
      await readHeader(path.join(REFERENCE, "adapter_model.safetensors")),
    ];
    assert.deepEqual(saved.metadata, reference.metadata);
    assert.deepEqual(await readTensors(saved.tensors), await readTensors(reference.tensors));
    assert.deepEqual(await loadAdapter(at("new/folder")), { ...adapter, file: files[1] });
  });

  it("saves a new adapter under PEFT's keys, sorted fields, two spaces", async () => {
    const config = loraConfig({ r: 4, target_modules: ["fc1"], ...{ zz_future: { b: 1, a: [2] } } });
    const [configuration, weights] = await saveAdapter(
      at("out"),
      config,
      await initializeAdapter(adapters(config).slice(0, 1), true, 0),
    );
    const { tensors, metadata } = await readHeader(weights!);
    assert.deepEqual([...tensors.keys()], ["base_model.model.fc1.lora_A.weight", "base_model.model.fc1.lora_B.weight"]);
    assert.deepEqual(metadata, { format: "pt" });
    const text = await readFile(configuration!, "utf8");
    const fields = text.match(/^ {2}"\w+"/gm)!;
    assert.deepEqual(fields, [...fields].sort());
    assert.match(text, / {2}"zz_future": \{\n {4}"a": \[\n {6}2\n/);
    const again = await loadAdapter(at("out"));
    assert.deepEqual((again.config as unknown as Record<string, unknown>).zz_future, { a: [2], b: 1 });
  });

  it('writes the layers that "all-linear" stood for', async () => {
    const config = loraConfig({ r: 4 });
    assert.equal(config.target_modules, "all-linear");
    await saveAdapter(at("out"), config, await initializeAdapter(adapters(config), true, 0));
    assert.deepEqual((await loadAdapter(at("out"))).config.target_modules, ["fc1", "fc2"]);
  });

  it("accepts keys with the adapter's name inside, and widens half precision", async () => {
    const { tensors } = await loadAdapter(REFERENCE);
    await cp(REFERENCE, at("half"), { recursive: true });
    const renamed = [...tensors].map(([name, tensor]) => {
      const key = `base_model.model.${name.replace(".weight", ".default.weight")}`;
      return [key, convert(tensor, "bfloat16")] as const;
    });
    await writeSafetensors(at("half/adapter_model.safetensors"), new Map(renamed), { format: "pt" });
    const half = await loadAdapter(at("half"));
    checkAdapter(half, adapters());
    const expected = convert(convert(tensors.get("fc1.lora_A.weight")!, "bfloat16"), "float32");
    assert.deepEqual(half.tensors.get("fc1.lora_A.weight"), expected);
  });

  it("names keys that are missing, unexpected or of the wrong shape", async () => {
    const adapter = await loadAdapter(REFERENCE);
    const { tensors } = adapter;
    const without = new Map([...tensors].filter(([name]) => name !== "fc1.lora_B.weight"));
    assert.throws(() => checkAdapter({ ...adapter, tensors: without }, adapters()), {
      name: "UserError",
      message: /it lacks fc1\.lora_B\.weight\. /,
    });
    assert.throws(() => checkAdapter(adapter, adapters().slice(1)), {
      name: "UserError",
      message: /does not have fc1\.lora_A\.weight, fc1\.lora_B\.weight\. /,
    });
    const shaped = new Map([...tensors, ["fc1.lora_A.weight", float32([4, 10], new Float32Array(40))] as const]);
    assert.throws(
      () => checkAdapter({ ...adapter, tensors: shaped }, adapters()),
      /fc1\.lora_A\.weight is \[4, 10\] where \[4, 20\]/,
    );
  });

  const configs: readonly [what: string, fields: object, message: RegExp][] = [
    ["no peft_type", { peft_type: undefined }, /has no "peft_type"/],
    ["another method", { peft_type: "IA3" }, /peft_type "IA3" is not supported; it must be "LORA"/],
    ["rank 0", { r: 0 }, /r is 0; it must be a whole number, 1 or more/],
    ["a rank in quotes", { r: "8" }, /r is "8"/],
    ["alpha null", { lora_alpha: null }, /lora_alpha is null/],
    ["dropout 1", { lora_dropout: 1 }, /lora_dropout is 1; it must be a probability/],
    ["target modules of another type", { target_modules: 3 }, /target_modules is 3/],
    ["DoRA", { use_dora: true }, /use_dora true is not supported/],
    ["a rank pattern", { rank_pattern: { fc1: 2 } }, /rank_pattern \{"fc1":2\} is not supported/],
    ["trained biases", { bias: "all" }, /bias "all" is not supported/],
  ];
  for (const [what, fields, message] of configs) {
    it(`refuses a configuration with ${what}`, async () => {
      await cp(REFERENCE, at("adapter"), { recursive: true });
      const file = at("adapter/adapter_config.json");
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...fields }));
      await assert.rejects(loadAdapter(at("adapter")), { name: "UserError", message });
    });
  }

  it("takes PEFT's defaults for fields that are not there", async () => {
    await cp(REFERENCE, at("adapter"), { recursive: true });
    await writeFile(at("adapter/adapter_config.json"), '{"peft_type":"LORA","target_modules":["fc1","fc2"]}');
    const { config } = await loadAdapter(at("adapter"));
    assert.deepEqual([config.r, config.lora_alpha, config.lora_dropout, config.bias], [8, 8, 0, "none"]);
  });

  it("names the missing file in a folder without an adapter", async () => {
    await assert.rejects(loadAdapter(at("none")), /adapter_config\.json does not exist/);
    await cp(path.join(REFERENCE, "adapter_config.json"), at("adapter/adapter_config.json"));
    await assert.rejects(
      loadAdapter(at("adapter")),
      /holds no adapter weights: neither adapter_model\.safetensors nor adapter_model\.bin/,
    );
  });

  it("refuses weights that are no adapter's", async () => {
    await cp(REFERENCE, at("adapter"), { recursive: true });
    await cp(path.join(REFERENCE, "../base.safetensors"), at("adapter/adapter_model.safetensors"));
    await assert.rejects(
      loadAdapter(at("adapter")),
      /does not begin with "base_model\.model\."; it is not a PEFT adapter/,
    );
  });
});
