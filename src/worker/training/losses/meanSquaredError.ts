import { UserError } from "../../formats/errors";
import type { Labels } from "../../formats/labels";
import { float32, sizeOf } from "../../formats/tensor";
import { input, mul, reduceAll, scalar, sub } from "../../graph/build";
import type { Node, Shape } from "../../graph/node";
import { shapeText } from "../../graph/shapes";
import type { Loss, LossNodes, LossSubject, Targets } from "./loss";

/** The input that holds the numbers to predict. */
const TARGET = "target";

/** Mean of (output - target)^2, as torch.nn.MSELoss reduces: one number a sample is predicted. */
export const meanSquaredError: Loss = {
  id: "mean-squared-error",
  label: "mean squared error",
  takes: isOneNumber,
  targets,
  attach,
};

function isOneNumber(output: Shape): boolean {
  return output.length === 1 || sizeOf(output.slice(1)) === 1;
}

function targets(labels: Labels, { model, output, column }: LossSubject): Targets {
  const place = { file: model.file, line: model.place.line };
  if (!isOneNumber(output)) {
    throw new UserError(
      `${model.className} returns ${shapeText(output)}; mean squared error compares one number per sample`,
      place,
    );
  }
  if (labels.kind === "names") {
    throw new UserError(
      `"${column}" holds class names, such as "${labels.name}", but ${model.className} returns one number per sample; it needs an output for each class`,
      place,
    );
  }
  const { values } = labels;
  return {
    batch: (samples) =>
      new Map([
        [
          TARGET,
          float32(
            [samples.length, ...output.slice(1)],
            Float32Array.from(samples, (i) => values[i]!),
          ),
        ],
      ]),
  };
}

function attach(output: Node): LossNodes {
  const target = input(TARGET, output.shape, "float32") as Node<"input">;
  const difference = sub(output, target);
  const sum = reduceAll("sum", mul(difference, difference));
  return { inputs: [target], results: { loss: mul(sum, scalar(1 / sizeOf(output.shape))) } };
}
