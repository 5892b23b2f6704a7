import type { TrainReport } from "../../../protocol/reports";
import { replaceFile } from "../../formats/files";

/** A file next to the trained weights that says what each output stands for. */
export const LABELS_FILE = "labels.json";

/** Hugging Face's two fields of a configuration that say what a classifier's outputs are called. */
export async function writeLabels(file: string, { column, classes }: NonNullable<TrainReport["labels"]>) {
  const id2label = Object.fromEntries(classes.map(({ label, index }) => [index, label]));
  // Written by hand: an object would sort labels that are numbers first.
  const label2id = classes.map(({ label, index }) => `    ${JSON.stringify(label)}: ${index}`).join(",\n");
  const names = JSON.stringify(id2label, null, 2).replaceAll("\n", "\n  ");
  await replaceFile(
    file,
    `{\n  "column": ${JSON.stringify(column)},\n  "id2label": ${names},\n  "label2id": {\n${label2id}\n  }\n}\n`,
  );
}
