import { UserError } from "../../formats/errors";
import type { Labels } from "../../formats/labels";
import { shapeText } from "../../graph/shapes";
import { rowOf } from "../choose";
import { crossEntropy } from "./crossEntropy";
import type { Loss, LossSubject } from "./loss";
import { meanSquaredError } from "./meanSquaredError";

/** The losses to choose from, in the order in which they are tried. */
export const LOSSES: readonly [Loss, ...Loss[]] = [crossEntropy, meanSquaredError];

/** The loss of that id; without one the first that takes the model's output with these labels. */
export function chooseLoss(id: string | undefined, labels: Labels, { model, output }: LossSubject): Loss {
  if (id !== undefined) return rowOf(LOSSES, id, "loss");
  const loss = LOSSES.find((row) => row.takes(output, labels));
  if (loss) return loss;
  throw new UserError(`no loss takes ${model.className}'s output ${shapeText(output)}; choose one by its name`, {
    file: model.file,
    line: model.place.line,
  });
}
