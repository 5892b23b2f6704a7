import { strict as assert } from "node:assert";
import { access, appendFile, copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobProgress, SweepRequest } from "../../../../src/protocol/jobs";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { readSweep } from "../../../../src/worker/jobs/sweep/saved";
import { sweep } from "../../../../src/worker/jobs/sweep/sweep";
import { train } from "../../../../src/worker/jobs/train/train";
import { loadAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { temporaryFolder } from "../../formats/temporaryFolder";

const DIGITS = join(__dirname, "../../../../examples/digits");

describe("sweep, on the digits", () => {
  const at = temporaryFolder();
  const never = new AbortController().signal;
  const quiet: JobContext = { onProgress: () => {}, signal: never, stop: never };

  const request = (more: Partial<SweepRequest> = {}): SweepRequest => ({
    kind: "sweep",
    model: { file: join(DIGITS, "model.py"), weights: join(DIGITS, "base.safetensors"), seed: 3 },
    adapter: { lora_dropout: 0.1 },
    ranks: [8, 2, 8],
    data: join(DIGITS, "rotated.csv"),
    label: "label",
    output: at("sweep"),
    epochs: 1,
    batchSize: 64,
    learningRate: 0.01,
    validation: 0.2,
    engine: "onnxruntime-cpu",
    ...more,
  });

  /** A context that does something once when the message of a run under way matches. */
  const when = (message: RegExp, act: () => void, signals: Partial<JobContext>): JobContext => ({
    ...quiet,
    ...signals,
    onProgress: (progress) => {
      if (message.test(progress.message)) act();
    },
  });

  const saved = (folder: string) => readFile(join(folder, "adapter_model.safetensors"));

  it("trains each rank exactly as train does, bit by bit, once and by rising rank", async () => {
    const report = await sweep(request(), quiet);
    assert.deepEqual(
      report.runs.map(({ rank, alpha, scaling }) => [rank, alpha, scaling]),
      [
        [2, 4, 2],
        [8, 16, 2],
      ],
    );
    const { ranks: _, ...same } = request();
    for (const run of report.runs) {
      const adapter = { lora_dropout: 0.1, r: run.rank };
      const alone = await train(
        { ...same, kind: "train", method: "lora", adapter, output: at(`alone-${run.rank}`) },
        quiet,
      );
      const folder = join(report.output.folder, run.folder);
      assert.ok((await saved(folder)).equals(await saved(alone.output.folder)), `rank ${run.rank}`);
      assert.equal(
        await readFile(join(folder, "adapter_config.json"), "utf8"),
        await readFile(join(alone.output.folder, "adapter_config.json"), "utf8"),
      );
      assert.deepEqual(
        [run.before, run.after, run.trainable, run.percent],
        [alone.before, alone.after, alone.trainable, alone.percent],
      );
      // fc1 is 64 → 128 and fc2 128 → 128, in four bytes a scalar.
      assert.equal(run.adapterBytes, 4 * run.rank * (64 + 128 + 128 + 128));
    }
    const [small, large] = report.runs;
    assert.deepEqual(small!.before, large!.before);
    assert.notDeepEqual(small!.after, large!.after);
    assert.deepEqual(await readSweep(at("sweep/sweep.json")), report);
  });

  it("keeps the configured ratio of alpha and rank, or a given alpha, and says so", async () => {
    const grown = await sweep(request({ adapter: { r: 16, lora_alpha: 24 }, ranks: [4, 6] }), quiet);
    assert.deepEqual(
      grown.runs.map(({ alpha, scaling }) => [alpha, scaling]),
      [
        [6, 1.5],
        [9, 1.5],
      ],
    );
    assert.equal(grown.alphaPerRank, 1.5);
    assert.equal(grown.alphaNote, "Alpha grows with the rank (alpha = 1.5 × rank), so the scale is 1.5 at every rank.");
    const fixed = await sweep(request({ ranks: [4, 8], fixedAlpha: 8 }), quiet);
    assert.deepEqual(
      fixed.runs.map(({ alpha, scaling }) => [alpha, scaling]),
      [
        [8, 2],
        [8, 1],
      ],
    );
    assert.equal(fixed.alphaPerRank, null);
    assert.match(fixed.alphaNote, /^Alpha is 8 at every rank, so the scale \(alpha \/ rank\) falls/);
    const { config } = await loadAdapter(at("sweep/r8"));
    assert.deepEqual([config.r, config.lora_alpha], [8, 8]);
  });

  it("tells how far all runs are, which rank it trains and which are finished", async () => {
    const seen: JobProgress[] = [];
    await sweep(request(), { ...quiet, onProgress: (progress) => seen.push(progress) });
    const fractions = seen.map(({ fraction }) => fraction);
    assert.deepEqual(
      fractions,
      fractions.toSorted((a, b) => a - b),
    );
    assert.ok(seen.some(({ message }) => message === "Rank 8 (2 of 2): Epoch 1 of 1, step 3 of 23"));
    const second = seen.filter(({ message }) => message.startsWith("Rank 8"));
    assert.ok(second.every(({ fraction, sweep }) => fraction >= 0.5 && sweep!.length === 1 && sweep![0]!.rank === 2));
  });

  it("stopped, it reports the finished ranks and saves nothing of the one under way", async () => {
    const stop = new AbortController();
    const context = when(/^Rank 8 .*step 5/, () => stop.abort(), { stop: stop.signal });
    const report = await sweep(request({ ranks: [2, 8, 16] }), context);
    assert.deepEqual(
      report.runs.map(({ rank }) => rank),
      [2],
    );
    assert.deepEqual([report.notRun, report.stopped, report.best], [[8, 16], true, 2]);
    await access(at("sweep/r2/adapter_model.safetensors"));
    await assert.rejects(access(at("sweep/r8")), { code: "ENOENT" });
    assert.deepEqual(await readSweep(at("sweep/sweep.json")), report);
  });

  it("stopped before the first rank is finished, it says that there is no result and writes none", async () => {
    const stop = new AbortController();
    const context = when(/step 5/, () => stop.abort(), { stop: stop.signal });
    await assert.rejects(sweep(request(), context), {
      name: "UserError",
      message: "the sweep was stopped before rank 2 was finished, so it has no result",
    });
    await assert.rejects(access(at("sweep/sweep.json")), { code: "ENOENT" });
  });

  it("cancelled, it ends without a report, and sweep.json tells of the finished ranks", async () => {
    const cancel = new AbortController();
    const context = when(/^Rank 8 .*step 5/, () => cancel.abort(), { signal: cancel.signal });
    await assert.rejects(sweep(request(), context), { name: "AbortError" });
    const { runs, notRun, stopped } = await readSweep(at("sweep/sweep.json"));
    assert.deepEqual([runs.map(({ rank }) => rank), notRun, stopped], [[2], [8], true]);
    await assert.rejects(access(at("sweep/r8")), { code: "ENOENT" });
  });

  it("ends with an error when the data changes between two ranks, and names the finished ones", async () => {
    await copyFile(join(DIGITS, "rotated.csv"), at("data.csv"));
    let changed: Promise<void> | undefined;
    const context = when(/^Rank 8 .*step 1 /, () => (changed ??= appendFile(at("data.csv"), "\n")), {});
    await assert.rejects(sweep(request({ data: at("data.csv") }), context), (error: Error) => {
      assert.match(error.message, /^at rank 8: the model, its weights or the data changed during the sweep/);
      assert.ok(error.message.includes(`Rank 2 is finished; the results are in ${at("sweep/sweep.json")}`));
      return true;
    });
    await changed;
  });

  it("refuses ranks, alphas and columns that make no sense before it writes anything", async () => {
    await assert.rejects(
      sweep(request({ ranks: [] }), quiet),
      /ranks must be 1 to 32 whole numbers from 1 to 16,777,216/,
    );
    await assert.rejects(sweep(request({ ranks: [4, 0.5] }), quiet), /whole numbers from 1 to 16,777,216, not 4, 0\.5/);
    await assert.rejects(sweep(request({ ranks: [4, 100_000] }), quiet), /the rank must be .* not 100000/);
    await assert.rejects(sweep(request({ fixedAlpha: Number.NaN }), quiet), /alpha must be a number/);
    await assert.rejects(sweep(request({ label: "digit" }), quiet), /digit/);
    await assert.rejects(access(at("sweep/sweep.json")), { code: "ENOENT" });
  });

  it("warns of a rank above a layer's sides, and of results on the training samples", async () => {
    const { warnings } = await sweep(request({ ranks: [2, 256], validation: 0 }), quiet);
    assert.match(warnings[0]!, /^No samples are held out/);
    assert.match(warnings[1]!, /rank 256/i);
  });

  it("refuses what train refuses, such as ranks of single layers", async () => {
    const adapter = { rank_pattern: { fc1: 4 } };
    await assert.rejects(sweep(request({ adapter }), quiet), /rank_pattern .* is not supported/);
  });
});
