import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseEngine } from "../src/worker/engines/choose";
import { loadTensor, writeSafetensors } from "../src/worker/formats/safetensors";
import { float32, int64, type StoredTensor, sizeOf, type Tensor } from "../src/worker/formats/tensor";
import { mul, reduceAll } from "../src/worker/graph/build";
import { Graph } from "../src/worker/graph/graph";
import { planAdapter } from "../src/worker/jobs/adapter";
import { type OpenedModel, openModel, withStored } from "../src/worker/jobs/opened";
import { Trainer } from "../src/worker/jobs/train/trainer";
import { initializeAdapter } from "../src/worker/lora/init/initialize";
import { trainedNames } from "../src/worker/lora/variants/costs";
import { injectLora } from "../src/worker/passes/lora";
import { defaultOptimizer } from "../src/worker/training/optimizers/registry";

/**
 * Our side of the memory benchmark, in a process of its own for each case: trains a few steps of a model whose weights
 * lie in a file, as `lora-lens train` does, and prints by how many bytes the resident set grew at most. Linux only.
 */
export interface MemoryRequest {
  readonly file: string;
  readonly batch: number;
  readonly sequence?: number;
  readonly targets: readonly string[];
  readonly method: "lora" | "full";
}

const STEPS = 4;

async function trainSteps(opened: OpenedModel, { batch, sequence, targets, method }: MemoryRequest): Promise<void> {
  const { model, values } = opened;
  const [traced] = model.trace().inputs;
  const shape = sequence === undefined ? [batch, traced!.shape.at(-1)!] : [batch, sequence];
  const input = { name: traced!.name, shape, dtype: traced!.dtype };
  const adapter = method === "lora" ? planAdapter(model, { r: 8, target_modules: [...targets] }) : undefined;
  const initial = new Map<string, Tensor>();
  if (adapter) for (const [name, tensor] of await initializeAdapter(adapter.layers, true, 0)) initial.set(name, tensor);
  else for (const { path } of model.stateDict) initial.set(path, await loadTensor(values.get(path)!));
  const { engine } = await chooseEngine("onnxruntime-cpu");
  const trainer = Trainer.create(
    {
      engine,
      graph: (_, training) => {
        const { graph } = withStored(model.trace({ inputs: [input], training }), values);
        const { inputs, name, outputs } = adapter ? injectLora(graph, adapter.layers) : graph;
        const [output] = outputs.values();
        return new Graph(name, inputs, new Map([["loss", reduceAll("mean", mul(output!, output!))]]));
      },
      trainable: adapter ? trainedNames(adapter.layers) : [...initial.keys()],
      values,
      initial,
      learningRate: () => 1e-4,
      optimizer: defaultOptimizer(),
      seed: 0,
    },
    new Map([[input.name, shape]]),
  );
  const numbers = Array.from({ length: sizeOf(shape) }, (_, i) => i % 60);
  const fed = input.dtype === "int64" ? int64(shape, numbers) : float32(shape, Float32Array.from(numbers));
  for (let step = 0; step < STEPS; step++) {
    await trainer.step(new Map([[input.name, fed]]));
    globalThis.gc!();
  }
  await trainer.dispose();
}

async function open(file: string, folder: string): Promise<OpenedModel> {
  const weights = join(folder, "model.safetensors");
  const { values } = await openModel({ file, class: "Net", seed: 0 });
  await writeSafetensors(weights, new Map<string, StoredTensor>(values));
  return openModel({ file, class: "Net", weights });
}

async function main(): Promise<void> {
  const request: MemoryRequest = JSON.parse(process.argv[2]!);
  const folder = await mkdtemp(join(tmpdir(), "lora-lens-bench-"));
  try {
    // The libraries and the compiler of the graph are loaded and warm before anything is measured.
    const small = join(folder, "small.py");
    writeFileSync(
      small,
      "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc0 = nn.Linear(8, 8)\n    def forward(self, x):\n        return self.fc0(x)\n",
    );
    await trainSteps(await open(small, folder), { file: small, batch: 2, targets: ["fc0"], method: "lora" });
    const opened = await open(request.file, folder);
    globalThis.gc!();
    const before = process.memoryUsage.rss();
    writeFileSync("/proc/self/clear_refs", "5"); // the peak begins anew
    await trainSteps(opened, request);
    const peak = 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);
    process.stdout.write(`${peak - before}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

void main();
