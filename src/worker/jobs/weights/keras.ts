import type { WeightFormat } from "./weightFormat";

/** HDF5 files, Keras's archives, and a model.json that names TensorFlow.js's shards. The models' reader opens them. */
export const KERAS: WeightFormat = {
  name: "Keras and TensorFlow.js",
  endings: [".weights.h5", ".h5", ".hdf5", ".keras"],
  rareEndings: [".json"],
  indexEndings: [],
  usualNames: [],
  models: ["tfjs-source", "keras-json", "keras-file"],
};
