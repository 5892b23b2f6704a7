import type { Engine, EngineTensor, Executable, Feed, ParameterValue } from "../../engines/engine";
import { toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import type { Tensor } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { Random } from "../../numbers/random";
import { maskDropout, removeDropout } from "../../passes/dropout";
import { simplify } from "../../passes/simplify";
import { RESULTS } from "../../training/losses/loss";
import type { Optimizer } from "../../training/optimizers/optimizer";
import { PARAMETERS, type PackedLayout, unpackParameters } from "../../training/packed";
import { initialState, trainingStep } from "../../training/step";
import { drawNoise } from "../noise";
import { valuesFor } from "../opened";

/** Shapes of a batch's tensors, by name. */
export type BatchShapes = ReadonlyMap<string, readonly number[]>;

/** What to train: a graph with a `loss` for each batch shape, and its trainable parameters. */
export interface TrainerSetup {
  readonly engine: Engine;
  /** The forward graph with its loss for a batch of these shapes, in training or evaluation mode. */
  graph(batch: BatchShapes, training: boolean): Graph;
  /** State-dict paths of the trainable parameters. */
  readonly trainable: readonly string[];
  /** Values of every parameter, the trainable ones' first values included. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly optimizer: Optimizer;
  /** At a step, counted from 1. */
  learningRate(step: number): number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface StepResult {
  /** Mean over the predictions. */
  readonly loss: number;
  /** Predictions that are right; undefined for regression. */
  readonly correct: number | undefined;
  /** The number of predictions that the loss is averaged over: the samples, unless the loss counts them itself. */
  readonly counted: number;
}

interface Compiled {
  readonly executable: Executable;
  readonly graph: Graph;
}

/**
 * Holds the trainable parameters and the optimizer's state in the engine's memory and runs compiled training steps on
 * them. One executable for each shape of a batch, made when it is first met: the last batch of an epoch is often
 * smaller.
 */
export class Trainer {
  private readonly steps = new Map<string, Compiled>();
  private readonly evaluations = new Map<string, Compiled>();
  private readonly masks: Random;
  private state: ReadonlyMap<string, Feed>;
  private count = 0;

  private constructor(
    private readonly setup: TrainerSetup,
    readonly layout: PackedLayout,
    /** Trainable parameters that the loss does not depend on: they stay as they are. */
    readonly unused: readonly string[],
  ) {
    this.masks = new Random(setup.seed + 1);
    this.state = initialState(layout, setup.initial, setup.optimizer);
  }

  static create(setup: TrainerSetup, batch: BatchShapes): Trainer {
    const { layout, unused } = trainingStep(maskDropout(setup.graph(batch, true)), setup.trainable, setup.optimizer);
    return new Trainer(setup, layout, unused);
  }

  /** One optimizer step on a batch. Throws a UserError when the loss is no longer a number. */
  async step(batch: ReadonlyMap<string, Tensor>): Promise<StepResult> {
    const { optimizer } = this.setup;
    const { executable, graph } = await this.compiled(this.steps, batch, true);
    this.count++;
    const learningRate = this.setup.learningRate(this.count);
    const feeds = new Map<string, Feed>([
      ...batch,
      ...this.state,
      ...optimizer.feeds(this.count, learningRate),
      ...drawNoise(graph, this.masks),
    ]);
    const outputs = await executable.run(feeds);
    const result = await readResult(outputs, batch);
    const next = new Map<string, Feed>();
    for (const [name, previous] of this.state) {
      if ("dispose" in previous) previous.dispose();
      next.set(name, outputs.get(name)!);
    }
    this.state = next;
    if (!Number.isFinite(result.loss)) {
      throw new UserError(
        `the loss is ${result.loss} at step ${this.count}: training diverged; use a learning rate below ${learningRate}`,
      );
    }
    return result;
  }

  /** Loss and correct predictions of a batch in evaluation mode, with the parameters as they are now. */
  async evaluate(batch: ReadonlyMap<string, Tensor>): Promise<StepResult> {
    const { executable, graph } = await this.compiled(this.evaluations, batch, false);
    // The same noise at each evaluation, so that the losses can be compared.
    const noise = drawNoise(graph, new Random(this.setup.seed + 3));
    const feeds = new Map<string, Feed>([...batch, ...noise, [PARAMETERS, this.state.get(PARAMETERS)!]]);
    return readResult(await executable.run(feeds), batch);
  }

  /** The trainable parameters as they are now, by path; those the loss does not depend on keep their first values. */
  async parameters(): Promise<Map<string, Tensor>> {
    const packed = this.state.get(PARAMETERS)!;
    const trained = this.layout.unpack("read" in packed ? await packed.read() : packed);
    return new Map(this.setup.trainable.map((path) => [path, trained.get(path) ?? this.setup.initial.get(path)!]));
  }

  async dispose(): Promise<void> {
    for (const tensor of this.state.values()) if ("dispose" in tensor) tensor.dispose();
    for (const { executable } of [...this.steps.values(), ...this.evaluations.values()]) await executable.dispose();
  }

  private async compiled(
    cache: Map<string, Compiled>,
    batch: ReadonlyMap<string, Tensor>,
    training: boolean,
  ): Promise<Compiled> {
    const shapes = shapesOf(batch);
    const key = shapesKey(shapes);
    const known = cache.get(key);
    if (known) return known;
    const { engine, trainable, optimizer, values, signal } = this.setup;
    const forward = this.setup.graph(shapes, training);
    const graph = simplify(
      training
        ? trainingStep(maskDropout(forward), trainable, optimizer).graph
        : unpackParameters(onlyResults(removeDropout(forward)), this.layout),
    );
    const made = {
      executable: await engine.compile(graph, {
        parameters: valuesFor(graph, values, this.setup.initial),
        ...(signal && { signal }),
      }),
      graph,
    };
    cache.set(key, made);
    return made;
  }
}

function onlyResults(graph: Graph): Graph {
  return graph.withOutputs([...graph.outputs].filter(([name]) => (RESULTS as readonly string[]).includes(name)));
}

export function shapesOf(batch: ReadonlyMap<string, Tensor>): BatchShapes {
  return new Map([...batch].map(([name, { shape }]) => [name, shape]));
}

export function shapesKey(shapes: BatchShapes): string {
  return [...shapes].map(([name, shape]) => `${name}:${shape.join(",")}`).join(" ");
}

function samplesIn(batch: ReadonlyMap<string, Tensor>): number {
  for (const tensor of batch.values()) return tensor.shape[0] ?? 1;
  throw new RangeError("an empty batch");
}

/** Reads and disposes of the scalars; the state outputs stay. */
async function readResult(
  outputs: ReadonlyMap<string, EngineTensor>,
  batch: ReadonlyMap<string, Tensor>,
): Promise<StepResult> {
  const scalar = async (name: (typeof RESULTS)[number]) => {
    const tensor = outputs.get(name);
    if (!tensor) return undefined;
    const value = toFloat32(await tensor.read())[0]!;
    tensor.dispose();
    return value;
  };
  return {
    loss: (await scalar("loss"))!,
    correct: await scalar("correct"),
    counted: (await scalar("counted")) ?? samplesIn(batch),
  };
}
