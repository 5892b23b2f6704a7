import type { Engine, EngineTensor, Feed } from "../../../src/worker/engines/engine";
import type { Tensor } from "../../../src/worker/formats/tensor";
import { float32, int64, sizeOf } from "../../../src/worker/formats/tensor";
import * as b from "../../../src/worker/graph/build";
import { Graph } from "../../../src/worker/graph/graph";
import type { Node } from "../../../src/worker/graph/node";
import { loraConfig } from "../../../src/worker/lora/config/config";
import { injectLora } from "../../../src/worker/passes/lora";
import { crossEntropy } from "../../../src/worker/training/losses/crossEntropy";
import { addLoss } from "../../../src/worker/training/losses/loss";
import { defaultOptimizer } from "../../../src/worker/training/optimizers/registry";
import { PARAMETERS } from "../../../src/worker/training/packed";
import { initialState, trainingStep } from "../../../src/worker/training/step";
import { linearAdapters } from "../lora/linearAdapters";

/** A tiny language model (embedding, attention, normalization, feed-forward) with its weights and a batch. */
export function tinyModel() {
  const [tokens, width, vocabulary, batch] = [5, 8, 11, 2];
  const values = new Map<string, Tensor>();
  const weight = (path: string, shape: number[], center = 0): Node => {
    values.set(path, sequence(shape, values.size, center));
    return b.parameter(path, shape, "float32");
  };
  const layer = (x: Node, path: string, out: number): Node =>
    b.linear(x, weight(`${path}.weight`, [out, x.shape.at(-1)!]), weight(`${path}.bias`, [out]));

  const ids = b.input("ids", [batch, tokens], "int64");
  const x = b.gather(weight("embedding.weight", [vocabulary, width]), ids, 0);
  const h = b.layerNorm(x, 1, 1e-5, weight("norm.weight", [width], 1), weight("norm.bias", [width]));
  const [q, k, v] = [layer(h, "q", width), layer(h, "k", width), layer(h, "v", width)];
  const scores = b.matmul(q, k, { transposeB: true, alpha: 1 / Math.sqrt(width) });
  const mixed = b.add(x, b.matmul(b.softmax(scores, 2), v));
  const up = b.gelu(layer(mixed, "up", 2 * width));
  const logits = layer(b.reduce("mean", layer(up, "down", width), [1], false), "head", 3);
  const graph = new Graph("tiny", [ids], new Map([["output", logits]]));
  const feeds = new Map<string, Tensor>([
    ["ids", int64([batch, tokens], [1, 4, 2, 0, 10, 3, 3, 7, 9, 5])],
    ["target", int64([batch], [2, 0])],
  ]);
  return { graph, values, feeds };
}

/** Trains LoRA on the tiny model for some steps, state fed back as it came; returns the losses and the adapters. */
export async function trainTiny(engine: Engine, steps: number): Promise<{ losses: number[]; adapters: Tensor }> {
  const { graph, values, feeds } = tinyModel();
  const targets = ["q", "v", "up"].map((path) => {
    const [outFeatures, inFeatures] = values.get(`${path}.weight`)!.shape as [number, number];
    return { path, inFeatures, outFeatures };
  });
  const adapted = addLoss(injectLora(graph, linearAdapters(loraConfig({ r: 2 }), ...targets)), crossEntropy);
  const trainable = adapted.parameters.map((p) => p.attrs.path).filter((path) => path.includes("lora_"));
  const optimizer = defaultOptimizer();
  const step = trainingStep(adapted, trainable, optimizer);
  const flat = sequence([step.layout.length], 99);
  const executable = await engine.compile(step.graph, { parameters: values });
  let state = new Map<string, Feed>(initialState(step.layout, step.layout.unpack(flat), optimizer));
  const losses: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const outputs = await executable.run(new Map<string, Feed>([...feeds, ...optimizer.feeds(t, 0.01), ...state]));
    for (const old of state.values()) if (!("data" in old)) old.dispose();
    losses.push(Number((await outputs.get("loss")!.read()).data[0]));
    state = new Map([...state.keys()].map((name) => [name, outputs.get(name)!]));
    for (const [name, output] of outputs) if (!state.has(name)) output.dispose();
  }
  const adapters = await (state.get(PARAMETERS) as EngineTensor).read();
  await executable.dispose();
  return { losses, adapters };
}

/** Values in ±0.5 around `center`, the same each time. */
function sequence(shape: readonly number[], seed: number, center = 0): Tensor {
  let state = (seed + 1) * 7919;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return center + state / 2 ** 32 - 0.5;
  };
  return float32(shape, Float32Array.from({ length: sizeOf(shape) }, next));
}
