import type { TrainRequest } from "../../../protocol/jobs";
import type { EpochResult, InjectionSummary, TrainMethod, TrainProgress, TrainReport } from "../../../protocol/reports";
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
import { addLoss } from "../../passes/loss";
import { type PlannedAdapter, planAdapter } from "../adapter";
import type { JobContext } from "../context";
import { type OpenedModel, openModel, withStored } from "../opened";
import { batchCount, batchOf, type Dataset, loadDataset } from "./data";
import { LABELS_FILE, type Targets, writeLabels } from "./labels";
import { type StepResult, Trainer } from "./trainer";

/**
 * Adam starts here unless told otherwise. An adapter wants about ten times a full fine-tune's learning rate
 * (Schulman et al., "LoRA Without Regret", 2025).
 */
const LEARNING_RATE: Readonly<Record<TrainMethod, number>> = { lora: 1e-3, head: 1e-3, full: 1e-4 };

/** Trains an adapter, the head alone, or every weight, and saves the result. */
export async function train(request: TrainRequest, context: JobContext): Promise<TrainReport> {
  requireWhole("epochs", request.epochs);
  requireWhole("the batch size", request.batchSize);
  const learningRate = request.learningRate ?? LEARNING_RATE[request.method];
  if (!(learningRate > 0 && learningRate < 100)) {
    throw new UserError(`the learning rate must be above 0, not ${learningRate}; 0.001 is usual`);
  }
  const started = performance.now();
  context.onProgress({ message: "Reading the model and the data", fraction: 0 });
  const opened = await openModel(request.model);
  const { model, seed } = opened;
  const example = model.trace();
  const what = await whatToTrain(request, opened, example.graph);
  const { data: file, label, validation } = request;
  const data = await loadDataset(model, file, label, validation, seed, context.signal, example);
  const { engine, device } = await chooseEngine(request.engine);
  context.onProgress({ message: `Compiling the training step for ${engine.label}`, fraction: 0 });

  const batchSize = Math.min(request.batchSize, data.train.length);
  const graphs = new GraphsByBatch(opened, data, what.adapter);
  const trainer = Trainer.create(
    {
      engine,
      graph: (batch, training) => graphs.at(batch, training),
      trainable: what.trained,
      values: opened.values,
      initial: what.initial,
      learningRate,
      adam: { weightDecay: request.weightDecay ?? 0 },
      seed,
      signal: context.signal,
    },
    batchSize,
  );
  try {
    const held = data.validation.length > 0 ? data.validation : data.train;
    const measure = () => evaluate(trainer, data, held, batchSize, graphs, context.signal);
    const before = await measure();
    const run = new Run(request.epochs, batchCount(data.train.length, batchSize), context, before);
    const epochs: EpochResult[] = [];
    const order = Uint32Array.from(data.train);
    const shuffle = new Random(seed + 2);
    let after = before;
    for (let epoch = 1; epoch <= request.epochs && !context.stop.aborted; epoch++) {
      shuffle.shuffle(order);
      let sum = 0;
      let samples = 0;
      for (let start = 0; start < order.length && !context.stop.aborted; start += batchSize) {
        context.signal.throwIfAborted();
        const rows = order.subarray(start, start + batchSize);
        const { loss } = await trainer.step(batchOf(data, rows, graphs.targetShape(rows.length)));
        sum += loss * rows.length;
        samples += rows.length;
        run.stepped(epoch, loss, rows.length);
        // Messages, a stop among them, are handled between steps.
        await new Promise(setImmediate);
      }
      after = await measure();
      const result = {
        epoch,
        trainLoss: sum / samples,
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
      loss: data.targets.loss,
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
  /** First values of the trainable parameters, and of what the adapter has besides. */
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

/** The model's graph with its loss, traced at each batch size that occurs. */
class GraphsByBatch {
  private readonly cache = new Map<string, Graph>();

  constructor(
    private readonly opened: OpenedModel,
    private readonly data: Dataset,
    private readonly adapter: PlannedAdapter | null,
  ) {}

  at(batch: number, training: boolean): Graph {
    const key = `${batch} ${training}`;
    let graph = this.cache.get(key);
    if (!graph) {
      const {
        input,
        targets: { loss },
      } = this.data;
      const shape = [batch, ...input.shape.slice(1)];
      const { model, values } = this.opened;
      graph = withStored(model.trace({ inputs: [{ ...input, shape }], training }), values).graph;
      if (this.adapter) graph = injectLora(graph, this.adapter.layers);
      graph = addLoss(graph, loss);
      this.cache.set(key, graph);
    }
    return graph;
  }

  targetShape(batch: number): readonly number[] {
    return this.at(batch, true).inputs.find((node) => node.attrs.name === "target")!.shape;
  }
}

async function evaluate(
  trainer: Trainer,
  data: Dataset,
  rows: Uint32Array,
  batchSize: number,
  graphs: GraphsByBatch,
  signal: AbortSignal,
): Promise<{ loss: number; accuracy: number | null }> {
  let loss = 0;
  let correct: number | null = data.targets.loss === "cross-entropy" ? 0 : null;
  for (let start = 0; start < rows.length; start += batchSize) {
    signal.throwIfAborted();
    const part = rows.subarray(start, start + batchSize);
    const result: StepResult = await trainer.evaluate(batchOf(data, part, graphs.targetShape(part.length)));
    loss += result.loss * part.length;
    if (correct !== null) correct += result.correct ?? 0;
    await new Promise(setImmediate);
  }
  return { loss: loss / rows.length, accuracy: correct === null ? null : correct / rows.length };
}

/** Counts steps, measures speed and tells both. */
class Run {
  readonly losses: number[] = [];
  private readonly started = performance.now();
  private pending: number[] = [];
  private samples = 0;
  private window = { at: performance.now(), samples: 0, rate: 0 };
  private validation: EpochResult | undefined;

  constructor(
    private readonly epochs: number,
    private readonly stepsPerEpoch: number,
    private readonly context: JobContext,
    before: { readonly loss: number; readonly accuracy: number | null },
  ) {
    this.validation = {
      epoch: 0,
      trainLoss: before.loss,
      validationLoss: before.loss,
      validationAccuracy: before.accuracy,
    };
  }

  /** Samples a second, evaluation included. */
  get overallRate(): number {
    return this.samples / ((performance.now() - this.started) / 1000);
  }

  stepped(epoch: number, loss: number, samples: number): void {
    this.losses.push(loss);
    this.pending.push(loss);
    this.samples += samples;
    this.window.samples += samples;
    const now = performance.now();
    if (now - this.window.at > 1000 || this.window.rate === 0) {
      this.window = { at: now, samples: 0, rate: this.window.samples / ((now - this.window.at) / 1000) };
    }
    this.report(epoch);
  }

  finishedEpoch(result: EpochResult): void {
    this.validation = result;
    this.report(result.epoch);
  }

  private report(epoch: number): void {
    const step = this.losses.length;
    const steps = this.epochs * this.stepsPerEpoch;
    const seconds = (performance.now() - this.started) / 1000;
    const secondsLeft = step === 0 ? 0 : (seconds * (steps - step)) / step;
    const training: TrainProgress = {
      kind: "train-progress",
      step,
      steps,
      epoch,
      epochs: this.epochs,
      losses: this.pending,
      samplesPerSecond: this.window.rate,
      secondsLeft,
      ...(this.validation && { validation: this.validation }),
    };
    this.pending = [];
    this.validation = undefined;
    this.context.onProgress({
      message: `Epoch ${epoch} of ${this.epochs}, step ${step} of ${steps}`,
      fraction: step / steps,
      secondsLeft,
      training,
    });
  }
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
