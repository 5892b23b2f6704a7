import { basename } from "node:path";
import { UserError } from "../../formats/errors";
import type { SourcePlace } from "../../graph/node";
import type { Model, ModelFile, Reader } from "../model";
import { Architecture, ArchitectureError, type LayerSpec, type Network } from "./architecture";
import { architectureText, isHdf5, isKerasArchive } from "./archive";
import { isJsonObject, type Json, parsePlacedJson } from "./json";
import { KerasModel } from "./model";
import { hasManifest } from "./weights";

/** Keras and TensorFlow.js architectures written as JSON. */
export const kerasReader: Reader = {
  match: (file) => file.toLowerCase().endsWith(".json"),
  open: async (file, text) => openKerasJson(file, text, hasManifest(text) ? file : undefined),
};

/** Keras's own files, with weights: the architecture they hold has no lines that an editor could show. */
export const kerasFileReader: Reader = {
  match: (file) => isKerasArchive(file) || isHdf5(file),
  open: async (file) => openKerasFile(file),
  binary: true,
};

async function openKerasFile(file: string): Promise<ModelFile> {
  // Minified, so that each place is line 1.
  const text = await architectureText(file);
  return openKerasJson(file, text.replaceAll(/[\r\n]+/g, " "), file);
}

const START: Omit<SourcePlace, "file"> = { line: 1, column: 1, endLine: 1, endColumn: 2 };

/** `weights`: the file that keeps them by default. What stands in the file, or why it holds no model: problems are data. */
export function openKerasJson(file: string, text: string, weights?: string): ModelFile {
  try {
    const { value, classNames } = parsePlacedJson(file, text);
    const placeOf = placer(file, text, classNames);
    return { file, models: [kerasModel(file, value, placeOf, weights)], problems: [] };
  } catch (error) {
    if (!(error instanceof UserError || error instanceof ArchitectureError)) throw error;
    const line = error instanceof UserError ? (error.place?.line ?? 1) : 1;
    const place = { file, ...START, line, endLine: line };
    return { file, models: [], problems: [{ place, message: error.message, severity: "error" }] };
  }
}

function kerasModel(
  file: string,
  value: Json,
  placeOf: (object: object) => SourcePlace,
  weights: string | undefined,
): Model {
  const topology = topologyOf(file, value);
  const architecture = new Architecture(placeOf);
  const spec = architecture.layer(topology);
  if (!isNetwork(spec)) {
    throw new UserError(`${basename(file)} describes a ${spec.className}, not a Sequential or functional model`, {
      file,
    });
  }
  const generation = spec.module.startsWith("keras") || isKeras3(value) ? 3 : 2;
  return new KerasModel(file, spec, architecture, generation, weights);
}

function isNetwork(spec: LayerSpec): spec is LayerSpec & { readonly network: Network } {
  return spec.network !== undefined;
}

/** The model's own object within what TensorFlow.js and Keras wrap around it. */
function topologyOf(file: string, value: Json): Json {
  if (!isJsonObject(value)) throw new UserError(`${basename(file)} holds no model`, { file });
  if (value.format === "graph-model" || (isJsonObject(value.modelTopology) && value.modelTopology.node !== undefined)) {
    throw new UserError(
      `${basename(file)} is a TensorFlow.js graph model: its layers were compiled away when it was converted. Convert the Keras model with --output_format=tfjs_layers_model`,
      { file },
    );
  }
  const topology = isJsonObject(value.modelTopology) ? value.modelTopology : value;
  const config = isJsonObject(topology.model_config) ? topology.model_config : topology;
  if (typeof config.class_name !== "string" || config.config === undefined) {
    throw new UserError(`${basename(file)} is not a Keras model: it has no class_name and config`, { file });
  }
  return config;
}

function isKeras3(value: Json): boolean {
  if (!isJsonObject(value)) return false;
  const topology = isJsonObject(value.modelTopology) ? value.modelTopology : value;
  return typeof topology.keras_version === "string" && topology.keras_version.startsWith("3");
}

/** Line and column of an object's "class_name" key, by binary search over the lines' starts. */
function placer(file: string, text: string, classNames: ReadonlyMap<object, number>) {
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  return (object: object): SourcePlace => {
    const offset = classNames.get(object);
    if (offset === undefined) return { file, ...START };
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    const column = offset - starts[low]! + 1;
    return { file, line: low + 1, column, endLine: low + 1, endColumn: column + '"class_name"'.length };
  };
}
