import { UserError } from "../../formats/errors";
import type { Labels } from "../../formats/labels";
import { int64, sizeOf } from "../../formats/tensor";
import {
  arange,
  argmax,
  binary,
  cast,
  full,
  input,
  logSoftmax,
  reduce,
  reduceAll,
  reshape,
  unary,
  where,
} from "../../graph/build";
import type { Node, Shape } from "../../graph/node";
import { shapeText } from "../../graph/shapes";
import type { Loss, LossNodes, LossSubject, Targets } from "./loss";

/** The input that holds the number of each sample's class. */
const TARGET = "target";

/** Mean of -log softmax(logits)[class]: the labels are classes, each an output of the model. */
export const crossEntropy: Loss = {
  id: "cross-entropy",
  label: "cross-entropy",
  takes: (output) => width(output) !== 1,
  targets,
  attach,
};

function width(output: Shape): number {
  return output.length === 1 ? 1 : sizeOf(output.slice(1));
}

/**
 * Whole numbers from 0 to the last output are their own index, whether or not each of them occurs. Other whole numbers,
 * in their order, and names, in alphabetical order, get the indices from 0.
 */
function targets(labels: Labels, { model, output, column }: LossSubject): Targets {
  const place = { file: model.file, line: model.place.line };
  const classes = width(output);
  if (labels.kind === "names" && classes === 1) {
    throw new UserError(
      `"${column}" holds class names, such as "${labels.name}", but ${model.className} returns one number per sample; it needs an output for each class`,
      place,
    );
  }
  const found = labels.kind === "names" ? labels.names : labels.distinct;
  const odd = labels.kind === "numbers" ? labels.distinct.find((n) => !Number.isInteger(n)) : undefined;
  if (odd !== undefined) {
    throw new UserError(
      `"${column}" holds numbers to predict, such as ${odd}, but ${model.className} returns ${shapeText(output)}; classes are whole numbers or names`,
      place,
    );
  }
  if (output.length !== 2) {
    throw new UserError(
      `${model.className} returns ${shapeText(output)}; to predict the classes in "${column}" it must return [samples, classes]`,
      place,
    );
  }
  const indexOf = indices(labels, classes);
  if (!indexOf) {
    throw new UserError(
      `"${column}" has ${found.length} classes (${some(found.map(String))}), but ${model.className} tells ${classes} apart`,
      place,
    );
  }
  const values: ArrayLike<number> = labels.kind === "names" ? labels.values : labels.values.map((n) => indexOf.get(n)!);
  return {
    batch: (samples) =>
      new Map([
        [
          TARGET,
          int64(
            [samples.length],
            Float64Array.from(samples, (i) => values[i]!),
          ),
        ],
      ]),
    labels: {
      column,
      identity: labels.kind === "numbers" && labels.distinct.every((n) => indexOf.get(n) === n),
      classes: found.map((label, i) => ({
        label: String(label),
        index: labels.kind === "names" ? i : indexOf.get(label as number)!,
      })),
    },
  };
}

/** The index of each number; undefined when there are more classes than outputs. */
function indices(labels: Labels, width: number): ReadonlyMap<number, number> | undefined {
  if (labels.kind === "names") return labels.names.length > width ? undefined : new Map();
  const { distinct } = labels;
  if (distinct.every((n) => n >= 0 && n < width)) return new Map(distinct.map((n) => [n, n]));
  return distinct.length > width ? undefined : new Map(distinct.map((n, i) => [n, i]));
}

const SOME = 6;

function some(labels: readonly string[]): string {
  const shown = labels.length > SOME ? [...labels.slice(0, SOME - 1), "…", labels.at(-1)!] : labels;
  return shown.join(", ");
}

/** Over all rows of logits [..., classes], with the classes int64 [...]. */
function attach(logits: Node): LossNodes {
  const rank = logits.shape.length;
  const classes = logits.shape.at(-1);
  if (rank < 2 || classes === undefined || classes < 2) {
    throw new UserError(
      `cross-entropy needs an output of [samples, classes] with at least two classes; this model's is ${shapeText(logits.shape)}`,
    );
  }
  const leading = logits.shape.slice(0, -1);
  const target = input(TARGET, leading, "int64") as Node<"input">;
  // A comparison instead of a gather: its gradient is a product too, and every engine is fast at both.
  const hit = binary("equal", reshape(target, [...leading, 1]), arange(classes, "int64"));
  const logProbability = logSoftmax(logits, rank - 1);
  const picked = reduce("sum", where(hit, logProbability, full(0, [], "float32")), [rank - 1], false);
  return {
    inputs: [target],
    results: {
      loss: unary("neg", reduceAll("mean", picked)),
      correct: reduceAll("sum", cast(binary("equal", argmax(logits, rank - 1, false), target), "float32")),
    },
  };
}
