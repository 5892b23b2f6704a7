import { readHeader } from "../../formats/safetensors";
import type { WeightFormat } from "./weightFormat";

export const SAFETENSORS: WeightFormat = {
  name: "safetensors",
  endings: [".safetensors"],
  indexEndings: [".safetensors.index.json"],
  usualNames: ["model.safetensors", "model.safetensors.index.json"],
  models: ["pytorch", "tfjs-source", "keras-json", "keras-file"],
  async open(file) {
    const { tensors, metadata } = await readHeader(file);
    return { file, tensors, from: file, metadata };
  },
};
