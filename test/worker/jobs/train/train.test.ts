import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrainRequest } from "../../../../src/protocol/jobs";
import type { JobContext } from "../../../../src/worker/jobs/context";
import { loadSamples } from "../../../../src/worker/jobs/train/samples";
import { train } from "../../../../src/worker/jobs/train/train";
import { loadAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { Random } from "../../../../src/worker/numbers/random";
import { chooseModel, openModelFile } from "../../../../src/worker/readers/open";
import { temporaryFolder } from "../../formats/temporaryFolder";

const ROWS = 100;

const model = (outputs: number) => `import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, ${outputs})

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
`;

describe("train", () => {
  const at = temporaryFolder();
  const never = new AbortController().signal;
  const quiet: JobContext = { onProgress: () => {}, signal: never, stop: never };

  /** Four random features a row and the label drawn from them. */
  async function write(outputs: number, label: (x: readonly number[]) => string | number): Promise<void> {
    const random = new Random(1);
    const rows = Array.from({ length: ROWS }, () => {
      const x = Array.from({ length: 4 }, () => random.normal());
      return [...x, label(x)].join(",");
    });
    await writeFile(at("data.csv"), `a,b,c,d,y\n${rows.join("\n")}\n`);
    await writeFile(at("model.py"), model(outputs));
  }

  const request = (more: Partial<TrainRequest> = {}): TrainRequest => ({
    kind: "train",
    model: { file: at("model.py"), seed: 0 },
    adapter: { r: 2, target_modules: ["fc1"] },
    method: "lora",
    data: at("data.csv"),
    label: "y",
    output: at("out"),
    epochs: 4,
    batchSize: 16,
    learningRate: 0.02,
    validation: 0.2,
    engine: "onnxruntime-cpu",
    ...more,
  });

  it("learns classes given by name, and reports its progress step by step", async () => {
    await write(2, (x) => (x[0]! > 0 ? "cat" : "dog"));
    const losses: number[] = [];
    const fractions: number[] = [];
    const report = await train(request({ epochs: 12 }), {
      ...quiet,
      onProgress: ({ fraction, training }) => {
        fractions.push(fraction);
        losses.push(...(training?.losses ?? []));
      },
    });
    assert.equal(report.loss, "cross-entropy");
    assert.deepEqual(report.samples, { train: 80, validation: 20 });
    assert.equal(report.losses.length, 12 * 5);
    assert.deepEqual(losses, report.losses);
    assert.deepEqual(
      fractions,
      fractions.toSorted((a, b) => a - b),
    );
    assert.ok(report.after.loss < report.before.loss, `${report.before.loss} to ${report.after.loss}`);
    assert.ok(report.after.accuracy! >= 0.8, `accuracy ${report.after.accuracy}`);
    assert.deepEqual(report.after, {
      loss: report.epochs.at(-1)!.validationLoss,
      accuracy: report.epochs.at(-1)!.validationAccuracy,
    });
    assert.equal(report.stopped, false);
  });

  it("learns a number by mean squared error", async () => {
    await write(1, (x) => 0.5 * x[0]! - x[2]!);
    const report = await train(request({ epochs: 12 }), quiet);
    assert.equal(report.loss, "mean-squared-error");
    assert.equal(report.after.accuracy, null);
    assert.ok(report.after.loss < report.before.loss / 2, `${report.before.loss} to ${report.after.loss}`);
  });

  it("takes loss, optimizer and schedule by name, and reports them", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const decayed = (more: Partial<TrainRequest>) => train(request({ weightDecay: 0.5, ...more }), quiet);
    const usual = await decayed({});
    assert.deepEqual([usual.optimizer, usual.schedule, usual.lossLabel], ["AdamW", "constant", "cross-entropy"]);
    const named = await decayed({ optimizer: "adamw", schedule: "constant", loss: "cross-entropy" });
    assert.deepEqual(named.losses, usual.losses);
    const other = await decayed({ optimizer: "adam" });
    assert.equal(other.optimizer, "Adam");
    assert.notDeepEqual(other.losses, usual.losses);
  });

  it("refuses names that it does not know, and a loss that the output does not fit", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    await assert.rejects(train(request({ optimizer: "sgdx" }), quiet), /no optimizer "sgdx"; choose adamw, adam/);
    await assert.rejects(
      train(request({ schedule: "none" }), quiet),
      /no learning-rate schedule "none"; choose constant/,
    );
    await assert.rejects(
      train(request({ loss: "none" }), quiet),
      /no loss "none"; choose cross-entropy, mean-squared-error/,
    );
    await assert.rejects(
      train(request({ loss: "mean-squared-error" }), quiet),
      /Small returns \[.*\]; mean squared error compares one number per sample/,
    );
  });

  it("takes the method's own learning rate when none is given", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const { learningRate: _, ...unset } = request({ epochs: 1 });
    const rates = [];
    for (const method of ["lora", "head", "full"] as const) {
      rates.push((await train({ ...unset, method }, quiet)).learningRate);
    }
    assert.deepEqual(rates, [1e-3, 1e-3, 1e-4]);
  });

  it("gives the same run for the same seed and another for another", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const run = async (seed: number, output: string) => {
      const { losses } = await train(
        request({ model: { file: at("model.py"), seed }, output: at(output), adapter: { r: 2, lora_dropout: 0.1 } }),
        quiet,
      );
      return { losses, bytes: await readFile(join(at(output), "adapter_model.safetensors")) };
    };
    const [first, second, other] = [await run(3, "first"), await run(3, "second"), await run(4, "other")];
    assert.deepEqual(second, first);
    assert.notDeepEqual(other.losses, first.losses);
  });

  it("stops when asked, and saves and reports the result so far", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const stop = new AbortController();
    const report = await train(request({ epochs: 1000 }), {
      ...quiet,
      stop: stop.signal,
      onProgress: ({ training }) => {
        if (training?.step === 7) stop.abort();
      },
    });
    assert.equal(report.stopped, true);
    assert.equal(report.losses.length, 7);
    assert.equal(report.epochs.length, 2);
    assert.ok(Number.isFinite(report.epochs[1]!.trainLoss));
    assert.equal((await loadAdapter(report.output.folder)).tensors.size, 2);
  });

  it("ends without a result when cancelled, and writes nothing", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const cancel = new AbortController();
    const context: JobContext = {
      ...quiet,
      signal: cancel.signal,
      onProgress: ({ training }) => {
        if (training?.step === 3) cancel.abort();
      },
    };
    await assert.rejects(train(request({ epochs: 1000 }), context), { name: "AbortError" });
    await assert.rejects(readFile(join(at("out"), "adapter_config.json")), { code: "ENOENT" });
  });

  it("holds out rows that it does not train on, and uses every row once", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const opened = chooseModel(await openModelFile(at("model.py")));
    for (const share of [0, 0.25, 0.5]) {
      const data = await loadSamples(opened, { file: at("data.csv"), label: "y", validation: share, seed: 5 }, never);
      assert.equal(data.validation.length, ROWS * share);
      const rows = [...data.train, ...data.validation].sort((a, b) => a - b);
      assert.deepEqual(
        rows,
        Array.from({ length: ROWS }, (_, i) => i),
      );
    }
  });

  it("uses all data as one batch when the batch size is larger", async () => {
    await write(2, (x) => (x[0]! > 0 ? 1 : 0));
    const report = await train(request({ batchSize: 4096, epochs: 2 }), quiet);
    assert.equal(report.batchSize, 80);
    assert.equal(report.losses.length, 2);
  });

  it("refuses labels that do not fit the model's output", async () => {
    await write(2, (x) => ["red", "green", "blue"][x[0]! > 0.5 ? 0 : x[0]! > 0 ? 1 : 2]!);
    await assert.rejects(train(request(), quiet), /"y" has 3 classes .* Small tells 2 apart/);
    await write(1, (x) => (x[0]! > 0 ? "cat" : "dog"));
    await assert.rejects(train(request(), quiet), /"y" holds class names, such as "(cat|dog)", but Small returns one/);
    await write(2, (x) => x[0]!);
    await assert.rejects(
      train(request(), quiet),
      /"y" holds numbers to predict, such as -?[\d.e-]+, but Small returns \[/,
    );
    await write(2, (x) => [-1, 0, 1][x[0]! > 0.5 ? 0 : x[0]! > 0 ? 1 : 2]!);
    await assert.rejects(train(request(), quiet), /"y" has 3 classes \(-1, 0, 1\), but Small tells 2 apart/);
  });
});
