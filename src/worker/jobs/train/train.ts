import type { TrainRequest } from "../../../protocol/jobs";
import type { EpochResult, InjectionSummary, TrainReport } from "../../../protocol/reports";
import { TRAIN_METHODS } from "../../../protocol/training";
import { chooseEngine } from "../../engines/choose";
import { UserError } from "../../formats/errors";
import { insideFolder, makeFolder } from "../../formats/files";
import { loadTensor, writeSafetensors } from "../../formats/safetensors";
import type { StoredTensor, Tensor } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { saveAdapter } from "../../lora/adapter/adapterFiles";
import { initializeAdapter } from "../../lora/init/initialize";
import { weightOf } from "../../lora/targets/layer";
import { outputHead, targetableLayers } from "../../lora/targets/targets";
import { trainedNames } from "../../lora/variants/costs";
import { Random } from "../../numbers/random";
import { injectLora } from "../../passes/lora";
import { rowOf } from "../../training/choose";
import { addLoss, type Targets } from "../../training/losses/loss";
import { OPTIMIZERS } from "../../training/optimizers/registry";
import { SCHEDULES } from "../../training/schedules/registry";
import { type PlannedAdapter, planAdapter } from "../adapter";
import type { JobContext } from "../context";
import { type OpenedModel, openModel, withStored } from "../opened";
import { LABELS_FILE, writeLabels } from "./labels";
import { Run } from "./progress";
import { batchCount, batchOf, loadSamples, type Samples } from "./samples";
import { type BatchShapes, shapesKey, shapesOf, Trainer } from "./trainer";

/** Trains an adapter, the head alone, or every weight, and saves the result. */
export async function train(request: TrainRequest, context: JobContext): Promise<TrainReport> {
  requireWhole("epochs", request.epochs);
  requireWhole("the batch size", request.batchSize);
  const learningRate = request.learningRate ?? TRAIN_METHODS[request.method].learningRate;
  if (!(learningRate > 0 && learningRate < 100)) {
    throw new UserError(`the learning rate must be above 0, not ${learningRate}; 0.001 is usual`);
  }
  const optimizer = rowOf(OPTIMIZERS, request.optimizer, "optimizer");
  const schedule = rowOf(SCHEDULES, request.schedule, "learning-rate schedule");
  const started = performance.now();
  context.onProgress({ message: "Reading the model and the data", fraction: 0 });
  const opened = await openModel(request.model);
  const { model, seed } = opened;
  const example = model.trace();
  const what = await whatToTrain(request, opened, example.graph);
  const { data: file, label, validation } = request;
  const choice = { file, label, validation, seed, ...(request.loss !== undefined && { loss: request.loss }) };
  const data = await loadSamples(model, choice, context.signal, example);
  const { engine, device } = await chooseEngine(request.engine);
  context.onProgress({ message: `Compiling the training step for ${engine.label}`, fraction: 0 });

  const batchSize = Math.min(request.batchSize, data.train.length);
  const graphs = new GraphsByBatch(opened, data, what.adapter);
  const steps = request.epochs * batchCount(data.train.length, batchSize);
  const trainer = Trainer.create(
    {
      engine,
      graph: (batch, training) => graphs.at(batch, training),
      trainable: what.trained,
      values: opened.values,
      initial: what.initial,
      optimizer: optimizer.make({ weightDecay: request.weightDecay ?? 0 }),
      learningRate: (step) => learningRate * schedule.factor(step, steps),
      seed,
      signal: context.signal,
    },
    shapesOf(batchOf(data, data.train.subarray(0, batchSize))),
  );
  try {
    const held = data.validation.length > 0 ? data.validation : data.train;
    const measure = () => evaluate(trainer, data, held, batchSize, context.signal);
    const before = await measure();
    const run = new Run(request.epochs, batchCount(data.train.length, batchSize), context, before);
    const epochs: EpochResult[] = [];
    const order = Uint32Array.from(data.train);
    const shuffle = new Random(seed + 2);
    let after = before;
    for (let epoch = 1; epoch <= request.epochs && !context.stop.aborted; epoch++) {
      shuffle.shuffle(order);
      let sum = 0;
      let counted = 0;
      for (let start = 0; start < order.length && !context.stop.aborted; start += batchSize) {
        context.signal.throwIfAborted();
        const rows = order.subarray(start, start + batchSize);
        const result = await trainer.step(batchOf(data, rows));
        sum += result.loss * result.counted;
        counted += result.counted;
        run.stepped(epoch, result.loss, rows.length);
        // Messages, such as a stop, are handled between steps.
        await new Promise(setImmediate);
      }
      after = await measure();
      const result = {
        epoch,
        trainLoss: sum / counted,
        validationLoss: after.loss,
        validationAccuracy: after.accuracy,
      };
      epochs.push(result);
      run.finishedEpoch(result);
    }
    context.onProgress({ message: "Saving", fraction: 1 });
    const trained = await trainer.parameters();
    const output = await save(request, opened, what, trained, data.targets);
    return {
      kind: "train",
      method: request.method,
      model: model.className,
      file: model.file,
      data: request.data,
      weights: opened.weights,
      injection: what.injection,
      engine: engine.label,
      device,
      loss: data.loss.id,
      lossLabel: data.loss.label,
      optimizer: optimizer.label,
      schedule: schedule.label,
      ...(data.targets.labels && { labels: data.targets.labels }),
      samples: { train: data.train.length, validation: data.validation.length },
      batchSize,
      learningRate,
      seed,
      trainable: what.trainable,
      total: what.total,
      percent: (100 * what.trainable) / what.total,
      before,
      after,
      epochs,
      losses: run.losses,
      seconds: (performance.now() - started) / 1000,
      samplesPerSecond: run.overallRate,
      stopped: context.stop.aborted,
      output,
    };
  } finally {
    await trainer.dispose();
  }
}

