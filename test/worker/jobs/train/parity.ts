import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { EngineChoice } from "../../../../src/protocol/jobs";
import { chooseEngine } from "../../../../src/worker/engines/choose";
import { toFloat32 } from "../../../../src/worker/formats/convert";
import { readHeader, readTensors } from "../../../../src/worker/formats/safetensors";
import { bytesOf, type Tensor, tensorFromBytes } from "../../../../src/worker/formats/tensor";
import { openAdapter } from "../../../../src/worker/jobs/adapter";
import { openModel } from "../../../../src/worker/jobs/opened";
import { Trainer } from "../../../../src/worker/jobs/train/trainer";
import { loadAdapter } from "../../../../src/worker/lora/adapter/adapterFiles";
import { injectLora } from "../../../../src/worker/passes/lora";
import { rowOf } from "../../../../src/worker/training/choose";
import { addLoss } from "../../../../src/worker/training/losses/loss";
import { LOSSES } from "../../../../src/worker/training/losses/registry";
import { OPTIMIZERS } from "../../../../src/worker/training/optimizers/registry";

/** The fixtures: 100 steps of PyTorch with PEFT (test/fixtures/training/make_parity.py). */
export const FIXTURES = join(__dirname, "../../../fixtures/training");
export const CASES = ["mlp-adam", "mlp-adamw", "attention-adam"] as const;

interface Case {
  readonly source: string;
  readonly className: string;
  readonly loss: "cross-entropy" | "mse";
  readonly optimizer: "adam" | "adamw";
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly losses: readonly number[];
}

export interface Parity {
  readonly steps: number;
  /** Largest relative difference of a step's loss. */
  readonly loss: number;
  /** Largest difference of an adapter element after the last step, relative to its tensor's largest element. */
  readonly adapter: number;
}

/** Trains the case on an engine and compares every loss and the final adapter with PyTorch's. */
export async function parity(name: string, choice: EngineChoice): Promise<Parity> {
  const folder = join(FIXTURES, name);
  const fixture: Case = JSON.parse(await readFile(join(folder, "case.json"), "utf8"));
  const file = resolve(folder, fixture.source);
  const opened = await openModel({
    file,
    class: fixture.className,
    weights: join(folder, "base.safetensors"),
  });
  const batches = await readTensors((await readHeader(join(folder, "batches.safetensors"))).tensors);
  const [x, y] = [batches.get("x")!, batches.get("y")!];
  const adapter = await openAdapter(opened, join(folder, "initial"));
  const { engine } = await chooseEngine(choice);
  const { inputs } = opened.model.trace();
  const input = { ...inputs[0]!, shape: x.shape.slice(1), dtype: x.dtype };
  const lossRow = rowOf(LOSSES, fixture.loss === "mse" ? "mean-squared-error" : fixture.loss, "loss");
  const trainer = Trainer.create(
    {
      engine,
      graph: (_, training) => {
        const { graph } = opened.model.trace({ inputs: [input], training });
        return addLoss(injectLora(graph, adapter.layers), lossRow);
      },
      trainable: [...adapter.tensors.keys()],
      values: opened.values,
      initial: adapter.tensors,
      learningRate: () => fixture.learningRate,
      optimizer: rowOf(OPTIMIZERS, fixture.optimizer, "optimizer").make({ weightDecay: fixture.weightDecay }),
      seed: 0,
    },
    new Map([[input.name, x.shape.slice(1)]]),
  );
  let loss = 0;
  for (const [step, expected] of fixture.losses.entries()) {
    const result = await trainer.step(
      new Map([
        [input.name, stepOf(x, step)],
        ["target", stepOf(y, step)],
      ]),
    );
    loss = Math.max(loss, Math.abs(result.loss - expected) / Math.abs(expected));
  }
  const trained = await trainer.parameters();
  await trainer.dispose();
  const final = await loadAdapter(join(folder, "final"));
  let worst = 0;
  for (const [path, tensor] of final.tensors) {
    const [ours, theirs] = [toFloat32(trained.get(path)!), toFloat32(tensor)];
    const largest = theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    theirs.forEach((v, i) => {
      worst = Math.max(worst, Math.abs(v - ours[i]!) / largest);
    });
  }
  return { steps: fixture.losses.length, loss, adapter: worst };
}

/** Step `i` of a tensor whose first dimension counts steps. */
function stepOf(tensor: Tensor, i: number): Tensor {
  const shape = tensor.shape.slice(1);
  const bytes = bytesOf(tensor);
  const size = bytes.byteLength / tensor.shape[0]!;
  return tensorFromBytes(tensor.dtype, shape, bytes.subarray(i * size, (i + 1) * size));
}
