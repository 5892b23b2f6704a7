import { basename } from "node:path";
import { type ModelFormat, modelFormat } from "../protocol/commands";
import { SummaryRequest } from "../protocol/messages";
import type { WorkerClient } from "./client";
import { findFiles } from "./dialogs/files";
import type { ChosenModel } from "./modelFile";

/** Which files may hold a base model's weights: it depends on what the model itself is written in. */
interface WeightSource {
  /** Endings of their names, the usual first. */
  readonly suffixes: readonly string[];
  /** Extensions for the file dialog. */
  readonly extensions: readonly string[];
  /** What no file means. */
  readonly none: string;
}

const KERAS: WeightSource = {
  suffixes: [".weights.h5", ".h5", ".hdf5", ".keras", ".safetensors"],
  extensions: ["h5", "hdf5", "keras", "json", "safetensors"],
  none: "None: Keras's default initialization",
};

const SOURCES: Readonly<Record<ModelFormat, WeightSource>> = {
  pytorch: {
    // safetensors, torch.save's files, and the index of a checkpoint in shards.
    suffixes: [".safetensors", ".safetensors.index.json", ".pt", ".pth", ".bin", ".bin.index.json"],
    extensions: ["safetensors", "pt", "pth", "bin", "ckpt", "json"],
    none: "None: PyTorch's default initialization",
  },
  "tfjs-source": KERAS,
  "keras-json": { ...KERAS, none: "Those that the model's JSON names, or else Keras's default initialization" },
  "keras-file": { ...KERAS, none: "The file's own" },
};

/** Files that training leaves beside weights, shards, which are chosen by their index, and TensorFlow.js's shards. */
const NOT_WEIGHTS =
  /^(adapter_model|optimizer|scheduler|scaler|training_args|rng_state|weights\.bin$)|-\d{5}-of-\d{5}\.|-shard\d+of\d+\./;

/** What choosing the base model's weights offers. */
export interface WeightChoices {
  /** Of the model's folder and the workspace. Absolute paths. */
  readonly files: readonly string[];
  readonly none: string;
  /** For the file dialog. */
  readonly filters: Record<string, string[]>;
}

export async function weightChoices(client: WorkerClient, model: ChosenModel): Promise<WeightChoices> {
  const { suffixes, extensions, none } = SOURCES[modelFormat(model.file)];
  const found = new Set<string>();
  for (const suffix of suffixes) for (const file of await findFiles(suffix, model.file)) found.add(file);
  found.delete(model.file);
  const files = [...found].filter((file) => !NOT_WEIGHTS.test(basename(file)));
  const { models } = await client.request(SummaryRequest, { uri: model.uri.toString() });
  const loads = models.find((one) => one.class === model.class)?.loads;
  const loaded = loads && `Those of ${loads.join(" and ")}, which the code loads`;
  return { files, none: loaded ?? none, filters: { Weights: [...extensions] } };
}