function requireWhole(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new UserError(`${what} must be a whole number of 1 or more, not ${value}`);
  }
}

interface Trainable {
  /** Initial values of the trainable parameters and of the adapter's other tensors. */
  readonly initial: ReadonlyMap<string, Tensor>;
  /** Names of the trainable parameters. */
  readonly trained: readonly string[];
  readonly adapter: PlannedAdapter | null;
  readonly injection: InjectionSummary | null;
  /** Scalars. */
  readonly trainable: number;
  readonly total: number;
}

async function whatToTrain(
  request: TrainRequest,
  { model, values, seed }: OpenedModel,
  example: Graph,
): Promise<Trainable> {
  const base = model.root.parameters!;
  if (request.method === "lora") {
    const adapter = planAdapter(model, request.adapter, example);
    const { injection, layers, config } = adapter;
    const initial = await initializeAdapter(layers, config.init_lora_weights, seed, values);
    const { trainable, total } = injection;
    return { initial, trained: trainedNames(layers), adapter, injection, trainable, total };
  }
  const paths = model.stateDict
    .filter((entry) => !entry.buffer && entry.tiedTo === undefined)
    .map((entry) => entry.path);
  const chosen = request.method === "full" ? paths : headPaths(model, paths);
  const initial = new Map<string, Tensor>();
  for (const path of chosen) {
    const value = values.get(path)!;
    initial.set(path, await loadTensor(value));
  }
  const trainable = [...initial.values()].reduce((sum, tensor) => sum + tensor.data.length, 0);
  return { initial, trained: chosen, adapter: null, injection: null, trainable, total: base };
}

function headPaths(model: OpenedModel["model"], paths: readonly string[]): string[] {
  const head = outputHead(model) ?? targetableLayers(model).at(-1);
  if (!head) throw new UserError(`${model.className} has no Linear layer to train as its head`, { file: model.file });
  return paths.filter((path) => path === weightOf(head).path || path === `${head.path}.bias`);
}

/** The model's graph with its loss, traced for each shape of a batch that occurs. */
class GraphsByBatch {
  private readonly cache = new Map<string, Graph>();

  constructor(
    private readonly opened: OpenedModel,
    private readonly samples: Samples,
    private readonly adapter: PlannedAdapter | null,
  ) {}

  at(batch: BatchShapes, training: boolean): Graph {
    const key = `${training} ${shapesKey(batch)}`;
    let graph = this.cache.get(key);
    if (!graph) {
      const { data, loss } = this.samples;
      const { model, values } = this.opened;
      const inputs = data.inputs.map((input) => ({ ...input, shape: batch.get(input.name) ?? input.shape }));
      graph = withStored(model.trace({ inputs, training }), values).graph;
      if (this.adapter) graph = injectLora(graph, this.adapter.layers);
      graph = addLoss(graph, loss);
      this.cache.set(key, graph);
    }
    return graph;
  }
}

async function evaluate(
  trainer: Trainer,
  samples: Samples,
  rows: Uint32Array,
  batchSize: number,
  signal: AbortSignal,
): Promise<{ loss: number; accuracy: number | null }> {
  let loss = 0;
  let correct: number | undefined;
  let counted = 0;
  for (let start = 0; start < rows.length; start += batchSize) {
    signal.throwIfAborted();
    const result = await trainer.evaluate(batchOf(samples, rows.subarray(start, start + batchSize)));
    loss += result.loss * result.counted;
    counted += result.counted;
    if (result.correct !== undefined) correct = (correct ?? 0) + result.correct;
    await new Promise(setImmediate);
  }
  return { loss: loss / counted, accuracy: correct === undefined ? null : correct / counted };
}

/** An adapter as PEFT saves it; for the other methods the whole state dict. */
async function save(
  request: TrainRequest,
  { model, values }: OpenedModel,
  what: Trainable,
  trained: ReadonlyMap<string, Tensor>,
  { labels }: Targets,
): Promise<TrainReport["output"]> {
  const folder = await makeFolder(request.output);
  const named = labels ? [await insideFolder(folder, LABELS_FILE)] : [];
  for (const file of named) await writeLabels(file, labels!);
  if (what.adapter) {
    return {
      folder,
      files: [...(await saveAdapter(folder, what.adapter.config, new Map([...what.initial, ...trained]))), ...named],
    };
  }
  const file = await insideFolder(folder, "model.safetensors");
  const tensors = new Map<string, StoredTensor>();
  for (const entry of model.stateDict) {
    if (entry.tiedTo === undefined) tensors.set(entry.path, trained.get(entry.path) ?? values.get(entry.path)!);
  }
  await writeSafetensors(file, tensors, { format: "pt" });
  return { folder, files: [file, ...named] };
}
