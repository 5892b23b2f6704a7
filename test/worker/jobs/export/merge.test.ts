import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { copyFile, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { MergeRequest } from "../../../../src/protocol/jobs";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { readHeader, readTensors } from "../../../../src/worker/formats/safetensors";
import { float32, type Tensor } from "../../../../src/worker/formats/tensor";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { merge } from "../../../../src/worker/jobs/export/merge";
import { loadAdapter, saveAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { temporaryFolder } from "../../formats/temporaryFolder";
import { FIXTURES } from "../train/parity";

const MODEL = join(FIXTURES, "mlp/model.py");
const BASE = join(FIXTURES, "mlp-adam/base.safetensors");
const ADAPTER = join(FIXTURES, "mlp-adam/final");

describe("merge", () => {
  const at = temporaryFolder();
  const never = new AbortController().signal;
  const quiet: JobContext = { onProgress: () => {}, signal: never, stop: never };

  const request = (more: Partial<MergeRequest> = {}): MergeRequest => ({
    kind: "merge",
    model: { file: MODEL, weights: BASE },
    adapterFolder: ADAPTER,
    output: at("merged.safetensors"),
    ...more,
  });

  const tensorsOf = async (file: string) => readTensors((await readHeader(file)).tensors);

  it("adds scaling · B A to each target's weight, reports the norms, and leaves the rest bit for bit", async () => {
    const fractions: number[] = [];
    const context = { ...quiet, onProgress: ({ fraction }: { fraction: number }) => void fractions.push(fraction) };
    const report = await merge(request(), context);
    const [base, merged] = [await tensorsOf(BASE), await tensorsOf(report.output)];
    const { config, tensors } = await loadAdapter(ADAPTER);
    assert.deepEqual([...merged.keys()].sort(), [...base.keys()].sort());
    assert.equal(report.tensors, base.size);
    for (const { path, deltaNorm, weightNorm } of report.merged) {
      const [a, b] = [tensors.get(`${path}.lora_A.weight`)!, tensors.get(`${path}.lora_B.weight`)!];
      const delta = product(b, a).map((v) => (v * config.lora_alpha) / config.r);
      const weight = toFloat32(base.get(`${path}.weight`)!);
      const found = toFloat32(merged.get(`${path}.weight`)!);
      // Rounding of a sum of r + 1 products, of values of about 1, in float32.
      for (const [i, value] of found.entries())
        assert.ok(Math.abs(value - (weight[i]! + delta[i]!)) <= (config.r + 1) * 2 ** -23, `${path} at ${i}`);
      assert.ok(Math.abs(deltaNorm - norm(delta)) <= 1e-5 * norm(delta), `${path}: norm of the change`);
      assert.ok(Math.abs(weightNorm - norm(found)) <= 1e-5 * norm(found), `${path}: norm of the weight`);
      assert.notDeepEqual(found, weight);
    }
    const targets = new Set(report.merged.map(({ path }) => `${path}.weight`));
    assert.deepEqual([...targets].sort(), ["fc1.weight", "fc2.weight"]);
    for (const [key, tensor] of base) if (!targets.has(key)) assert.deepEqual(merged.get(key), tensor, key);
    assert.deepEqual(
      fractions,
      fractions.toSorted((x, y) => x - y),
    );
  });

  it("refuses to replace the base weights, also through a link, and leaves them unchanged", async () => {
    const [weights, link] = [at("base.safetensors"), at("link.safetensors")];
    await copyFile(BASE, weights);
    await symlink(weights, link);
    const before = await readFile(weights);
    for (const output of [weights, link])
      await assert.rejects(
        merge(request({ model: { file: MODEL, weights }, output }), quiet),
        /is the base weights file/,
      );
    assert.deepEqual(await readFile(weights), before);
  });

  it("refuses to merge an adapter into weights that have it already", async () => {
    const { output } = await merge(request(), quiet);
    const again = request({ model: { file: MODEL, weights: output }, output: at("twice.safetensors") });
    await assert.rejects(merge(again, quiet), /has this adapter merged into it already/);
    assert.equal(existsSync(at("twice.safetensors")), false);
  });

  it("refuses a result that is not finite, names the layer, and writes nothing", async () => {
    const { config, tensors } = await loadAdapter(ADAPTER);
    const huge = (tensor: Tensor) =>
      float32(
        tensor.shape,
        toFloat32(tensor).map(() => 3e38),
      );
    const broken = new Map([...tensors].map(([key, tensor]) => [key, key.startsWith("fc2.") ? huge(tensor) : tensor]));
    await saveAdapter(at("broken"), config, broken);
    await assert.rejects(
      merge(request({ adapterFolder: at("broken") }), quiet),
      /merging fc2 gives values that are not finite/,
    );
    assert.equal(existsSync(at("merged.safetensors")), false);
  });

  it("ends without a result when it is cancelled, and writes nothing", async () => {
    const cancel = new AbortController();
    const context: JobContext = {
      ...quiet,
      signal: cancel.signal,
      onProgress: ({ message }) => {
        if (message === "Merging fc1") cancel.abort();
      },
    };
    await assert.rejects(merge(request(), context), { name: "AbortError" });
    assert.equal(existsSync(at("merged.safetensors")), false);
  });
});

/** B [out, r] times A [r, in], in double precision. */
function product(b: Tensor, a: Tensor): Float64Array {
  const [[rows, inner], columns] = [b.shape as [number, number], a.shape[1]!];
  const [x, y] = [toFloat32(b), toFloat32(a)];
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += x[row * inner + k]! * y[k * columns + column]!;
    return sum;
  });
}

function norm(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
}
