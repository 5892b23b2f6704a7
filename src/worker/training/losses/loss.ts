import { UserError } from "../formats/errors";
import { sizeOf } from "../formats/tensor";
import {
  arange,
  argmax,
  binary,
  cast,
  full,
  input,
  logSoftmax,
  mul,
  reduce,
  reduceAll,
  reshape,
  scalar,
  sub,
  unary,
  where,
} from "../graph/build";
import { Graph } from "../graph/graph";
import type { Node } from "../graph/node";
import { shapeText } from "../graph/shapes";

export type LossKind = "cross-entropy" | "mean-squared-error";

/** Name of the input that holds the classes or values to predict. */
export const TARGET_INPUT = "target";

/**
 * Adds a `target` input and the outputs `loss` (mean over the samples) and, for classes, `correct` (how many are
 * predicted right, float32). `prediction` names the graph's output to compare.
 */
export function addLoss(graph: Graph, kind: LossKind, prediction = "output"): Graph {
  const output = cast(graph.output(prediction), "float32");
  const { target, outputs } = kind === "cross-entropy" ? crossEntropy(output) : meanSquaredError(output);
  return new Graph(graph.name, [...graph.inputs, target], new Map([...graph.outputs, ...outputs]));
}

interface WithLoss {
  readonly target: Node<"input">;
  readonly outputs: readonly (readonly [string, Node])[];
}

/** Mean of -log softmax(logits)[class] over all rows; logits [..., classes], target int64 [...]. */
function crossEntropy(logits: Node): WithLoss {
  const rank = logits.shape.length;
  const classes = logits.shape.at(-1);
  if (rank < 2 || classes === undefined || classes < 2) {
    throw new UserError(
      `cross-entropy needs an output of [samples, classes] with at least two classes; this model's is ${shapeText(logits.shape)}`,
    );
  }
  const leading = logits.shape.slice(0, -1);
  const target = input(TARGET_INPUT, leading, "int64") as Node<"input">;
  // A comparison instead of a gather: its gradient is a product too, and every engine is fast at both.
  const hit = binary("equal", reshape(target, [...leading, 1]), arange(classes, "int64"));
  const logProbability = logSoftmax(logits, rank - 1);
  const picked = reduce("sum", where(hit, logProbability, full(0, [], "float32")), [rank - 1], false);
  const loss = unary("neg", reduceAll("mean", picked));
  const correct = reduceAll("sum", cast(binary("equal", argmax(logits, rank - 1, false), target), "float32"));
  return {
    target,
    outputs: [
      ["loss", loss],
      ["correct", correct],
    ],
  };
}

/** Mean of (output - target)^2 over every element, as torch.nn.MSELoss reduces. */
function meanSquaredError(output: Node): WithLoss {
  const target = input(TARGET_INPUT, output.shape, "float32") as Node<"input">;
  const difference = sub(output, target);
  const sum = reduceAll("sum", mul(difference, difference));
  return { target, outputs: [["loss", mul(sum, scalar(1 / sizeOf(output.shape)))]] };
}
