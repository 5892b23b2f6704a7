import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runModel } from "../../../src/worker/cli/run";
import { toFloat32 } from "../../../src/worker/formats/convert";
import { readNpz, writeNpz } from "../../../src/worker/formats/npz";
import { readHeader, readTensors } from "../../../src/worker/formats/safetensors";
import type { Tensor } from "../../../src/worker/formats/tensor";
import { merge } from "../../../src/worker/jobs/export/merge";
import { temporaryFolder } from "../formats/temporaryFolder";

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
      await runModel({
        model: modelOf(className),
        adapterFolder: join(FOLDER, name),
        inputs: at("inputs.npz"),
        output: at("output.npz"),
        engine: "onnxruntime-cpu",
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
