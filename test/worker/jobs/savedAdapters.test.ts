import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyReport } from "../../../src/protocol/reports";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { UserError } from "../../../src/worker/formats/errors";
import { readNpz, writeNpz } from "../../../src/worker/formats/numpy/npz";
import { loadTensor, readHeader, readTensors, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../src/worker/formats/tensor";
import { openAdapter } from "../../../src/worker/jobs/adapter";
import { merge } from "../../../src/worker/jobs/export/merge";
import { openModel } from "../../../src/worker/jobs/opened";
import { verify } from "../../../src/worker/jobs/verify/verify";
import { loadAdapter } from "../../../src/worker/lora/adapter/adapterFiles";
import { adapterIn } from "../../../src/worker/server/savedAdapter";
import { temporaryFolder } from "../formats/temporaryFolder";
import { runForward } from "./forward/runForward";

/** Adapters that PEFT saved, and what it computes after loading them (test/fixtures/adapters/make_adapters.py). */
const FOLDER = join(__dirname, "../../fixtures/adapters");
const FILE = join(FOLDER, "model.py");

const CLASSES: Readonly<Record<string, string>> = {
  mlp: "Mlp",
  old: "Mlp",
  half: "HalfMlp",
  block: "Block",
  typed: "Typed",
  untied: "LanguageModel",
  tied: "TiedLanguageModel",
};
const CASES = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && Object.hasOwn(CLASSES, entry.name.split("-")[0]!))
  .map(({ name }) => ({ name, className: CLASSES[name.split("-")[0]!]! }));

const never = new AbortController().signal;
const CONTEXT = { onProgress: () => {}, signal: never, stop: never };

/** A few roundings of values of this size: float32's 6e-8 or float16's 5e-4 each. */
const TOLERANCE = { float32: 1e-5, float16: 2e-3 } as const;

function near(found: Tensor, expected: Tensor, what: string): void {
  assert.deepEqual(found.shape, expected.shape, what);
  const [x, y] = [toFloat32(found), toFloat32(expected)];
  const bound = TOLERANCE[expected.dtype as keyof typeof TOLERANCE] * Math.max(1, ...y.map(Math.abs));
  x.forEach((value, i) => {
    assert.ok(Math.abs(value - y[i]!) <= bound, `${what}[${i}] is ${value}, PEFT's is ${y[i]}`);
  });
}

describe("adapters that PEFT saved", () => {
  const at = temporaryFolder();
  let expected: ReadonlyMap<string, Tensor>;
  before(async () => {
    expected = await readTensors((await readHeader(join(FOLDER, "expected.safetensors"))).tensors);
  });

  const strip = (prefix: string) =>
    new Map([...expected].filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]));
  const modelOf = (className: string) => ({
    file: FILE,
    class: className,
    weights: join(FOLDER, `${className}.safetensors`),
  });

  it("are all there", () => {
    assert.ok(CASES.length >= 29, String(CASES.length));
  });

  for (const { name, className } of CASES) {
    it(`${name}: run gives PEFT's output`, async () => {
      await writeNpz(at("inputs.npz"), strip(`${name}/input/`));
      await runForward({
        model: modelOf(className),
        adapterFolder: join(FOLDER, name),
        inputs: at("inputs.npz"),
        output: at("output.npz"),
      });
      near((await readNpz(at("output.npz"))).get("output")!, expected.get(`${name}/output`)!, "output");
    });

    it(`${name}: merge gives PEFT's merged weights`, async () => {
      const job = merge(
        {
          kind: "merge",
          model: modelOf(className),
          adapterFolder: join(FOLDER, name),
          output: at("merged.safetensors"),
        },
        CONTEXT,
      );
      if (className === "TiedLanguageModel") {
        await assert.rejects(job, /share one tensor; merging the adapter into it would change both/);
        return;
      }
      await job;
      const merged = await readTensors((await readHeader(at("merged.safetensors"))).tensors);
      const theirs = strip(`${name}/merged/`);
      assert.deepEqual([...merged.keys()].sort(), [...theirs.keys()].sort());
      for (const [path, tensor] of theirs) {
        assert.equal(merged.get(path)!.dtype, tensor.dtype, path);
        near(merged.get(path)!, tensor, path);
      }
    });
  }
});

