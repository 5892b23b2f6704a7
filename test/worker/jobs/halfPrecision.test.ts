import assert from "node:assert/strict";
import { join } from "node:path";
import type { MergeReport, TrainReport, VerifyReport } from "../../../src/protocol/reports";
import { convert, toFloat32 } from "../../../src/worker/formats/convert";
import { readNpz, writeNpz } from "../../../src/worker/formats/numpy/npz";
import { loadTensor, readHeader, writeSafetensors } from "../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../src/worker/formats/tensor";
import { runJob } from "../../../src/worker/jobs/run";
import { temporaryFolder } from "../formats/temporaryFolder";
import { runForward } from "./forward/runForward";

const DIGITS = join(__dirname, "../../../examples/digits");
const FILE = join(DIGITS, "model.py");
const { signal } = new AbortController();
const CONTEXT = { onProgress: () => {}, signal, stop: signal };

describe("a base in half precision", function () {
  this.timeout(60_000);
  const at = temporaryFolder();

  /** The digits' base in `dtype`, and the same values in float32. */
  const write = async (dtype: "float16" | "bfloat16") => {
    const { tensors } = await readHeader(join(DIGITS, "base.safetensors"));
    const [half, wide] = [new Map<string, Tensor>(), new Map<string, Tensor>()];
    for (const [name, ref] of tensors) {
      const rounded = convert(await loadTensor(ref), dtype);
      half.set(name, rounded);
      wide.set(name, convert(rounded, "float32"));
    }
    await writeSafetensors(at("half.safetensors"), half);
    await writeSafetensors(at("wide.safetensors"), wide);
  };
  const model = (name: string) => ({ file: FILE, weights: at(`${name}.safetensors`) });

  for (const dtype of ["float16", "bfloat16"] as const) {
    it(`runs in ${dtype} like the same values in float32, and keeps its dtype when it is merged`, async () => {
      await write(dtype);
      const train = {
        kind: "train",
        model: model("half"),
        adapter: { r: 4 },
        method: "lora",
        data: join(DIGITS, "rotated.csv"),
        label: "label",
        output: at("adapter"),
        epochs: 1,
        batchSize: 64,
        validation: 0.2,
        engine: "onnxruntime-cpu",
      } as const;
      const trained = (await runJob(train, CONTEXT)) as TrainReport;
      assert.ok(trained.after.loss < trained.before.loss);

      await writeNpz(
        at("x.npz"),
        new Map([
          [
            "x",
            float32(
              [3, 64],
              Float32Array.from({ length: 192 }, (_, i) => i % 5),
            ),
          ],
        ]),
      );
      const run = async (name: string) => {
        await runForward({
          model: model(name),
          adapterFolder: at("adapter"),
          inputs: at("x.npz"),
          output: at("y.npz"),
        });
        return toFloat32((await readNpz(at("y.npz"))).get("output")!);
      };
      assert.deepEqual(await run("half"), await run("wide"));

      const merge = {
        kind: "merge",
        model: model("half"),
        adapterFolder: at("adapter"),
        output: at("m.safetensors"),
      } as const;
      const report = (await runJob(merge, CONTEXT)) as MergeReport;
      const dtypes = new Set([...(await readHeader(report.output)).tensors.values()].map((tensor) => tensor.dtype));
      assert.deepEqual(dtypes, new Set([dtype]));
    });

    it(`is verified in float32, and the effect of rounding a merge to ${dtype} is reported`, async () => {
      await write(dtype);
      const verify = { kind: "verify", model: model("half"), adapter: {}, engine: "onnxruntime-cpu" } as const;
      const report = (await runJob(verify, CONTEXT)) as VerifyReport;
      assert.deepEqual(
        report.checks.filter(({ passed }) => !passed),
        [],
      );
      const merged = report.checks.find(({ id }) => id === "merged-equals-unmerged")!;
      assert.match(
        merged.detail!,
        new RegExp(`stores its weights in ${dtype}, which changes the output by up to [0-9.e-]+$`),
      );
    });
  }
});
