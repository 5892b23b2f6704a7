import { basename } from "node:path";
import { type ModelFormat, modelFormat } from "../protocol/commands";
import { SummaryRequest, WeightFilesRequest } from "../protocol/messages";
import type { WorkerClient } from "./client";
import { findFiles } from "./dialogs/files";
import type { ChosenModel } from "./modelFile";

/** The meaning of choosing no weights file, by the model's format. */
const NONE: Readonly<Record<ModelFormat, string>> = {
  pytorch: "None: PyTorch's default initialization",
  "tfjs-source": "None: Keras's default initialization",
  "keras-json": "The weights that the model's JSON names, or else Keras's default initialization",
  "keras-file": "The file's own weights",
};

/** The choices for the base model's weights. */
export interface WeightChoices {
  /** Of the model's folder and the workspace. Absolute paths. */
  readonly files: readonly string[];
  readonly none: string;
  /** For the file dialog. */
  readonly filters: Record<string, string[]>;
}

export async function weightChoices(client: WorkerClient, model: ChosenModel): Promise<WeightChoices> {
  const { endings, extensions, hidden } = await client.request(WeightFilesRequest, { file: model.file });
  const found = new Set<string>();
  for (const ending of endings) for (const file of await findFiles(ending, model.file)) found.add(file);
  found.delete(model.file);
  const patterns = hidden.map((pattern) => new RegExp(pattern, "i"));
  const files = [...found].filter((file) => !patterns.some((pattern) => pattern.test(basename(file))));
  const { models } = await client.request(SummaryRequest, { uri: model.uri.toString() });
  const loads = models.find((one) => one.class === model.class)?.loads;
  const loaded = loads && `${loads.join(" and ")}, which the code loads`;
  return { files, none: loaded ?? NONE[modelFormat(model.file)], filters: { Weights: [...extensions] } };
}
