import type { Engine, EngineTensor, Executable, Feed, ParameterValue } from "../../engines/engine";
import { toFloat32 } from "../../formats/convert";
import { UserError } from "../../formats/errors";
import { allocate, type Tensor } from "../../formats/tensor";
import type { Graph } from "../../graph/graph";
import { Random } from "../../numbers/random";
import { maskDropout, removeDropout } from "../../passes/dropout";
import {
  type AdamOptions,
  adamFeeds,
  MOMENT_1,
  MOMENT_2,
  PARAMETERS,
  type PackedLayout,
  trainingStep,
  unpackParameters,
} from "../../passes/optimizer";
import { simplify } from "../../passes/simplify";
import { drawNoise } from "../noise";
import { valuesFor } from "../opened";

/** What to train: a graph with a `loss` for each batch size, and what of it may change. */
export interface TrainerSetup {
  readonly engine: Engine;
  /** The forward graph with its loss at a batch size, in training or evaluation mode. */
  graph(batch: number, training: boolean): Graph;
  /** State-dict paths of the trainable parameters. */
  readonly trainable: readonly string[];
  /** Values of every parameter, the trainable ones' first values included. */
  readonly values: ReadonlyMap<string, ParameterValue>;
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly learningRate: number;
  readonly adam: AdamOptions;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface StepResult {
  /** Mean over the batch. */
  readonly loss: number;
  /** Samples predicted right; undefined for regression. */
  readonly correct: number | undefined;
}

/**
 * Holds the trainable parameters and the optimizer's moments in the engine's memory and runs compiled training steps
 * on them. One executable for each batch size, made when it is first met: the last batch of an epoch is often smaller.
 */
export class Trainer {
  private readonly steps = new Map<number, { executable: Executable; graph: Graph }>();
  private readonly evaluations = new Map<number, { executable: Executable; graph: Graph }>();
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
    const zeros = () => allocate("float32", [layout.length]);
    this.state = new Map([
      [PARAMETERS, layout.pack(setup.initial)],
      [MOMENT_1, zeros()],
      [MOMENT_2, zeros()],
    ]);
  }

  static create(setup: TrainerSetup, batch: number): Trainer {
    const { layout, unused } = trainingStep(maskDropout(setup.graph(batch, true)), setup.trainable, setup.adam);
    return new Trainer(setup, layout, unused);
  }

  /** One optimizer step on a batch. Throws a UserError when the loss is no longer a number. */
  async step(batch: ReadonlyMap<string, Tensor>): Promise<StepResult> {
    const { executable, graph } = await this.compiled(this.steps, sizeOfBatch(batch), true);
    this.count++;
    const feeds = new Map<string, Feed>([
      ...batch,
      ...this.state,
      ...adamFeeds(this.count, this.setup.learningRate, this.setup.adam),
      ...drawNoise(graph, this.masks),
    ]);
    const outputs = await executable.run(feeds);
    const result = await readResult(outputs);
    const next = new Map<string, Feed>();
    for (const name of [PARAMETERS, MOMENT_1, MOMENT_2]) {
      const previous = this.state.get(name)!;
      if ("dispose" in previous) previous.dispose();
      next.set(name, outputs.get(name)!);
    }
    this.state = next;
    if (!Number.isFinite(result.loss)) {
      throw new UserError(
        `the loss is ${result.loss} at step ${this.count}: training diverged; use a smaller learning rate than ${this.setup.learningRate}`,
      );
    }
    return result;
  }

  /** Loss and correct predictions of a batch in evaluation mode, with the parameters as they are now. */
  async evaluate(batch: ReadonlyMap<string, Tensor>): Promise<StepResult> {
    const { executable, graph } = await this.compiled(this.evaluations, sizeOfBatch(batch), false);
    // The same noise at each evaluation, so that their losses compare.
    const noise = drawNoise(graph, new Random(this.setup.seed + 3));
    return readResult(
      await executable.run(new Map<string, Feed>([...batch, ...noise, [PARAMETERS, this.state.get(PARAMETERS)!]])),
    );
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
    cache: Map<number, { executable: Executable; graph: Graph }>,
    batch: number,
    training: boolean,
  ) {
    const known = cache.get(batch);
    if (known) return known;
    const { engine, trainable, adam, values, signal } = this.setup;
    const forward = this.setup.graph(batch, training);
    const graph = simplify(
      training
        ? trainingStep(maskDropout(forward), trainable, adam).graph
        : unpackParameters(onlyResults(removeDropout(forward)), this.layout),
    );
    const made = {
      executable: await engine.compile(graph, {
        parameters: valuesFor(graph, values, this.setup.initial),
        ...(signal && { signal }),
      }),
      graph,
    };
    cache.set(batch, made);
    return made;
  }
}

function onlyResults(graph: Graph): Graph {
  return graph.withOutputs([...graph.outputs].filter(([name]) => name === "loss" || name === "correct"));
}

function sizeOfBatch(batch: ReadonlyMap<string, Tensor>): number {
  for (const tensor of batch.values()) return tensor.shape[0] ?? 1;
  throw new RangeError("an empty batch");
}

/** Reads and disposes of the scalars; the state outputs stay. */
async function readResult(outputs: ReadonlyMap<string, EngineTensor>): Promise<StepResult> {
  const scalar = async (name: string) => {
    const tensor = outputs.get(name);
    if (!tensor) return undefined;
    const value = toFloat32(await tensor.read())[0]!;
    tensor.dispose();
    return value;
  };
  return { loss: (await scalar("loss"))!, correct: await scalar("correct") };
}
