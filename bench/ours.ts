import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chooseEngine } from "../src/worker/engines/choose";
import { float32, int64 } from "../src/worker/formats/tensor";
import { planAdapter } from "../src/worker/jobs/adapter";
import { openModel } from "../src/worker/jobs/opened";
import { Trainer } from "../src/worker/jobs/train/trainer";
import { initializeAdapter } from "../src/worker/lora/init/initialize";
import { Random } from "../src/worker/numbers/random";
import { injectLora } from "../src/worker/passes/lora";
import { crossEntropy } from "../src/worker/training/losses/crossEntropy";
import { addLoss } from "../src/worker/training/losses/loss";
import { defaultOptimizer } from "../src/worker/training/optimizers/registry";

/**
 * Our side of the training benchmark: the model is read from PyTorch source, adapted, differentiated and trained by the
 * very code that `lora-lens train` runs. One JSON request a line, one answer a line, as bench/torch_step.py.
 */
export interface StepRequest {
  readonly sizes: readonly number[];
  readonly batch: number;
  readonly rank: number;
  readonly steps: number;
  readonly warmup: number;
  readonly engine?: "onnxruntime-cpu" | "tfjs";
}

export interface StepAnswer {
  readonly stepMs: readonly number[];
  readonly peakMB: number;
  readonly error?: string;
}

function source(sizes: readonly number[]): string {
  const layers = sizes.slice(1).map((out, i) => `        self.fc${i} = nn.Linear(${sizes[i]}, ${out})`);
  const calls = sizes.slice(1, -1).map((_, i) => `        x = torch.relu(self.fc${i}(x))`);
  return [
    "import torch",
    "from torch import nn",
    "class MLP(nn.Module):",
    "    def __init__(self):",
    "        super().__init__()",
    ...layers,
    "    def forward(self, x):",
    ...calls,
    `        return self.fc${sizes.length - 2}(x)`,
    "",
  ].join("\n");
}

async function makeTrainer(request: StepRequest, folder: string): Promise<Trainer> {
  const file = join(folder, "model.py");
  await writeFile(file, source(request.sizes));
  const opened = await openModel({ file, seed: 0 });
  const adapter = planAdapter(opened.model, { r: request.rank, target_modules: ["fc0", "fc1"] });
  const { engine } = await chooseEngine(request.engine ?? "onnxruntime-cpu");
  const input = { name: "x", shape: [request.batch, request.sizes[0]!], dtype: "float32" as const };
  const initial = await initializeAdapter(adapter.layers, true, 0);
  return Trainer.create(
    {
      engine,
      graph: (_, training) => {
        const { graph } = opened.model.trace({ inputs: [input], training });
        return addLoss(injectLora(graph, adapter.layers), crossEntropy);
      },
      trainable: [...initial.keys()],
      values: opened.values,
      initial,
      learningRate: () => 1e-3,
      optimizer: defaultOptimizer(),
      seed: 0,
    },
    new Map([[input.name, input.shape]]),
  );
}

async function answer(request: StepRequest, trainers: Map<string, Trainer>, folder: string): Promise<StepAnswer> {
  const key = JSON.stringify([request.sizes, request.batch, request.rank]);
  let trainer = trainers.get(key);
  if (!trainer) {
    trainer = await makeTrainer(request, folder);
    trainers.set(key, trainer);
  }
  const random = new Random(1);
  const classes = request.sizes.at(-1)!;
  const shape = [request.batch, request.sizes[0]!];
  const batch = new Map([
    [
      "x",
      float32(
        shape,
        Float32Array.from({ length: shape[0]! * shape[1]! }, () => random.normal()),
      ),
    ],
    [
      "target",
      int64(
        [request.batch],
        Array.from({ length: request.batch }, () => random.below(classes)),
      ),
    ],
  ]);
  const stepMs: number[] = [];
  for (let i = 0; i < request.warmup + request.steps; i++) {
    const started = performance.now();
    await trainer.step(batch); // reads the loss, as PyTorch's side does
    stepMs.push(performance.now() - started);
  }
  return { stepMs: stepMs.slice(request.warmup), peakMB: (process.resourceUsage().maxRSS * 1024) / 1e6 };
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lora-lens-bench-"));
  const trainers = new Map<string, Trainer>();
  try {
    for await (const line of createInterface({ input: process.stdin })) {
      const result = await answer(JSON.parse(line), trainers, folder).catch((error: Error) => ({
        error: error.message,
      }));
      process.stdout.write(`${JSON.stringify(result)}\n`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

void main();
