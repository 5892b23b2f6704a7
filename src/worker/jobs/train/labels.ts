import type { TrainReport } from "../../../protocol/reports";
import type { Labels } from "../../formats/csv";
import { UserError } from "../../formats/errors";
import { replaceFile } from "../../formats/files";
import { sizeOf } from "../../formats/tensor";
import { shapeText } from "../../graph/shapes";
import type { LossKind } from "../../passes/loss";
import type { Model } from "../../readers/model";

/** What a table's labels are to a model: classes, each an output of it, or numbers. */

/** Beside what was trained: what each output stands for. */
export const LABELS_FILE = "labels.json";

export interface Targets {
  readonly loss: LossKind;
  /** By row: the class's index, or the number. */
  readonly values: ArrayLike<number>;
  /** For classes. */
  readonly labels?: NonNullable<TrainReport["labels"]>;
}

/**
 * The outputs decide. One output a sample: the labels are numbers to predict. Several: they are classes. Whole numbers
 * from 0 to the last output are their own index, whether or not each of them occurs. Other whole numbers, in their
 * order, and names, in alphabetical order, get the indices from 0. Throws a UserError where the two do not fit.
 */
export function targetsOf(labels: Labels, output: readonly number[], model: Model, column: string): Targets {
  const width = output.length === 1 ? 1 : sizeOf(output.slice(1));
  const place = { file: model.file, line: model.place.line };
  if (width === 1) {
    if (labels.kind === "numbers") return { loss: "mean-squared-error", values: labels.values };
    throw new UserError(
      `"${column}" holds class names, such as "${labels.name}", but ${model.className} returns one number a sample; it needs an output for each class`,
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
  const indexOf = indices(labels, width);
  if (!indexOf) {
    throw new UserError(
      `"${column}" has ${found.length} classes (${some(found.map(String))}), but ${model.className} tells ${width} apart`,
      place,
    );
  }
  return {
    loss: "cross-entropy",
    values: labels.kind === "names" ? labels.values : labels.values.map((n) => indexOf.get(n)!),
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

/** Hugging Face's two fields of a configuration that say what a classifier's outputs are called. */
export async function writeLabels(file: string, { column, classes }: NonNullable<TrainReport["labels"]>) {
  const id2label = Object.fromEntries(classes.map(({ label, index }) => [index, label]));
  // By hand: an object would put labels that are numbers before all others.
  const label2id = classes.map(({ label, index }) => `    ${JSON.stringify(label)}: ${index}`).join(",\n");
  const names = JSON.stringify(id2label, null, 2).replaceAll("\n", "\n  ");
  await replaceFile(
    file,
    `{\n  "column": ${JSON.stringify(column)},\n  "id2label": ${names},\n  "label2id": {\n${label2id}\n  }\n}\n`,
  );
}