describe("opening a saved adapter", () => {
  const at = temporaryFolder();
  const model = { file: FILE, class: "Mlp", weights: join(FOLDER, "Mlp.safetensors") };

  /** A copy of a fixture's adapter with other fields and other tensors. */
  async function copy(name: string, fields: object, change: (key: string) => string = (key) => key): Promise<string> {
    const folder = at("adapter");
    await cp(join(FOLDER, name), folder, { recursive: true });
    const file = join(folder, "adapter_config.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...fields }));
    const weights = join(folder, "adapter_model.safetensors");
    const tensors = await readTensors((await readHeader(weights)).tensors);
    await writeSafetensors(weights, new Map([...tensors].map(([key, t]) => [change(key), t])), { format: "pt" });
    return folder;
  }

  const jobs = (adapterFolder: string): readonly (readonly [name: string, job: () => Promise<unknown>])[] => [
    ["run", () => runForward({ model, adapterFolder, inputs: at("x.npz"), output: at("y.npz") })],
    ["merge", () => merge({ kind: "merge", model, adapterFolder, output: at("m.safetensors") }, CONTEXT)],
    ["verify", () => verify({ kind: "verify", model, adapter: {}, adapterFolder, engine: "onnxruntime-cpu" }, CONTEXT)],
  ];

  it("run, merge and verify refuse the same values of init_lora_weights with the same message", async () => {
    const x = float32([1, 12], new Float32Array(12));
    await writeNpz(at("x.npz"), new Map([["x", x]]));
    for (const word of ["pissa_niter_16", "corda", "loftq", "kaiming"]) {
      const folder = await copy("mlp-true", { init_lora_weights: word });
      const note = new Set<string>();
      for (const [, job] of jobs(folder)) {
        await assert.rejects(job(), (error: unknown) => {
          assert.ok(error instanceof UserError);
          note.add(error.message);
          return true;
        });
      }
      assert.equal(note.size, 1, word);
      assert.ok([...note][0]!.startsWith(`init_lora_weights is "${word}", `));
    }
    const mica = await copy("mlp-high-rank", { init_lora_weights: "mica" });
    for (const [, job] of jobs(mica)) await assert.rejects(job(), /a rank of at most 12 for fc1, not 24/);
  });

  it("verify passes with PEFT's changed base, and starts from the given base", async () => {
    for (const name of ["mlp-pissa", "mlp-olora-negative", "mlp-mica", "mlp-orthogonal", "mlp-eva", "mlp-lora-ga"]) {
      const [, job] = jobs(join(FOLDER, name))[2]!;
      const report = (await job()) as VerifyReport;
      assert.deepEqual(
        report.checks.filter((check) => !check.passed).map((check) => check.id),
        [],
        name,
      );
    }
  });

  it("warns of LoRA-GA, tied weights and OLoRA's transposed start", async () => {
    const warningsOf = async (name: string, className: string) => {
      const opened = await openModel({
        file: FILE,
        class: className,
        weights: join(FOLDER, `${className}.safetensors`),
      });
      return (await openAdapter(opened, join(FOLDER, name))).injection.warnings ?? [];
    };
    assert.match((await warningsOf("mlp-lora-ga", "Mlp"))[0]!, /^init_lora_weights is "lora_ga": as in PEFT/);
    assert.match(
      (await warningsOf("tied-pissa", "TiedLanguageModel")).at(-1)!,
      /^embed_tokens\.weight and lm_head\.weight share/,
    );
    assert.match((await warningsOf("block-olora", "Block"))[0]!, /^c_square\.weight is stored \[in, out\]/);
    assert.deepEqual(await warningsOf("mlp-pissa", "Mlp"), []);
  });

  it("refuses to decompose a base of another dtype, as PEFT does", async () => {
    const source = (await readFile(FILE, "utf8")).replaceAll("torch.float16", "torch.float64");
    await writeFile(at("double.py"), source);
    const opened = await openModel({ file: at("double.py"), class: "HalfMlp" });
    await assert.rejects(openAdapter(opened, join(FOLDER, "half-pissa")), {
      name: "UserError",
      message: /fc1\.weight is float64; PEFT decomposes only float32, float16 and bfloat16 weights/,
    });
  });

  it("ends when it is aborted, and reports the weight that it is at", async () => {
    const opened = await openModel(model);
    const aborted = new AbortController();
    const note: string[] = [];
    const job = openAdapter(opened, join(FOLDER, "mlp-pissa"), {
      signal: aborted.signal,
      onProgress: (_, message) => {
        note.push(message);
        aborted.abort();
      },
    });
    await assert.rejects(job, { name: "AbortError" });
    assert.deepEqual(note, ['Changing base weight 1 of 2 for "pissa": fc1.weight']);
  });

  it("reads adapter_model.bin only without an adapter_model.safetensors, and merge recognizes it", async () => {
    const both = await copy("mlp-true", {});
    await cp(join(FOLDER, "old-format/adapter_model.bin"), join(both, "adapter_model.bin"));
    assert.equal((await loadAdapter(both)).file, join(both, "adapter_model.safetensors"));

    const adapterFolder = join(FOLDER, "old-format");
    const once = await merge({ kind: "merge", model, adapterFolder, output: at("once.safetensors") }, CONTEXT);
    assert.equal(once.merged.length, 2);
    const again = { ...model, weights: at("once.safetensors") };
    await assert.rejects(
      merge({ kind: "merge", model: again, adapterFolder, output: at("twice.safetensors") }, CONTEXT),
      /has this adapter merged into it already/,
    );
    // The same tensors under other bytes are another adapter.
    await merge({ kind: "merge", model: again, adapterFolder: both, output: at("twice.safetensors") }, CONTEXT);
    assert.ok((await adapterIn(adapterFolder))!.trained);
  });

  it("names tensors of the base that are not in the model or have another shape", async () => {
    const language = await openModel({
      file: FILE,
      class: "LanguageModel",
      weights: join(FOLDER, "LanguageModel.safetensors"),
    });
    const misnamed = await copy("untied-head", {}, (key) => key.replace(".base_layer.", ".base."));
    await assert.rejects(openAdapter(language, misnamed), /the model does not have lm_head\.base\.weight\. /);
    // A target's own tensors lie in its base_layer; PEFT ignores them anywhere else.
    const shallow = await copy("untied-head", {}, (key) => key.replace(".base_layer.", "."));
    await assert.rejects(openAdapter(language, shallow), /the model does not have lm_head\.weight\. /);
    const swapped = await copy("untied-embeddings", {}, (key) =>
      key.includes("lm_head") ? key.replace("lm_head", "mix") : key,
    );
    await assert.rejects(openAdapter(language, swapped), /does not have mix\.weight/);
    const other = await copy("untied-head", {}, (key) => key.replace("lora_A.", "lora_A.other."));
    await assert.rejects(
      openAdapter(language, other),
      /it lacks lm_head\.lora_A\.weight; the model does not have lm_head\.lora_A\.other\.weight/,
    );
    const resized = await copy("untied-embeddings", {});
    const weights = join(resized, "adapter_model.safetensors");
    const tensors = await readTensors((await readHeader(weights)).tensors);
    tensors.set("base_model.model.embed_tokens.weight", float32([15, 8], new Float32Array(120)));
    await writeSafetensors(weights, tensors, { format: "pt" });
    await assert.rejects(openAdapter(language, resized), /embed_tokens\.weight is \[15, 8\] where \[14, 8\] is needed/);
  });

  it("prefers a saved weight to one computed from the base, as PEFT loads it last", async () => {
    const language = await openModel({
      file: FILE,
      class: "LanguageModel",
      weights: join(FOLDER, "LanguageModel.safetensors"),
    });
    const folder = await copy("untied-pissa", {});
    const weights = join(folder, "adapter_model.safetensors");
    const tensors = await readTensors((await readHeader(weights)).tensors);
    tensors.set("base_model.model.lm_head.base_layer.weight", float32([14, 8], new Float32Array(112).fill(2)));
    await writeSafetensors(weights, tensors, { format: "pt" });
    for (const initial of [false, true]) {
      const { values } = await openAdapter(language, folder, { initial });
      const value = values.get("lm_head.weight")!;
      assert.ok(toFloat32(await loadTensor(value)).every((x) => x === 2));
    }
  });

  it("refuses two different tensors for one that the model ties", async () => {
    const tied = await openModel({
      file: FILE,
      class: "TiedLanguageModel",
      weights: join(FOLDER, "TiedLanguageModel.safetensors"),
    });
    await assert.rejects(openAdapter(tied, join(FOLDER, "untied-embeddings")), {
      name: "UserError",
      message: /embed_tokens\.weight and lm_head\.weight differ, but the model has one tensor for both/,
    });
  });

  it("keeps the same values object where nothing changes the base", async () => {
    const opened = await openModel(model);
    const adapter = await openAdapter(opened, join(FOLDER, "mlp-gaussian"));
    assert.equal(adapter.values, opened.values);
    assert.equal(adapter.base, opened.values);
  });
});
