import { UserError } from "../../formats/errors";
import type { Tensor } from "../../formats/tensor";
import { Random } from "../../numbers/random";
import type { Model, Traced } from "../../readers/model";
import { dataSourceOf } from "../../training/data/registry";
import type { Data, DataChoice } from "../../training/data/source";
import type { Loss, Targets } from "../../training/losses/loss";
import { chooseLoss } from "../../training/losses/registry";

/** Data for one model: inputs, targets, the loss, and the held-out samples. */
export interface Samples {
  readonly data: Data;
  readonly loss: Loss;
  readonly targets: Targets;
  /** Numbers of the samples of each split. */
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

export interface SamplesChoice extends DataChoice {
  /** Share of the samples that is held out, 0 to 0.5. */
  readonly validation: number;
  readonly seed: number;
  /** The loss; without one the labels and the model's output decide. */
  readonly loss?: string;
}

/** The number of batches in one split; the last may be smaller. */
export function batchCount(samples: number, batchSize: number): number {
  return Math.ceil(samples / batchSize);
}

/**
 * Reads the data, checks that the model can take it and learn its labels, and splits it.
 * @param example the model as it is traced with its example inputs.
 */
export async function loadSamples(
  model: Model,
  choice: SamplesChoice,
  signal: AbortSignal,
  example: Traced = model.trace(),
): Promise<Samples> {
  const { file, label, validation, seed } = choice;
  if (!(validation >= 0 && validation <= 0.5)) {
    throw new UserError(`the validation share must be between 0 and 0.5, not ${validation}`);
  }
  const data = await dataSourceOf(file).open(choice, model, example, signal);
  const subject = { model, output: outputShape(model, example), column: label };
  const loss = chooseLoss(choice.loss, data.labels, subject);
  const targets = loss.targets(data.labels, subject);
  const order = new Uint32Array(data.samples).map((_, i) => i);
  new Random(seed).shuffle(order);
  const held = Math.round(data.samples * validation);
  if (data.samples - held < 1) throw new UserError(`${file} has ${data.samples} rows: too few to train on`, { file });
  return { data, loss, targets, validation: order.subarray(0, held), train: order.subarray(held) };
}

function outputShape(model: Model, { graph }: Traced): readonly number[] {
  const output = graph.outputs.get("output");
  if (!output) {
    throw new UserError(
      `${model.className}.forward returns several values (${[...graph.outputs.keys()].join(", ")}); training needs one tensor, the prediction`,
      { file: model.file, line: model.place.line },
    );
  }
  return output.shape;
}

/** The input and target tensors of the given samples. */
export function batchOf({ data, targets }: Samples, samples: Uint32Array): ReadonlyMap<string, Tensor> {
  return new Map([...data.batch(samples), ...targets.batch(samples)]);
}
